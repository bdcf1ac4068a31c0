"""Rounds of programs that take turns, each measured the same way: from outside, at full load, by counts.

A round fills the queue, starts the program, and looks at clock, CPU and count twice: when a tenth of the
requests is settled (it is connected, warm and at full load then) and when all are.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.child import Child, Failed, running
from bench.stage import CLIENT_ID, CLIENT_SECRET, Stage, surroundings

CONCURRENCY = 200
_LOOK_EVERY_S = 0.02
_STALLED_S = 30.0


@dataclass(frozen=True, slots=True)
class Program:
    """What is measured. *counted* is the queue of its last publish: a message for each request settled."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    counted: str


@dataclass(frozen=True, slots=True)
class Figures:
    """One round of one program."""

    requests_per_s: float
    cpu_us_per_request: float


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    cpu_s: float
    settled: int


Tell = Callable[[str, int], None]
"""Hears which program is at work and how many requests it has settled in this round."""


def programs(stage: Stage, amqp_url: str) -> list[Program]:
    """The worker and the two bare loops, all on the same queue."""
    plain = {**surroundings(), "JOBRELAY_AMQP_URL": amqp_url}
    settings = {
        **plain,
        "JOBRELAY_PREFIX": stage.prefix,
        "JOBRELAY_ORCHESTRATOR_URL": stage.orchestrator,
        "JOBRELAY_CLIENT_ID": CLIENT_ID,
        "JOBRELAY_CLIENT_SECRET": CLIENT_SECRET,
        "JOBRELAY_CONCURRENCY": str(CONCURRENCY),
        "JOBRELAY_LOG_FORMAT": "json",
    }
    bare = [sys.executable, "-m", "bench.bare", stage.prefix, stage.orchestrator]
    worker = [sys.executable, "-m", "worker", "run", "--role", "start"]
    return [
        Program("bare", [*bare, "1"], plain, stage.announced),
        Program("worker", worker, settings, stage.tracking),
        Program("bare_two_publishes", [*bare, "2"], plain, stage.tracking),
    ]


async def race(
    stage: Stage, entrants: Sequence[Program], rounds: int, requests: int, tell: Tell
) -> Mapping[str, list[Figures]]:
    """The figures of each program, round by round; who begins a round changes from one to the next."""
    found: dict[str, list[Figures]] = {program.name: [] for program in entrants}
    for number in range(rounds):
        first = number % len(entrants)
        for program in (*entrants[first:], *entrants[:first]):
            tell(program.name, 0)
            found[program.name].append(await measured(stage, program, requests, tell))
    return found


async def measured(stage: Stage, program: Program, requests: int, tell: Tell) -> Figures:
    """One round of one program, or `Failed` if it ends or stands still."""
    await stage.prepare(requests)
    warm = None
    async with running(program.command, program.environment) as child:
        async for look in _looks(stage, program, child):
            tell(program.name, look.settled)
            if warm is None and look.settled >= requests // 10:
                warm = look
            if look.settled >= requests:
                break
    if warm is None or warm.settled >= requests:
        raise Failed(f"{program.name} settled {requests} requests at one look: give it more --requests")
    settled = look.settled - warm.settled
    return Figures(settled / (look.at - warm.at), (look.cpu_s - warm.cpu_s) / settled * 1e6)


async def _looks(stage: Stage, program: Program, child: Child) -> AsyncIterator[_Look]:
    moved_at, last = time.perf_counter(), 0
    while True:
        child.check()
        settled = await stage.messages_in(program.counted)
        now = time.perf_counter()
        if settled > last:
            moved_at, last = now, settled
        if now - moved_at > _STALLED_S:
            raise Failed(f"{program.name} stands still at {settled} requests: {child.last_words}")
        yield _Look(now, child.cpu_s(), settled)
        await asyncio.sleep(_LOOK_EVERY_S)
