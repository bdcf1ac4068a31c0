"""A pause ends with a stop, an outage lets one at a time through (invariants 7 and 11)."""

import asyncio

import pytest

from worker.pipeline.pauses import Outage, Stopping


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


def _always() -> bool:
    return True


def _outage() -> tuple[Outage, Stopping, list[bool]]:
    stopping, reports = Stopping(), list[bool]()
    return Outage(stopping, reports.append), stopping, reports


async def test_everybody_passes_while_orchestrator_answers() -> None:
    """Side by side, without a wait."""
    outage, _, reports = _outage()
    async with outage.passage(_always), outage.passage(_always):
        assert _now() == 0
    assert reports == []


async def test_in_an_outage_one_at_a_time_is_let_through_at_growing_distances() -> None:
    """It never spins, and never waits longer than half a minute."""
    outage, _, reports = _outage()
    outage.failed()
    inside, entered = 0, list[float]()

    async def attempt() -> None:
        nonlocal inside
        async with outage.passage(_always):
            inside += 1
            assert inside == 1
            entered.append(_now())
            await asyncio.sleep(0.001)
            outage.failed()
            inside -= 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(12):
            tasks.create_task(attempt())
    gaps = [after - before for before, after in zip([0.0, *entered], entered, strict=False)]
    assert all(0.25 <= gap <= 30.01 for gap in gaps)
    assert sum(gaps[6:]) > 6 * 15
    assert all(reports)


async def test_the_first_that_works_lets_everybody_go_on() -> None:
    """At once; and the next outage begins with a short pause again."""
    outage, _, reports = _outage()
    for _ in range(8):
        outage.failed()
        async with outage.passage(_always):
            pass
    began, passed = _now(), list[float]()

    async def attempt() -> None:
        async with outage.passage(_always):
            outage.worked()
            passed.append(_now())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(50):
            tasks.create_task(attempt())
    assert passed[-1] == passed[0] <= began + 30
    outage.worked()
    assert reports.count(False) == 1
    outage.failed()
    began = _now()
    async with outage.passage(_always):
        assert _now() - began <= 0.5


async def test_a_stop_lets_nobody_wait_for_a_passage() -> None:
    """Each is told that it must stop."""
    outage, stopping, _ = _outage()
    outage.failed()
    stopping.begin()
    for _ in range(20):
        async with outage.passage(_always) as wish:
            assert wish
    assert _now() == 0


async def test_who_is_no_longer_wanted_holds_up_nobody() -> None:
    """Deliveries whose channel is gone take no turn, however many they are."""
    outage, _, _ = _outage()
    outage.failed()
    for _ in range(100):
        async with outage.passage(lambda: False):
            pass
    assert _now() == 0


async def test_a_probe_that_works_ends_the_pauses() -> None:
    """Whoever finds out, everybody goes on within half a second."""
    outage, _, _ = _outage()
    outage.failed()
    for _ in range(8):
        async with outage.passage(_always):
            pass

    async def attempt() -> None:
        async with outage.passage(_always):
            pass

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(attempt())
        await asyncio.sleep(1)
        assert not waiting.done()
        outage.worked()
        began = _now()
    assert _now() - began <= 0.5


async def test_who_fails_in_the_passage_blocks_nobody() -> None:
    """It is left open for the next."""
    outage, _, _ = _outage()
    outage.failed()
    with pytest.raises(ZeroDivisionError):
        async with outage.passage(_always):
            raise ZeroDivisionError
    async with asyncio.timeout(60), outage.passage(_always):
        pass
