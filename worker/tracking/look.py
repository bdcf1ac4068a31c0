"""One look at one job: what was read of it, and whether that may still be told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from worker.domain.jobs import Job
from worker.pipeline.ports import Clock
from worker.tracking.slots import Slot

_FRESH_S = 1.0


class Look:
    """A look at the job of *slot*, which is read as often as it takes to tell what is true."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.seen: Job | None = None
        """The job as it was read; None where it is gone or not to be read."""
        self.at = 0.0
        """When it was read, in epoch seconds."""
        self.reasons: Sequence[str] | None = None
        """Why it is Pending; None as long as nobody has asked."""
        self._took = 0.0
        self._fresh_until = 0.0

    async def read(self, job: Callable[[Slot], Awaitable[Job | None]], clock: Clock) -> None:
        """Reads it. Orchestrator is given as long again as the answer before took: it is not asked for ever."""
        self.at, began = clock(), _now()
        self.seen = await job(self.slot)
        self.slot.read_at = began
        self._fresh_until = began + _FRESH_S + self._took
        self._took = _now() - began

    def may_be_told(self) -> bool:
        """False where others may have told what comes after it.

        They may have the job long before this is known here: the broker gives it to them when it misses our
        heartbeats, and of that a broken line tells nothing. After an end nothing comes.
        """
        ends = self.seen is not None and self.seen.terminal
        return self.slot.in_hand and (ends or _now() <= self._fresh_until)


def _now() -> float:
    return asyncio.get_running_loop().time()
