"""The gate before StartJobs: no cost until a 429, then everybody in hand keeps one pace."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from worker.domain.failures import Answer, Code, Later, OutcomeUnknown, Rejected, Unavailable
from worker.pipeline.holding.gate import HELD_MOST_S, Gate
from worker.pipeline.holding.pace import PAUSE_MOST_S


def _now() -> float:
    return asyncio.get_running_loop().time()


class Road:
    """A gate, and POSTs that pass it; each takes half a second."""

    def __init__(self, most: int = 64) -> None:
        self.reports: list[tuple[float, bool]] = []
        self.lost: list[OutcomeUnknown] = []
        self.gate = Gate(most, lambda *told: self.reports.append(told), self.lost.append, _now)
        self.sent: list[float] = []
        self.at_once = self.most_at_once = 0

    async def post(self, ends: Exception | None = None, wanted: Callable[[], bool] = lambda: True) -> None:
        """One POST, that ends so."""
        async with self.gate.turn(wanted) as turn:
            if wanted():
                await turn.spend(self._sent(ends))

    async def _sent(self, ends: Exception | None) -> None:
        self.sent.append(_now())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.5)
        self.at_once -= 1
        if ends is not None:
            raise ends

    async def meets(self, ends: Exception) -> None:
        """One POST that fails so."""
        with pytest.raises(type(ends)):
            await self.post(ends)


def throttled(retry_after: float | None) -> Unavailable:
    """A 429."""
    return Unavailable(Later.THROTTLED, "slow", retry_after=retry_after, answer=Answer(429))


async def _together(*posts: Awaitable[None]) -> None:
    await asyncio.gather(*posts)


async def test_without_a_429_nobody_waits() -> None:
    """Whatever else goes wrong; and what is on its way is not bounded by the gate."""
    road = Road(most=2)
    await road.meets(Rejected(Code.ORCHESTRATOR_REFUSED, "no"))
    await road.meets(OutcomeUnknown("lost"))
    await road.meets(Unavailable(Later.BUSY, "busy"))
    began = _now()
    await _together(*(road.post() for _ in range(50)))
    assert set(road.sent[3:]) == {began}
    assert [str(lost) for lost in road.lost] == ["lost"]
    assert road.reports == [(2, False)]


async def test_one_retry_after_holds_everybody() -> None:
    """The 63 others do not meet it one by one."""
    road = Road()
    await road.meets(throttled(10))
    await _together(*(road.post() for _ in range(63)))
    assert len(road.sent) == 64
    assert min(road.sent[1:]) >= 10.5
    assert [told for _, told in road.reports].count(True) == 1


async def test_a_burst_that_meets_429s_goes_on_at_a_smaller_pace() -> None:
    """Everybody waits as long as the last one was told, then fewer are on their way at once."""
    road = Road()
    await _together(*(road.meets(throttled(3)) for _ in range(10)))
    road.most_at_once = 0
    await _together(*(road.post() for _ in range(20)))
    assert min(road.sent[10:]) >= 3.5
    assert road.most_at_once == 7


async def test_turns_are_given_first_come_first_served() -> None:
    """Nobody who comes later goes before who waits."""
    road, came = Road(), list[int]()

    async def one(number: int) -> None:
        async with road.gate.turn(lambda: True) as turn:
            came.append(number)
            await turn.spend(road._sent(None))

    await road.meets(throttled(1))
    await _together(*(one(number) for number in range(12)))
    assert came == list(range(12))


async def test_a_turn_is_taken_before_anything_is_awaited() -> None:
    """Whoever asks a ledger between the turn and the POST is counted as on its way."""
    road, inside = Road(), list[int]()
    await road.meets(throttled(1))

    async def one() -> None:
        async with road.gate.turn(lambda: True) as turn:
            inside.append(road.gate.pace.under_way)
            await asyncio.sleep(1)
            await turn.spend(road._sent(None))

    await _together(*(one() for _ in range(5)))
    assert inside == [1] * 5


async def test_who_is_no_longer_wanted_is_let_go_unsent() -> None:
    """A stop, or a lost channel: within half a second, however long the Retry-After."""
    road, wanted = Road(), True
    await road.meets(throttled(500))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(road.post(wanted=lambda: wanted))
        await asyncio.sleep(100)
        wanted = False
        began = _now()
    assert _now() - began <= 0.5
    assert len(road.sent) == 1


async def test_who_waits_too_long_is_told_so() -> None:
    """What is in hand is given back in rounds of minutes: a queue is never poured into the delays at once.

    One in two minutes tries, and is told as much as the first: nothing, for an hour.
    """
    road, told = Road(), list[float]()
    await road.meets(throttled(3600))

    async def one() -> None:
        with pytest.raises(Unavailable) as why:
            await road.post(throttled(3600))
        assert why.value.code is Later.THROTTLED
        tried = why.value.answer is not None
        assert why.value.retry_after == pytest.approx(3600 if tried else 3600 - 60, abs=400)
        told.append(_now())

    await _together(*(one() for _ in range(64)))
    assert sum(at >= HELD_MOST_S for at in told) >= 59
    assert max(told) <= HELD_MOST_S + 2
    assert len(road.sent) == 1 + 64 - sum(at >= HELD_MOST_S for at in told)
    assert all(after - before >= PAUSE_MOST_S for before, after in pairwise(road.sent))


async def test_one_long_retry_after_stops_nobody_for_long() -> None:
    """A date in 9999, once: two minutes later one tries, and when it is taken all go on."""
    road = Road()
    await road.meets(throttled(251_000_000_000))
    began = _now()
    await _together(*(road.post() for _ in range(64)))
    first, *others = road.sent[1:]
    assert PAUSE_MOST_S <= first - began <= 1.1 * PAUSE_MOST_S + 1
    assert min(others) >= first + 0.5
    assert max(others) <= first + 60


async def test_a_turn_that_is_not_used_is_given_back() -> None:
    """Whoever expires at the gate blocks nobody."""
    road = Road()
    await road.meets(throttled(1))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with road.gate.turn(lambda: True):
                raise ZeroDivisionError
    assert road.gate.pace.under_way == 0
    await road.post()
