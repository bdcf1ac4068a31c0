"""Orchestrator is away: known to all requests in hand, so that they wait together and one call asks for all.

A run of failures begins an outage. A GET, one at a time and at growing distances, finds its end; then one
request goes first, and when that has worked all go on. Who goes first and fails is not held any longer.
"""

import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from worker.domain.failures import Later, OutcomeUnknown, Rejected, Unavailable
from worker.pipeline.holding.blame import FAILURES, Fared, Run, is_its_own, is_outage
from worker.pipeline.holding.pauses import News, Stopping
from worker.pipeline.ports import Clock

PAUSE_LEAST_S, PAUSE_MOST_S = 0.5, 30.0
# Who waits looks this often, in seconds, whether its message is still its own.
_GLANCE_S = 5.0

_log = structlog.get_logger(__name__)


class Outage:
    """Whether Orchestrator is away. `watch` has to run, or an outage ends by luck alone.

    *report* hears of its beginning (True) and its end (False).
    """

    def __init__(self, stopping: Stopping, report: Callable[[bool], None], clock: Clock) -> None:
        self.why: Unavailable | None = None
        self._stopping = stopping
        self._report = report
        self._clock = clock
        self._news = News()
        self._run = Run()
        self._pause = PAUSE_LEAST_S
        self._answers = False
        self._worked = 0
        self._held = self._held_new = 0
        self._firsts = 0
        self._somebody_tries = False

    def __bool__(self) -> bool:
        """True while Orchestrator is away; `why` tells the reason."""
        return self.why is not None

    def failed(self, why: Unavailable) -> bool:
        """Orchestrator did not answer as Orchestrator does. Tells whether that is an outage now."""
        self._run = self._run.and_one(self._clock())
        if self or is_outage(self._run, why):
            if not self:
                _log.warning("outage.began", code=why.code, failures=self._run.length, reason=why.detail)
                self._report(True)
            self.why, self._answers = why, False
            self._news.tell()
        return bool(self)

    def failed_at(self, fared: Fared, why: Unavailable) -> bool:
        """`failed`, by a request that fared so. Tells whether the request is to be put off, not held.

        Who fails while others are answered tells nothing of Orchestrator.
        """
        fared.failed(self._worked)
        its_own = is_its_own(fared, why)
        if its_own and not fared.went_first:
            return True
        away = self.failed(why)
        return its_own or (not away and fared.failures > FAILURES)

    def lost(self, why: OutcomeUnknown) -> None:
        """The answer to a start was lost."""
        self.failed(Unavailable(Later.FAILING, why.detail, outage=True, answer=why.answer))

    def worked(self) -> None:
        """Orchestrator answered: a call that was under way, or the request that went first."""
        self._run = Run()
        self._worked += 1
        if self:
            self.why, self._pause = None, PAUSE_LEAST_S
            _log.info("outage.ended")
            self._report(False)
            self._news.tell()

    async def watch(self, probe: Callable[[], Awaitable[None]]) -> None:
        """Asks *probe* while Orchestrator is away, until the worker stops."""
        while not self._stopping:
            if self and not self._answers:
                await self._ask(probe)
            else:
                await self._news.within(_GLANCE_S)
        self._news.tell()

    async def _ask(self, probe: Callable[[], Awaitable[None]]) -> None:
        await self._stopping.pause(self._pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
        # Only what works resets it: where reads work and starts do not, the distances grow as well.
        self._pause = min(self._pause * 2, PAUSE_MOST_S)
        if self and not self._stopping and await _is_answered(probe):
            self._answers = True
            self._over_for_nobody()
            self._news.tell()

    async def reads(self, wanted: Callable[[], bool]) -> None:
        """Returns while Orchestrator answers a GET, whatever becomes of starts.

        So does who is no longer *wanted*, and everybody once the worker stops.
        """
        while self and not self._answers and not self._stopping and wanted():
            await self._news.within(_GLANCE_S)

    @asynccontextmanager
    async def passage(
        self, wanted: Callable[[], bool], until: float = math.inf, fared: Fared | None = None
    ) -> AsyncIterator[Stopping]:
        """Enters at once while Orchestrator answers; else when it is back. Gives the wish to stop.

        Who is no longer *wanted*, or has waited *until* then (epoch seconds), enters too, to be told so.
        *fared* is told whether it goes first.
        """
        fared = fared or Fared()
        fared.went_first = False
        if not self:
            yield self._stopping
            return
        if first := await self._may_try(wanted, until, new=not fared.failures):
            self._somebody_tries = fared.went_first = True
            self._firsts += 1
        try:
            yield self._stopping
        finally:
            if first:
                self._somebody_tries = False
                self._over_for_nobody()
                self._news.tell()

    async def _may_try(self, wanted: Callable[[], bool], until: float, *, new: bool) -> bool:
        """Waits for the end of the outage (False), or to be the one that goes first (True)."""
        self._held += 1
        self._held_new += new
        try:
            while self and not self._stopping and wanted() and self._clock() < until:
                if self._answers and not self._somebody_tries and self._is_turn(new=new):
                    return True
                await self._news.within(min(_GLANCE_S, until - self._clock()))
        finally:
            self._held -= 1
            self._held_new -= new
        return False

    def _is_turn(self, *, new: bool) -> bool:
        """In turns one goes first that has not failed yet and one that has: of either there may be many."""
        new_ones = self._firsts % 2 == 0
        others = self._held_new if new_ones else self._held - self._held_new
        return new == new_ones or not others

    def _over_for_nobody(self) -> None:
        """It is over without a request that worked, when none is left that waits for it."""
        if self._answers and not self._held:
            self.worked()

    async def rest(self) -> None:
        """A moment, after a failure that is no outage yet."""
        if not self:
            await self._stopping.pause(PAUSE_LEAST_S * random.uniform(0.5, 1))  # noqa: S311 - jitter


async def _is_answered(probe: Callable[[], Awaitable[None]]) -> bool:
    """Any answer of Orchestrator's own is one: a 429 and a refusal, too."""
    try:
        await probe()
    except Unavailable as why:
        return not why.outage
    except Rejected:
        pass
    return True
