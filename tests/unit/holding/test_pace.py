"""Additive increase, multiplicative decrease: the table, and three replicas that share one server."""

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest

from worker.pipeline.holding.pace import LEAST, PAUSE_MOST_S, REST_MOST_S, Pace


@pytest.mark.parametrize(
    ("limit", "under_way", "not_before", "wait"),
    [
        pytest.param(math.inf, 63, -math.inf, 0, id="no 429 so far: any number"),
        pytest.param(8, 7, 0, 0, id="fewer than the limit"),
        pytest.param(8, 8, 0, math.inf, id="as many as the limit"),
        pytest.param(8.9, 8, 0, math.inf, id="no part of one"),
        pytest.param(0.2, 0, 0, 0, id="below one: one at a time"),
        pytest.param(0.2, 1, 0, math.inf, id="below one: not two"),
        pytest.param(8, 0, 104, 4, id="before the moment: the rest of it"),
        pytest.param(math.inf, 0, 104, 4, id="even where there is no limit"),
    ],
)
def test_when_the_next_may_be_sent(limit: float, under_way: int, not_before: float, wait: float) -> None:
    """Seconds from now, which is 100."""
    pace = Pace(64, limit=limit, under_way=under_way, not_before=not_before)
    assert pace.wait(100) == wait


@pytest.mark.parametrize(
    ("limit", "under_way", "after"),
    [
        pytest.param(math.inf, 40, 28, id="the first: 70 % of what is on its way"),
        pytest.param(30, 10, 7, id="fewer on their way than the limit: 70 % of those"),
        pytest.param(8, 8, 5.6, id="at the limit"),
        pytest.param(1, 1, 0.7, id="below one"),
        pytest.param(LEAST, 1, LEAST, id="not below the least"),
    ],
)
def test_a_429_cuts_the_limit(limit: float, under_way: int, after: float) -> None:
    """What was really on its way was too much."""
    pace = Pace(64, limit=limit, under_way=under_way)
    pace.throttled(100, 99, None, 0)
    assert pace.limit == pytest.approx(after)


@pytest.mark.parametrize(
    ("limit", "quiet", "after"),
    [
        pytest.param(math.inf, 0, math.inf, id="no limit stays none"),
        pytest.param(10, 0, 10.002, id="a fiftieth of one in a round of ten"),
        pytest.param(10, 30, 10.008, id="bolder when there was no 429 for long"),
        pytest.param(1, 0, 1.02, id="a fiftieth at one"),
        pytest.param(0.5, 0, 0.51, id="below one a fiftieth of itself"),
        pytest.param(63.9999, 9999, math.inf, id="all that can be in hand: no limit any more"),
    ],
)
def test_what_is_taken_raises_the_limit(limit: float, quiet: float, after: float) -> None:
    """By *quiet* seconds after the last 429."""
    pace = Pace(64, limit=limit, cut_at=100)
    pace.succeeded(100 + quiet, 0.1)
    assert pace.limit == pytest.approx(after)


def test_what_was_sent_before_a_cut_cuts_no_more_but_may_lengthen_the_wait() -> None:
    """A burst of 64 meets one 429, as it were; the longest Retry-After holds."""
    pace = Pace(64, under_way=64)
    pace.throttled(100, 99, 10, 0)
    pace.throttled(100.1, 99.5, 12, 0)
    pace.throttled(100.2, 99.9, 1, 0)
    assert [pace.limit, pace.not_before, pace.cuts] == pytest.approx([44.8, 112.1, 1])


def test_a_retry_after_is_never_shortened_and_spread_a_little() -> None:
    """So that replicas which were told the same moment do not all come in it."""
    moments = []
    for chance in (0.0, 0.5, 1.0):
        pace = Pace(64, under_way=1)
        pace.throttled(100, 99, 10, chance)
        moments.append(pace.not_before)
    assert moments == [110, 110.5, 111]


@pytest.mark.parametrize(
    "asked", [PAUSE_MOST_S + 1, 3600, 251_000_000_000], ids=["more", "an hour", "year 9999"]
)
def test_a_long_retry_after_is_cut_short_and_then_one_at_a_time_tries(asked: float) -> None:
    """Until one is taken: what was sent before the 429 says nothing."""
    pace = Pace(64, under_way=64)
    pace.throttled(100, 99, asked, 0)
    pace.under_way = 0
    later = 100 + PAUSE_MOST_S
    assert (pace.wait(100), pace.wait(later)) == (PAUSE_MOST_S, 0)
    pace.sent()
    assert pace.wait(later) == math.inf
    pace.succeeded(101, 3)
    assert pace.wait(later) == math.inf
    pace.succeeded(later + 1, 0.5)
    assert pace.wait(later + 1) == 0


