"""The list budget: a burst, then an even pace, slower while the server says that calls are short."""

import asyncio
import random
from collections import deque
from typing import Any

import pytest

from worker.domain.failures import Later, Unavailable
from worker.orchestrator.http.budget import PATIENCE_S, SLOWEST, Budget, Pace, Turns, heard
from worker.orchestrator.wire import Reply

FULL = Pace(60)
STEP = 60 / 51
USED = Pace(60, paid_until=10 * STEP)  # its burst of ten has been used at 0


def reply(status: int = 200, **headers: Any) -> Reply:
    """An answer with *headers*; underscores in their names stand for hyphens."""
    return Reply(status, {name.replace("_", "-"): str(value) for name, value in headers.items()}, b"")


@pytest.mark.parametrize(
    ("pace", "now", "urgent", "wait"),
    [
        pytest.param(FULL, 0, True, 0, id="nothing was asked yet"),
        pytest.param(FULL, 0, False, 0, id="nothing was asked yet, nor is it urgent"),
        pytest.param(Pace(60, paid_until=9 * STEP), 0, True, 0, id="the last of the burst"),
        pytest.param(USED, 0, True, STEP, id="the burst is used up"),
        pytest.param(USED, STEP, True, 0, id="one interval later"),
        pytest.param(Pace(60, paid_until=5 * STEP), 0, False, STEP, id="half of the burst is for the urgent"),
        pytest.param(USED, 60, True, 0, id="a minute later"),
        pytest.param(Pace(60, shut_until=7), 0, True, 7, id="the server asked for patience"),
        pytest.param(Pace(60, shut_until=7, paid_until=90), 80, True, 0, id="which is over"),
        pytest.param(Pace(1, paid_until=60), 0, True, 60, id="one a minute"),
        pytest.param(Pace(1), 0, False, 0, id="one a minute, at rest"),
    ],
)
def test_when_the_next_call_may_be_made(pace: Pace, now: float, urgent: bool, wait: float) -> None:
    """A sixth of the share at once, the rest evenly."""
    assert pace.wait(now, urgent=urgent) == pytest.approx(wait)


@pytest.mark.parametrize(
    ("answer", "pause", "slowness"),
    [
        pytest.param(reply(), 0, 1, id="a server without limits"),
        pytest.param(reply(X_RateLimit_Remaining=10), 0, 1, id="enough are left"),
        pytest.param(reply(X_RateLimit_Remaining="many"), 0, 1, id="not a number"),
        pytest.param(reply(X_RateLimit_Remaining=0), 20, 2, id="fewer than ten are left"),
        pytest.param(reply(429, Retry_After=3), 3, 2, id="throttled"),
        pytest.param(reply(429), 5, 2, id="throttled without a word"),
        pytest.param(reply(429, Retry_After=9999), 120, 2, id="throttled for hours"),
        pytest.param(reply(429, Retry_After="Fri, 31 Dec 2100 00:00:00 GMT"), 120, 2, id="until a date"),
        pytest.param(reply(503, Retry_After=3), 0, 1, id="an outage is another matter"),
    ],
)
def test_what_an_answer_does_to_the_pace(answer: Reply, pause: float, slowness: float) -> None:
    """Only what is said of the limits counts."""
    after = heard(FULL, answer, 1000.0, 0)
    assert after.wait(1000) == pytest.approx(pause)
    assert after.slowness(1000) == slowness


def test_a_warning_is_heard_once_and_forgotten() -> None:
    """Ten answers of one moment are one warning; half of it is gone after a minute."""
    pace = FULL
    for _ in range(10):
        pace = heard(pace, reply(X_RateLimit_Remaining=0), 1000, 0)
    assert [pace.slowness(1000 + after) for after in (0, 60, 600)] == [2, 1, 1]
    for n in range(20):
        pace = pace.warn(1000 + 10 * n)
    assert pace.slowness(1190) == SLOWEST
    assert pace.slowness(1250) == SLOWEST / 2


def test_after_a_429_there_is_one_call_not_a_burst() -> None:
    """And replicas that were throttled together come back one after another."""
    pace = FULL.shut(0, 5)
    assert pace.wait(5) == 0
    assert pace.spent(5).wait(5) == pytest.approx(STEP)
    early, late = (heard(FULL, reply(429, Retry_After=5), 0, chance) for chance in (0, 0.5))
    assert late.wait(0) - early.wait(0) == pytest.approx(STEP)


@pytest.mark.parametrize("most", [1, 2, 6, 60, 100, 1000])
def test_no_minute_has_more_calls_than_the_share(most: int) -> None:
    """Whenever they are wanted."""
    pace, now, calls = Pace(most), 0.0, deque[float]()
    while now < 300:
        now += pace.wait(now) or 1e-6
        if pace.wait(now) <= 0:
            pace = pace.spent(now)
            calls.append(now)
        while calls[0] <= now - 59.999:
            calls.popleft()
        assert len(calls) <= most
    assert len(calls) >= most * 0.8


