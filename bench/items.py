"""Queue items: the worker as it is, which shares calls, beside itself with one call for each item.

All in one run, round by round, against an Orchestrator that takes so long for each call.
"""

import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich.table import Table

from bench.race import Figures, Program, Tell, programs, race
from bench.stage import Stage, item

LATENCIES_MS = (0, 100)
SHARED = "calls_shared"
ALONE = {"one_call_each": 1_000, "one_call_each_eight_at_once": 8}
"""What it is measured beside, with the most calls at once; the worker has fewer than 1,000 items in hand."""
PROGRAMS = (SHARED, *ALONE)
_SCOPE = "OR.Jobs OR.Execution.Read OR.Folders.Read OR.Queues"

Found = Mapping[int, Mapping[str, Sequence[Figures]]]


async def item_race(stage: Stage, url: str, rounds: int, requests: int, tell: Tell) -> Found:
    """The figures of all three, for each time (ms) that Orchestrator takes for a call."""
    found: dict[int, Mapping[str, Sequence[Figures]]] = {}
    stage.asks = item
    for latency_ms in LATENCIES_MS:
        stage.latency_ms = latency_ms
        found[latency_ms] = await race(stage, entrants(stage, url), rounds, requests, tell)
    return found


def entrants(stage: Stage, url: str) -> list[Program]:
    """The worker, and the same with one call for each item. What is told last of an item is its event."""
    worker = next(program for program in programs(stage, url) if program.name == "worker")
    settings = {**worker.environment, "JOBRELAY_SCOPE": _SCOPE}
    return [
        Program(SHARED, worker.command, settings, stage.announced),
        *(
            Program(name, _alone(most, worker.command), settings, stage.announced)
            for name, most in ALONE.items()
        ),
    ]


def _alone(most: int, command: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "bench.alone", str(most), *command[3:]]


def item_document(found: Found, requests: int) -> dict[str, Any]:
    """Medians, and how many times as fast as each other program the one with shared calls is."""
    rows = [{"latency_ms": latency_ms, **_row(of)} for latency_ms, of in found.items()]
    return {"items": requests, "rounds": len(next(iter(found.values()))[SHARED]), "by_latency": rows}


def _row(of: Mapping[str, Sequence[Figures]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, figures in of.items():
        pairs = list(zip(of[SHARED], figures, strict=True))
        speeds = sorted(round(ours.requests_per_s / its.requests_per_s, 2) for ours, its in pairs)
        costs = [its.cpu_us_per_request / ours.cpu_us_per_request for ours, its in pairs]
        row[name] = {
            "items_per_s": round(median(one.requests_per_s for one in figures), 1),
            "cpu_us_per_item": round(median(one.cpu_us_per_request for one in figures), 1),
            "shared_is_faster": median(speeds),
            "by_round": speeds,
            "shared_takes_less_cpu": round(median(costs), 2),
        }
    return row


def item_table(found: Found) -> Table:
    """The same for a terminal."""
    shown = Table(title="Queue items: calls shared, and one call each; medians", title_justify="left")
    for heading in ("a call takes", "", "items/s", "CPU µs an item", "shared ÷ it", "by CPU"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for latency_ms, of in found.items():
        for name, its in _row(of).items():
            figures = f"{its['items_per_s']:,.0f}", f"{its['cpu_us_per_item']:,.0f}"
            beside = f"{its['shared_is_faster']:.2f}", f"{its['shared_takes_less_cpu']:.2f}"
            shown.add_row(f"{latency_ms} ms", name.replace("_", " "), *figures, *beside)
    return shown
