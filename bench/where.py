"""Where the worker's time goes: one round under the profiler, which slows everything down by about a half."""

import pstats
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from bench.race import Program, Tell, measured
from bench.stage import Stage

_MOST = 45


async def profiled(stage: Stage, program: Program, requests: int, tell: Tell) -> list[Table]:
    """Runs a round of *program* under cProfile; its time by library, and its functions by own time."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "profile"
        interpreter, *arguments = program.command
        command = [interpreter, "-m", "cProfile", "-o", str(kept), *arguments]
        await measured(stage, replace(program, command=command), requests, tell)
        stats = pstats.Stats(str(kept))
    rows = stats.stats  # type: ignore[attr-defined] # the typing knows only its printing methods
    return [_by_library(rows, requests), _by_function(rows, requests)]


Rows = dict[tuple[str, int, str], tuple[int, int, float, float, object]]


def _by_library(rows: Rows, requests: int) -> Table:
    own: Counter[str] = Counter()
    for (file, _, _), (_, _, seconds, _, _) in rows.items():
        own[_library(file)] += seconds  # type: ignore[assignment] # seconds are counted, too
    shown = Table(title="Own time by library, µs a request (profiled)", title_justify="left")
    shown.add_column("library")
    shown.add_column("µs", justify="right")
    for library, seconds in own.most_common(20):
        shown.add_row(library, f"{seconds / requests * 1e6:,.1f}")
    return shown


def _by_function(rows: Rows, requests: int) -> Table:
    shown = Table(title="Own time by function, µs a request (profiled)", title_justify="left")
    for heading in ("function", "calls", "own µs", "with callees µs"):
        shown.add_column(heading, justify="left" if heading == "function" else "right")
    dearest = sorted(rows.items(), key=lambda row: -row[1][2])[:_MOST]
    for (file, line, name), (_, calls, own, whole, _) in dearest:
        where = f"{_library(file)} {Path(file).name}:{line} {name}" if line else name
        figures = (calls / requests, own / requests * 1e6, whole / requests * 1e6)
        shown.add_row(where, *(f"{figure:,.1f}" for figure in figures))
    return shown


def _library(file: str) -> str:
    if file == "~":
        return "built in"
    _, installed, rest = file.rpartition("site-packages/")
    if installed:
        return rest.partition("/")[0].removesuffix(".py")
    parts = Path(file).parts
    for own in ("worker", "asyncio"):
        if own in parts:
            return "/".join(parts[parts.index(own) : -1][:2])
    return "standard library" if file.startswith(sys.base_prefix) else "other"
