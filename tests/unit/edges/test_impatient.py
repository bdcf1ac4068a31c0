"""What is read from lists only where that holds nobody up: it has a turn at once, or none."""

import asyncio

import pytest

from worker.domain.failures import Later, Unavailable
from worker.orchestrator.http.budget import Budget, Turns


async def _has_a_turn(budget: Budget) -> bool:
    try:
        await Turns(budget, urgent=False, patient=False).enter(0)
    except Unavailable as refused:
        return refused.code is not Later.THROTTLED
    return True


async def test_an_impatient_call_has_its_turn_at_once_or_not_at_all() -> None:
    """It takes what is free beside the half of the burst that is for requests in hand."""
    budget, loop = Budget(60), asyncio.get_running_loop()
    assert [await _has_a_turn(budget) for _ in range(7)] == [True] * 5 + [False] * 2
    await budget.turn(urgent=True)
    assert loop.time() == 0


async def test_an_impatient_call_gives_way_to_who_waits() -> None:
    """A scan that stands before it has the next turn, and no try again waits for one."""
    budget, loop = Budget(60), asyncio.get_running_loop()
    for _ in range(5):
        await budget.turn(urgent=False)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(budget.turn(urgent=False))
        await asyncio.sleep(0)
        assert not await _has_a_turn(budget)
    waited = loop.time()
    assert waited > 0
    await asyncio.sleep(60)
    with pytest.raises(Unavailable):
        await Turns(budget, urgent=False, patient=False).enter(0.5)
    assert loop.time() == pytest.approx(waited + 60)
