"""A worker that says on SIGUSR1 how many tasks its loop has; for the soak, run in place of the plain one."""

import asyncio
import signal
import sys

from worker.app import Worker
from worker.cli.main import main

_run = Worker.run


async def _counted(self: Worker) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell)
    await _run(self)


def _tell() -> None:
    sys.stderr.write(f"tasks {len(asyncio.all_tasks())}\n")
    sys.stderr.flush()


Worker.run = _counted  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
