"""The command: `scripts/track`. Exit code 0 only if no job's end was lost, and nothing else is amiss."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

import uvloop
from chaos.report.out import put_out
from chaos.report.tables import Progress
from chaos.stage import own_ground

from fleet.plan import Plan
from fleet.report import show
from fleet.results import Results
from fleet.run import run

_PLAN = Plan()


def main() -> int:
    """Reads the command line, runs, reports."""
    told = _parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="jobrelay-track-"))
    keep = told.keep
    try:
        results = uvloop.run(_run(told, folder))
        keep = keep or not results.good
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    finally:
        if keep:
            sys.stderr.write(f"the workers' logs are in {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    put_out(results.document(), partial(show, results), told.json, width=160)
    return 0 if results.good else 1


async def _run(told: argparse.Namespace, folder: Path) -> Results:
    main = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel if main else sys.exit)
    plan = Plan(
        jobs=told.jobs,
        rate=told.rate,
        trackers=told.trackers,
        folders=told.folders,
        poll_s=told.poll,
        fill=told.fill,
        faulted=told.faulted,
        kill=not told.no_kill,
        webhooks=told.webhooks,
        seed=told.seed,
    )
    progress = Progress()
    try:
        async with own_ground(shared=False) as ground:
            return await run(plan, ground, folder, progress.tell)
    finally:
        progress.end()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/track",
        description="Very many jobs in flight, followed by a few trackers of which one is killed.",
    )
    add = parser.add_argument
    add("--jobs", type=int, default=_PLAN.jobs, help="jobs in flight (default: %(default)s)")
    add("--rate", type=float, default=_PLAN.rate, help="jobs that end in a second (default: %(default)s)")
    add("--fill", type=float, default=0.0, help="jobs that begin in a second (default: as --rate)")
    add("--trackers", type=int, default=_PLAN.trackers, help="worker processes (default: %(default)s)")
    add("--folders", type=int, default=_PLAN.folders, help="folders they are in (default: %(default)s)")
    add("--poll", type=float, default=_PLAN.poll_s, help="POLL_INTERVAL_S (default: %(default)s)")
    add("--faulted", type=float, default=_PLAN.faulted, help="share of jobs that fail (default: none)")
    add("--webhooks", action="store_true", help="Orchestrator tells of changes, too")
    add("--no-kill", action="store_true", help="kill no tracker")
    add("--seed", type=int, default=1, help="the same seed ends jobs in the same order")
    add("--json", type=Path, metavar="FILE", help="write the results there, too")
    add("--keep", action="store_true", help="keep the workers' logs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