@pytest.mark.parametrize(("replicas", "refused"), [(1, 0), (2, 0), (3, 0), (5, 0), (10, 90)])
def test_replicas_share_a_tenant_by_what_it_says(replicas: int, refused: int) -> None:
    """Each wants all of its 60 a minute for ten minutes: none is refused, unless they are very many."""
    paces, calls, chance = [Pace(60)] * replicas, deque[float](), random.Random(1).random  # noqa: S311
    made, throttled = [0] * replicas, 0
    for now in (tick / 10 for tick in range(6000)):
        while calls and calls[0] <= now - 60:
            calls.popleft()
        for n in range(replicas):
            if paces[n].wait(now) > 0:
                continue
            left = 100 - len(calls)
            if left:
                calls.append(now)
                made[n] += 1
                answer = reply(X_RateLimit_Remaining=left - 1 if left > 10 else 0)
            else:
                throttled += 1
                answer = reply(429, Retry_After=int(calls[0] + 61 - now))
            paces[n] = heard(paces[n].spent(now), answer, now, chance())
    assert throttled <= refused
    assert sum(made) >= min(50 * replicas, 65) * 10
    assert min(made) >= 0.4 * max(made)


async def _turns(budget: Budget, number: int, *, urgent: bool = True) -> list[float]:
    """The moments of as many turns."""
    moments = []
    for _ in range(number):
        await budget.turn(urgent=urgent)
        moments.append(asyncio.get_running_loop().time())
    return moments


async def test_beyond_the_burst_calls_wait_for_their_turn() -> None:
    """One after another, in the order in which they came."""
    moments = await _turns(Budget(60), 13)
    assert moments == pytest.approx([0.0] * 10 + [STEP, 2 * STEP, 3 * STEP])


async def test_look_ups_go_before_what_can_wait() -> None:
    """The others get what these leave, and all of it when these rest."""
    budget = Budget(60)
    async with asyncio.TaskGroup() as group:
        other = group.create_task(_turns(budget, 7, urgent=False))
        await asyncio.sleep(1)
        urgent = group.create_task(_turns(budget, 6))
    assert max(urgent.result()) <= 1 + STEP
    assert other.result()[:5] == [0.0] * 5
    assert other.result()[5] > max(urgent.result())


async def test_a_429_holds_everybody_until_it_is_over() -> None:
    """Where that is soon."""
    budget = Budget(60)
    budget.heard(reply(429, Retry_After=3))
    (moment,) = await _turns(budget, 1)
    assert 3 <= moment <= 3 + 2 * STEP


async def test_who_would_wait_too_long_hears_at_once_when_to_come_again() -> None:
    """So that its request can be deferred."""
    budget = Budget(60)
    budget.heard(reply(429, Retry_After=30))
    with pytest.raises(Unavailable, match="POLL_BUDGET_PER_MIN") as raised:
        await budget.turn(urgent=True)
    assert asyncio.get_running_loop().time() == 0
    assert (raised.value.code, raised.value.outage) == (Later.THROTTLED, False)
    assert 30 <= (raised.value.retry_after or 0) <= 30 + 2 * STEP


async def test_nobody_waits_longer_than_the_bound() -> None:
    """Who stands too far back in the queue gives up, and the others still have their turns."""
    budget, loop = Budget(60), asyncio.get_running_loop()

    async def turn() -> float | None:
        try:
            await budget.turn(urgent=True)
        except Unavailable:
            assert loop.time() <= PATIENCE_S
            return None
        return loop.time()

    moments = await asyncio.gather(*(turn() for _ in range(40)))
    served = [moment for moment in moments if moment is not None]
    assert len(served) == 10 + int(PATIENCE_S / STEP)
    assert served == sorted(served)


async def test_who_comes_again_late_waits_no_longer_either() -> None:
    """A second try stands behind those who came during its pause; its bound is from when it asked."""
    budget, loop = Budget(60), asyncio.get_running_loop()
    await _turns(budget, 10)
    async with asyncio.TaskGroup() as group:
        again = group.create_task(_refused(budget, 5.0))
        await asyncio.sleep(4.9)
        for _ in range(12):
            group.create_task(budget.turn(urgent=True))
    assert again.result() == PATIENCE_S < loop.time()


async def test_a_stop_ends_every_wait_at_once() -> None:
    """GRACE_S is for what is in hand, not for queues."""
    budget, loop = Budget(60), asyncio.get_running_loop()
    await _turns(budget, 10)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(_refused(budget, pause)) for pause in (0.0, 0.0, 5.0) for _ in range(2)]
        await asyncio.sleep(0.5)
        budget.close()
    assert {task.result() for task in waiting} == {0.5}
    assert await _refused(budget, 0.0) == loop.time() == 0.5
    await asyncio.sleep(60)
    assert len(await _turns(budget, 10)) == 10, "what is free is still given: it holds nobody up"


async def _refused(budget: Budget, pause: float) -> float:
    with pytest.raises(Unavailable):
        await budget.turn(pause, urgent=True)
    return asyncio.get_running_loop().time()


async def test_who_goes_away_leaves_the_turn_to_the_next() -> None:
    """A cancelled wait costs nothing."""
    budget = Budget(60)
    await _turns(budget, 10)
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(budget.turn(urgent=True))
        kept = group.create_task(_turns(budget, 1))
        await asyncio.sleep(0.1)
        gone.cancel()
    assert kept.result() == pytest.approx([STEP])


async def test_a_turn_that_is_held_is_paid_once() -> None:
    """And the next exchange of the same look-up pays for itself."""
    budget, loop = Budget(60), asyncio.get_running_loop()
    await _turns(budget, 8)
    turns = Turns(budget, urgent=True)
    await turns.hold()
    for at in (0.0, 0.0, STEP):
        await turns.enter(0)
        assert loop.time() == pytest.approx(at)
