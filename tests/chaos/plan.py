"""The course of a run: its phases, what goes wrong in each, and how long it lasts."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from chaos.faults import broker, network, redis, workers
from chaos.faults.orchestrator import Rule
from chaos.faults.play import Play
from worker.domain.outcomes import DELAYS

ITEMS = 0.15
_FULL_S, _LOAD_SHARE = 300.0, 0.7
# Whose fourth attempt fails comes back in ten minutes: one of some ten thousand here. It is late, not lost.
_DRAIN_S = DELAYS[3] + 60.0
Strike = Callable[[Play], Awaitable[None]]


def at(step: str) -> Strike:
    """Kills a worker right at *step*."""
    return partial(workers.kill_at, step=step)


@dataclass(frozen=True, slots=True)
class Phase:
    """A share of the time. *strikes* come in turn, with pauses of *pause_s* (least and most) between them.

    *faulty* is the share of calls at which Orchestrator fails; *rules* are faults of the phase's own. With
    *ledger* the workers share one. At *least* so many strikes come, however long they take.
    """

    name: str
    share: float
    strikes: tuple[Strike, ...] = ()
    pause_s: tuple[float, float] = (1.0, 3.0)
    faulty: float = 0.05
    ledger: bool = True
    least: int = 0
    rules: tuple[Rule, ...] = ()


PHASES = (
    Phase("calm", 0.03, faulty=0.0),
    Phase("Orchestrator fails", 0.10, (network.outage,), (4.0, 8.0), faulty=0.10),
    Phase(
        "workers die", 0.12, (workers.kill, workers.kill_newborn, workers.kill, workers.kill_two), (0.5, 2.0)
    ),
    Phase("workers die at a step", 0.15, tuple(map(at, workers.STEPS)), (0.2, 1.0), least=16),
    Phase("the broker dies", 0.12, (broker.kill,), (3.0, 6.0), least=3),
    Phase("the broker falters", 0.08, (broker.alarm, broker.freeze)),
    Phase(
        "the network fails",
        0.14,
        (
            network.cut_broker,
            network.hold_one_way,
            network.part_from_broker,
            network.cut_orchestrator,
            network.part_from_orchestrator,
        ),
        (0.5, 2.0),
    ),
    Phase("rolling replacement", 0.06, (workers.replace_all,)),
    Phase("short freezes", 0.06, (workers.freeze_briefly,)),
    Phase("Redis fails", 0.12, (redis.kill, workers.kill, redis.freeze, redis.part), (0.5, 2.0), least=4),
    Phase("no shared ledger", 0.10, (workers.kill, at("after commit"), workers.kill), ledger=False),
    Phase("long freezes", 0.06, (workers.freeze_long,), least=1),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run was told.

    In *load_s* so many *requests* are sent, and more as long as phases last, at *most* so many.
    """

    seed: str
    requests: int
    load_s: float
    drain_s: float
    workers: int = 3
    duplicates: float = 0.05
    items: float = ITEMS
    most: int = sys.maxsize
    phases: tuple[Phase, ...] = PHASES


def of_length(seconds: float, seed: str, per_s: float, only: str = "", items: float = ITEMS) -> Plan:
    """A run of about *seconds*, some of them for what is open at the end; *only* phases with that word.

    A share of *items* of the requests asks for queue items.
    """
    load_s = max(seconds * _LOAD_SHARE, 5.0)
    phases = tuple(
        replace(phase, least=round(phase.least * min(1, seconds / _FULL_S)))
        for phase in PHASES
        if only in phase.name
    )
    requests = max(1, round(load_s * per_s))
    return Plan(seed, requests, load_s, max(seconds, _DRAIN_S), items=items, phases=phases)
