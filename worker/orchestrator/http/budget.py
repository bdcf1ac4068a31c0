"""Lists are read at a pace: Orchestrator counts them by the minute, for all who use a tenant together.

Cloud admits 100 `GET /odata/Jobs` in any minute, whoever asks; reads by id and StartJobs are not counted
(docs.uipath.com, Automation Cloud API guide, rate limits). A process keeps to its own share of them, and to
less while the server says that they are short: so replicas that know nothing of each other share.
"""

import asyncio
import math
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from worker.domain.failures import Later, Unavailable
from worker.orchestrator import refusals
from worker.orchestrator.http.reports import SILENT, Reports
from worker.orchestrator.wire import Reply

PATIENCE_S = 10.0
"""How long a call waits for its turn, in seconds: beyond that its request is better deferred."""
MINUTE_S = 60.0
SLOWEST = 16.0
"""How many times slower than its share a process becomes at most."""
_LULL_S = 10.0  # what was sent before a warning brings the same one again
_UNSAID_S = 5.0
_LONGEST_SHUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Pace:
    """When the next list may be read: a sixth of the share at once, the rest evenly. Pure.

    *most* is the share: calls in any minute. Moments are seconds of one clock. *paid_until* is the moment to
    which the calls so far have used the even pace up. A warning makes the pace twice as slow, up to
    `SLOWEST`, and is half forgotten after each minute.
    """

    most: int
    paid_until: float = -math.inf
    shut_until: float = -math.inf
    warned_at: float = -math.inf
    warned: float = 1.0

    @property
    def burst(self) -> int:
        """How many calls may follow each other at once after a rest."""
        return max(1, self.most // 6)

    @property
    def interval(self) -> float:
        """Seconds between two calls beyond the burst, when nobody warned."""
        return MINUTE_S / (self.most - self.burst + 1)

    def slowness(self, now: float) -> float:
        """How many times longer the interval is for the warnings of late."""
        return max(1.0, self.warned * 2 ** ((self.warned_at - now) / MINUTE_S))

    def wait(self, now: float, *, urgent: bool = True) -> float:
        """Seconds until the next call may be made. What is not *urgent* leaves half of the burst."""
        credit = (self.burst - 1 - (0 if urgent else self.burst / 2)) * self.interval
        return max(0.0, self.shut_until - now, self.paid_until - credit - now)

    def spent(self, now: float) -> "Pace":
        """After a call."""
        return replace(self, paid_until=max(now, self.paid_until) + self.interval * self.slowness(now))

    def warn(self, now: float) -> "Pace":
        """After the server has said that calls are short: once in a while, so that it is heard once."""
        if now - self.warned_at < _LULL_S:
            return self
        return replace(self, warned_at=now, warned=min(SLOWEST, 2 * self.slowness(now)))

    def shut(self, now: float, seconds: float) -> "Pace":
        """After a 429: nothing for so many *seconds*, then one call, not a burst."""
        until = max(self.shut_until, now + min(seconds, _LONGEST_SHUT_S))
        return replace(
            self,
            shut_until=until,
            paid_until=max(self.paid_until, until + (self.burst - 1) * self.interval),
        )


def heard(pace: Pace, reply: Reply, now: float, chance: float) -> Pace:
    """The pace after *reply*. *chance*, from 0 to 1, keeps replicas from coming back at one moment."""
    if reply.status == 429:
        asked = refusals.retry_after(reply)
        slower = pace.warn(now)
        apart = chance * slower.interval * slower.slowness(now)
        return slower.shut(now, (_UNSAID_S if asked is None else asked) + apart)
    if reply.headers.get("X-RateLimit-Remaining", "").strip() == "0":
        # It says so to those who make the last ten calls of a minute. Who rests then leaves the others theirs
        # (so they hear it too) until older calls are a minute old.
        return pace.warn(now).shut(now, MINUTE_S / 3 * (1 + chance))
    return pace


class Gate(Protocol):
    """Stands before each exchange of a call."""

    async def enter(self, pause: float) -> None:
        """Returns when the exchange may begin, at least *pause* seconds from now. Raises `Unavailable`."""

    def heard(self, outcome: Reply | Unavailable) -> None:
        """What came of the exchange."""


class _Open:
    """The gate of what is not counted."""

    async def enter(self, pause: float) -> None:
        """Waits for *pause* alone."""
        if pause > 0:
            await asyncio.sleep(pause)

    def heard(self, outcome: Reply | Unavailable) -> None:
        """Nothing is made of it."""


OPEN = _Open()


class Budget:
    """This process's share of a tenant's lists, *most* a minute. Calls go in the order in which they came.

    Those of requests in hand are *urgent*: others pass only when these leave room.
    """

    def __init__(self, most: int, reports: Reports = SILENT) -> None:
        self._pace = Pace(most)
        self._reports = reports
        reports.budget(most, lambda: self._pace.slowness(_now()), lambda: self._pace.wait(_now()))
        self._queues = {urgent: asyncio.Lock() for urgent in (True, False)}
        self._closing = asyncio.Event()

    def close(self) -> None:
        """From now on nobody waits: who has no turn at once is refused, and so is everybody who waits."""
        self._closing.set()

    async def turn(self, pause: float = 0.0, *, urgent: bool, patient: bool = True) -> None:
        """Returns when one exchange may begin, or raises `Unavailable` where that is not within 10 s.

        Who is not *patient* has a turn at once, or none.
        """
        deadline = _now() + (PATIENCE_S if patient else 0.0)
        try:
            async with asyncio.timeout_at(deadline):
                await self._rest(pause, deadline)
                async with self._queues[urgent]:
                    while (wait := self._pace.wait(_now(), urgent=urgent)) > 0:
                        await self._rest(wait, deadline)
                    self._pace = self._pace.spent(_now())
                    self._reports.turn("had")
        except TimeoutError:
            raise self._too_late("the calls before it take too long") from None

    def heard(self, outcome: Reply | Unavailable) -> None:
        """Slows down all calls of this process together, as the answer says."""
        if isinstance(outcome, Reply):
            self._pace = heard(self._pace, outcome, _now(), random.random())  # noqa: S311 - jitter

    async def _rest(self, seconds: float, deadline: float) -> None:
        if seconds <= 0:
            return
        if self._closing.is_set():
            raise self._too_late("this worker stops")
        if _now() + seconds > deadline:
            raise self._too_late(f"the next turn is in {seconds:.0f} s", seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # wait_for may swallow a cancellation (Python 3.11)
                await self._closing.wait()

    def _too_late(self, why: str, seconds: float = 0.0) -> Unavailable:
        self._reports.turn("refused")
        wait = max(1.0, seconds, self._pace.wait(_now()))
        detail = f"Orchestrator's lists are read at a pace (POLL_BUDGET_PER_MIN, or slower as it asks): {why}"
        return Unavailable(Later.THROTTLED, detail, retry_after=wait)


class Turns:
    """The gate of one look-up or scan, however many exchanges it takes: each waits for its turn.

    The first turn can be waited for before it is known what is to be asked.
    """

    def __init__(self, budget: Budget, *, urgent: bool, patient: bool = True) -> None:
        self._budget = budget
        self._urgent = urgent
        self._patient = patient
        self._held = False

    async def hold(self) -> None:
        """Waits for a turn and keeps it for the next exchange."""
        await self._budget.turn(urgent=self._urgent)
        self._held = True

    async def enter(self, pause: float) -> None:
        """Waits for a turn, unless one is held."""
        if not self._held:
            await self._budget.turn(pause, urgent=self._urgent, patient=self._patient)
        self._held = False

    def heard(self, outcome: Reply | Unavailable) -> None:
        """Tells the budget."""
        self._budget.heard(outcome)


def _now() -> float:
    return asyncio.get_running_loop().time()
