"""When to wait: the worker stops, or Orchestrator is away."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_PAUSE_LEAST_S, _PAUSE_MOST_S = 0.5, 30.0
_GLANCE_S = 0.5


class Stopping:
    """The wish to stop, once it is there. Pauses end early then."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __bool__(self) -> bool:
        """True once the worker is to stop."""
        return self._event.is_set()

    def begin(self) -> None:
        """Asks everybody to stop."""
        self._event.set()

    async def wait(self) -> None:
        """Returns once the worker is to stop."""
        await self._event.wait()

    async def pause(self, seconds: float) -> None:
        """Sleeps *seconds*, or until the worker is to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)


class Outage:
    """Whether Orchestrator is away: known to all requests in hand, so that they wait together.

    In an outage one request at a time is let through, after a pause that grows from failure to failure. The
    first that works ends it, and everybody goes on; so does a probe of somebody else's that works.
    """

    def __init__(self, stopping: Stopping, report: Callable[[bool], None]) -> None:
        self._stopping = stopping
        self._report = report
        self._turn = asyncio.Lock()
        self._pause = _PAUSE_LEAST_S
        self._away = False

    def __bool__(self) -> bool:
        """True while Orchestrator is away."""
        return self._away

    def failed(self) -> None:
        """Orchestrator did not answer as Orchestrator does."""
        self._away = True
        self._report(True)

    def worked(self) -> None:
        """Orchestrator answered."""
        if self._away:
            self._away = False
            self._pause = _PAUSE_LEAST_S
            self._report(False)

    @asynccontextmanager
    async def passage(self, wanted: Callable[[], bool]) -> AsyncIterator[Stopping]:
        """Enters at once while Orchestrator answers; else alone, after a pause. Gives the wish to stop.

        Who is no longer *wanted* when the turn comes does not hold up the others.
        """
        if self._away:
            async with self._turn:
                if self._away and wanted():
                    await self._rest()
                    yield self._stopping
                    if self._away:
                        self._pause = min(self._pause * 2, _PAUSE_MOST_S)
                    return
        yield self._stopping

    async def _rest(self) -> None:
        left = self._pause * random.uniform(0.5, 1)  # noqa: S311 - jitter
        while left > 0 and self._away and not self._stopping:
            await self._stopping.pause(min(left, _GLANCE_S))
            left -= _GLANCE_S
