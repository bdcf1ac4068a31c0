"""The gate before a POST that is limited: open, at no cost, until the first 429; then it keeps the pace.

It holds only what is in hand anyway: the prefetch stays the concurrency (invariant 8).
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from worker.domain.failures import Later, OutcomeUnknown, Rejected, Unavailable
from worker.pipeline.holding.pace import Pace
from worker.pipeline.holding.pauses import News

HELD_MOST_S = 600.0
"""Who has waited so long is deferred: well before a broker takes an unsettled message away."""

_GLANCE_S = 0.5

T = TypeVar("T")
Report = Callable[[float, bool], None]
"""Told of every change: the limit now (all that is in hand: none), and whether a 429 was the reason."""


class Gate:
    """Keeps the pace of all POSTs of one kind of a worker, of which *most* are in hand at once.

    *lost* hears of answers that were.
    """

    def __init__(
        self,
        most: int,
        report: Report,
        lost: Callable[[OutcomeUnknown], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pace = Pace(most)
        self.lost = lost
        self.clock = clock
        self._report = report
        self._queue = asyncio.Lock()
        self._news = News()
        self.tell(throttled=False)

    @asynccontextmanager
    async def turn(self, wanted: Callable[[], bool]) -> AsyncIterator["Turn"]:
        """One POST's turn, first come, first served; or at once when it is no longer *wanted*.

        Raises `Unavailable` to who has waited for `HELD_MOST_S`.
        """
        if self._queue.locked() or self.pace.wait(self.clock()) > 0:
            await self._come_forward(wanted)
        self.pace.sent()
        turn = Turn(self)
        try:
            yield turn
        finally:
            turn.over()

    async def _come_forward(self, wanted: Callable[[], bool]) -> None:
        until = self.clock() + HELD_MOST_S
        async with self._queue:
            while wanted() and (seconds := self.pace.wait(self.clock())) > 0:
                if self.clock() >= until:
                    raise self._too_long()
                await self._news.within(min(seconds, _GLANCE_S))

    def _too_long(self) -> Unavailable:
        now = self.clock()
        left = max(now, self.pace.not_before, self.pace.asked_until) - now
        detail = f"Orchestrator limits these calls; the turn did not come within {HELD_MOST_S:.0f} s"
        return Unavailable(Later.THROTTLED, detail, retry_after=left)

    def tell(self, *, throttled: bool) -> None:
        """Reports the limit, which is new."""
        self._report(min(self.pace.limit, self.pace.most), throttled)

    def came_back(self) -> None:
        """One is no longer on its way."""
        self.pace.came_back()
        self._news.tell()


class Turn:
    """The right to one POST; `over` with its answer, or unused."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._is_over = False

    def over(self) -> None:
        """Lets the next one go."""
        if not self._is_over:
            self._is_over = True
            self._gate.came_back()

    async def spend(self, post: Awaitable[T]) -> T:
        """Awaits *post*, and learns from how it ends: a 429 cuts the limit, every other answer raises it."""
        sent_at = self._gate.clock()
        try:
            answer = await post
        except OutcomeUnknown as why:
            if not why.heard:
                self._gate.lost(why)
            raise
        except Rejected:
            self._succeeded(sent_at)
            raise
        except Unavailable as why:
            if why.code is Later.THROTTLED:
                self._throttled(sent_at, why.retry_after)
            raise
        else:
            self._succeeded(sent_at)
            return answer
        finally:
            self.over()

    def _succeeded(self, sent_at: float) -> None:
        pace, now = self._gate.pace, self._gate.clock()
        if pace.limit < math.inf:
            pace.succeeded(now, now - sent_at)
            self._gate.tell(throttled=False)

    def _throttled(self, sent_at: float, retry_after: float | None) -> None:
        chance = random.random()  # noqa: S311 - jitter
        self._gate.pace.throttled(self._gate.clock(), sent_at, retry_after, chance)
        self._gate.tell(throttled=True)
