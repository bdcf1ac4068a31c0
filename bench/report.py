"""What the rounds came to: medians and ratios, as JSON for programs and as a table for people."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

from rich.table import Table

from bench.race import Figures

_LIBRARIES = ("aio-pika", "aiormq", "aiohttp", "orjson", "uvloop")
_GOALS = {"bare": 1.0, "bare_two_publishes": 1.25}

Rounds = Mapping[str, Sequence[Figures]]


def document(found: Rounds, requests: int) -> dict[str, Any]:
    """The result in the documented form: medians, and the worker's ratios to the bare loops.

    A ratio is the median of the ratios within each round (requests a second, the worker's to the other's), so
    that a machine that slows down for a while slows down both sides of it.
    """
    result: dict[str, Any] = {}
    for name in _GOALS:
        result[f"ratio_to_{name}"] = round(median(ratios(found, name)), 3)
        result[f"cpu_ratio_to_{name}"] = round(median(savings(found, name)), 3)
    result["rounds"] = len(found["worker"])
    result["requests"] = requests
    for name, figures in found.items():
        result[name] = _medians(figures)
    return result | {"machine": _machine()}


def ratios(found: Rounds, name: str) -> list[float]:
    """The worker's requests a second to those of *name*, round by round."""
    pairs = zip(found["worker"], found[name], strict=True)
    return [worker.requests_per_s / other.requests_per_s for worker, other in pairs]


def savings(found: Rounds, name: str) -> list[float]:
    """The CPU time that *name* takes for a request to the worker's, round by round: above 1 is less of it.

    On a machine that does other things as well this is the steadier of the two.
    """
    pairs = zip(found["worker"], found[name], strict=True)
    return [other.cpu_us_per_request / worker.cpu_us_per_request for worker, other in pairs]


def table(found: Rounds) -> Table:
    """The same for a terminal, with the least and the most of each."""
    shown = Table(
        title="The worker beside a bare loop: medians, and least and most of the rounds", title_justify="left"
    )
    for heading in ("", "requests/s", "CPU µs a request", "worker ÷ it", "by CPU", "aim"):
        shown.add_column(heading, justify="right" if heading else "left")
    for name, figures in found.items():
        speeds = _spread([each.requests_per_s for each in figures], ",.0f")
        costs = _spread([each.cpu_us_per_request for each in figures], ",.0f")
        beside = [] if name == "worker" else [ratios(found, name), savings(found, name)]
        aim = [f"{_GOALS[name]}"] if name in _GOALS else []
        shown.add_row(name.replace("_", " "), speeds, costs, *(_spread(one, ".2f") for one in beside), *aim)
    return shown


def _medians(figures: Sequence[Figures]) -> dict[str, Any]:
    speeds = [round(each.requests_per_s, 1) for each in figures]
    costs = [round(each.cpu_us_per_request, 1) for each in figures]
    return {
        "requests_per_s": median(speeds),
        "cpu_us_per_request": median(costs),
        "by_round": {"requests_per_s": speeds, "cpu_us_per_request": costs},
    }


def _spread(values: Sequence[float], form: str) -> str:
    return f"{median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


def _machine() -> dict[str, Any]:
    libraries = {name: version(name) for name in _LIBRARIES}
    cores = os.cpu_count()
    return {"system": platform.platform(), "cores": cores, "python": platform.python_version(), **libraries}