def test_without_a_retry_after_the_pauses_grow_from_429_to_429() -> None:
    """Up to a bound; one that is taken begins anew."""
    pace, pauses = Pace(64, under_way=1), []
    for n in range(8):
        now = 1000.0 * n
        pace.throttled(now, now, None, 1)
        pauses.append(pace.not_before - now)
    assert pauses == [0.5, 1, 2, 4, 5, 5, 5, 5]
    pace.succeeded(9000, 0.1)
    pace.throttled(9999, 9999, None, 1)
    assert pace.not_before == 9999.5


def test_below_one_there_are_rests_with_a_bound() -> None:
    """So long that on average the limit is on its way."""
    pace = Pace(64, limit=0.25 / 1.02, cut_at=100)
    pace.succeeded(100, 2)
    assert pace.not_before == pytest.approx(106)
    pace = Pace(64, limit=LEAST, cut_at=100)
    pace.succeeded(100, 5)
    assert pace.not_before == 100 + REST_MOST_S


@dataclass
class Town:
    """Replicas with work for ever, and one server that admits *rate* POSTs a second; in virtual time."""

    rate: float
    latency: float
    retry_after: float | None
    window: float = 1.0
    replicas: int = 3
    now: float = 0.0
    taken: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)

    def run(self, seconds: float, warm: float, dice: random.Random) -> None:
        """Lets them work; what is counted begins after *warm* seconds."""
        self._paces = [Pace(64) for _ in range(self.replicas)]
        self._dice, self._admitted = dice, list[float]()
        self._due: list[tuple[float, int, Callable[[], None], int]] = []
        self._order = count()
        for replica in range(self.replicas):
            self._later(dice.random(), replica, lambda: None)
        while self._due and self.now < seconds:
            if self.now < warm:
                self.taken, self.refused = Counter(), Counter()
            self.now, _, then, replica = heapq.heappop(self._due)
            then()
            self._send(replica)

    def _send(self, replica: int) -> None:
        pace = self._paces[replica]
        while pace.under_way < 64 and pace.wait(self.now) == 0:
            pace.sent()
            sent_at, admitted = self.now, self._admits()
            self._later(
                self.latency * self._dice.uniform(0.8, 1.2),
                replica,
                lambda s=sent_at, ok=admitted: self._answered(replica, s, ok=ok),  # type: ignore[misc]
            )
        wait = pace.wait(self.now)
        if 0 < wait < math.inf:
            self._later(wait + 0.001, replica, lambda: None)

    def _admits(self) -> bool:
        self._admitted = [at for at in self._admitted if at > self.now - self.window]
        if len(self._admitted) >= self.rate * self.window:
            return False
        self._admitted.append(self.now)
        return True

    def _answered(self, replica: int, sent_at: float, *, ok: bool) -> None:
        pace = self._paces[replica]
        if ok:
            self.taken[replica] += 1
            pace.succeeded(self.now, self.now - sent_at)
        else:
            self.refused[replica] += 1
            pace.throttled(self.now, sent_at, self.retry_after, self._dice.random())
        pace.came_back()

    def _later(self, seconds: float, replica: int, then: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._order), then, replica))


@pytest.mark.parametrize(
    ("rate", "latency", "retry_after", "used", "refused"),
    [
        pytest.param(100, 0.05, 1, 0.6, 0.03, id="100 a second"),
        pytest.param(100, 0.2, 1, 0.7, 0.01, id="100 a second, far away"),
        pytest.param(100, 0.05, None, 0.65, 0.03, id="100 a second, no Retry-After"),
        pytest.param(20, 0.05, 1, 0.55, 0.1, id="20 a second: one on its way between the three"),
        pytest.param(5, 0.02, 1, 0.6, 0.15, id="5 a second: far below one"),
    ],
)
def test_three_replicas_share_a_server_fairly(
    rate: float, latency: float, retry_after: float | None, used: float, refused: float
) -> None:
    """Without a word between them: at least *used* of the rate, few 429s, and shares that are equal."""
    town, seconds = Town(rate, latency, retry_after), 6000 / rate
    town.run(seconds=30 + seconds, warm=30, dice=random.Random(7))  # noqa: S311 - a seed
    shares = [town.taken[replica] for replica in range(3)]
    taken, met = sum(shares), sum(town.refused.values())
    fairness = taken**2 / (3 * sum(share**2 for share in shares))
    assert used <= taken / (rate * seconds) <= 1.01
    assert met / (taken + met) <= refused
    assert fairness >= 0.8


def test_one_stray_429_is_soon_forgotten() -> None:
    """A server with no limit is used fully again within two minutes."""
    pace, now = Pace(64, under_way=1), 0.0
    pace.throttled(now, now, 1, 0)
    while pace.limit < math.inf:
        now = max(now + 0.2 / max(1, int(pace.limit)), pace.not_before)
        pace.succeeded(now, 0.2)
    assert now < 120
