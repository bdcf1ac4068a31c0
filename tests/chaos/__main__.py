"""The command: `scripts/chaos`. Exit code 0 only if nothing was lost, doubled or unexpected."""

import argparse
import asyncio
import json
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

import warm

from chaos.plan import ITEMS, of_length
from chaos.report.out import put_out
from chaos.report.results import Results
from chaos.report.tables import Progress, show
from chaos.run import run
from chaos.soak import soak
from chaos.stage import own_ground

_PER_S = 85.0


def main() -> int:
    """Reads the command line, runs, reports."""
    told = _parser().parse_args()
    os.environ["PYTHONWARNINGS"] = "ignore::RuntimeWarning:runpy"  # of processes that begin warm
    logging.disable(logging.CRITICAL)  # the library complains of every connection that we break
    folder = Path(tempfile.mkdtemp(prefix="jobrelay-chaos-"))
    keep = told.keep
    try:
        with warm.ready():
            if told.soak:
                return asyncio.run(_soak(told, folder))
            results = asyncio.run(_run(told, folder))
        keep = keep or not results.good
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    finally:
        if keep:
            sys.stderr.write(f"the workers' logs are in {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    put_out(results.document(), partial(show, results), told.json, width=200)
    return 0 if results.good else 1


async def _run(told: argparse.Namespace, folder: Path) -> Results:
    _end_by_signals()
    plan = of_length(told.seconds, told.seed, told.rate, told.only, told.items)
    progress = Progress()
    try:
        async with own_ground(shared=not told.no_redis) as ground:
            return await run(plan, ground, folder, progress.tell)
    finally:
        progress.end()


async def _soak(told: argparse.Namespace, folder: Path) -> int:
    _end_by_signals()
    progress = Progress()
    async with own_ground(shared=False) as ground:
        soaked = await soak(ground, folder, told.soak, progress.tell)
    progress.end()
    sys.stdout.write(f"{json.dumps(soaked.document(), indent=2)}\n")
    return 0 if soaked.flat else 1


def _end_by_signals() -> None:
    """A polite end by another signal cleans up as Ctrl-C does."""
    main = asyncio.current_task()
    if main is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, main.cancel)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Workers under load while everything around them fails; a verdict on every request.",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="about how long (default: %(default)s)")
    parser.add_argument("--seed", default=secrets.token_hex(3), help="the same seed chooses the same faults")
    parser.add_argument("--rate", type=float, default=_PER_S, help="requests a second (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="WORD", help="only phases with that word in their name")
    parser.add_argument(
        "--items", type=float, default=ITEMS, help="share that asks for queue items (default: %(default)s)"
    )
    parser.add_argument("--no-redis", action="store_true", help="workers share no ledger: the default mode")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument(
        "--soak", type=int, metavar="N", help="instead: N requests through one worker; does it grow?"
    )
    parser.add_argument("--keep", action="store_true", help="keep the workers' logs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
