"""`python -m bench`: measures, shows how far it is, and says what came of it.

A table on a terminal; JSON where a program reads, or in the file that --json names.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.child import Failed
from bench.items import LATENCIES_MS, PROGRAMS, item_document, item_race, item_table
from bench.race import Tell, programs, race
from bench.report import document, table
from bench.stage import staged
from bench.where import profiled
from worker.broker.visits.visit import BrokerAway

_ROUNDS, _REQUESTS = 5, 4000


def main() -> int:
    """Reads the command line, measures, and gives the exit code."""
    options = _parser().parse_args()
    url = os.environ.get("JOBRELAY_AMQP_URL")
    if url is None:
        return _complain("JOBRELAY_AMQP_URL is not set; scripts/bench brings a broker of its own", 2)
    try:
        Console().print(*uvloop.run(_run(options, url)), sep="\n", end="")
    except (Failed, BrokerAway) as why:
        return _complain(str(why), 4 if isinstance(why, BrokerAway) else 1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _complain("interrupted; everything is removed", 130)
    return 0


async def _run(options: argparse.Namespace, url: str) -> list[Table]:
    """Does what was asked for. A signal cancels it, so that everything is removed first."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with _progress() as progress:
        async with staged(url) as stage:
            entrants = programs(stage, url)
            if options.profile:
                tell = _told(progress, options.requests)
                worker = next(program for program in entrants if program.name == "worker")
                return await profiled(stage, worker, options.requests, tell)
            if options.items:
                runs = options.rounds * len(PROGRAMS) * len(LATENCIES_MS)
                tell = _told(progress, options.requests * runs)
                of_items = await item_race(stage, url, options.rounds, options.requests, tell)
                told = item_document(of_items, options.requests)
                return _written(told, item_table(of_items), options.json)
            tell = _told(progress, options.requests * options.rounds * len(entrants))
            found = await race(stage, entrants, options.rounds, options.requests, tell)
    return _written(document(found, options.requests), table(found), options.json)


def _written(result: Mapping[str, Any], shown: Table, file: Path | None) -> list[Table]:
    written = orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n"
    if file:
        file.write_bytes(written)
    if sys.stdout.isatty():
        return [shown]
    sys.stdout.buffer.write(written)
    return []


def _progress() -> Progress:
    columns = (TextColumn("{task.description:20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _told(progress: Progress, total: int) -> Tell:
    bar = progress.add_task("preparing", total=total)
    done = last = 0

    def tell(program: str, settled: int) -> None:
        nonlocal done, last
        done, last = (done if settled else done + last), settled
        progress.update(bar, description=program.replace("_", " "), completed=done + settled)

    return tell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--rounds",
        type=_count,
        default=_ROUNDS,
        help="rounds of the three programs (default: %(default)s; fewer than 5 only try it out)",
    )
    parser.add_argument(
        "--requests", type=_count, default=_REQUESTS, help="requests in each round (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    parser.add_argument(
        "--items", action="store_true", help="queue items instead: calls shared beside one call each"
    )
    parser.add_argument(
        "--profile", action="store_true", help="one round of the worker alone, under the profiler"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return int(text)


def _complain(text: str, code: int) -> int:
    sys.stderr.write(f"bench: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
