"""A pause ends with a stop (invariant 11)."""

import asyncio

import pytest

from worker.pipeline.holding.pauses import News, Stopping


def _now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_pause_takes_its_time() -> None:
    """Where nobody stops the worker."""
    await Stopping().pause(30)
    assert _now() == pytest.approx(30)


async def test_a_stop_ends_pauses_at_once_and_for_good() -> None:
    """Those that have begun, and those to come."""
    stopping = Stopping()
    assert not stopping
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stopping.pause(3600))
        tasks.create_task(stopping.wait())
        await asyncio.sleep(1)
        stopping.begin()
    await stopping.pause(3600)
    assert stopping
    assert _now() == pytest.approx(1)


async def test_news_wake_all_who_wait_for_them() -> None:
    """At once; who comes later waits for the next, or for its time."""
    news = News()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(news.within(3600))
        await asyncio.sleep(1)
        news.tell()
    assert _now() == pytest.approx(1)
    await news.within(5)
    assert _now() == pytest.approx(6)
