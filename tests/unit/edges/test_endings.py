"""A link and what runs on it end when they are told to, whatever the library makes of a cancellation."""

import asyncio
from typing import Any, NoReturn

import pytest
from aio_pika.exceptions import AMQPConnectionError
from aiormq.exceptions import ProbableAuthenticationError
from links import HOUR, for_ever, link_of

from worker.app import Worker
from worker.broker import connection
from worker.broker.address import Address
from worker.broker.connection import Link, Reports, together
from worker.broker.topology import Topology
from worker.settings import Settings


async def swallowing() -> None:
    """What the library does before Python 3.12, when an answer comes in the moment of the cancellation."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        await together(for_ever())


async def losing(*_: object) -> NoReturn:
    """What the library may do with a cancellation while it connects: it tells of a loss."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        raise AMQPConnectionError("the reader was cancelled") from None
    raise AssertionError


async def _ends(task: "asyncio.Task[Any]") -> bool:
    await asyncio.sleep(1)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=HOUR)
    return bool(done) and task.cancelled()


async def test_a_swallowed_cancellation_is_remembered() -> None:
    """It came while a session began; the session ends all the same."""
    async with asyncio.TaskGroup() as tasks:
        assert await _ends(tasks.create_task(together(swallowing(), for_ever())))


async def test_a_cancellation_that_the_library_turns_into_a_loss_ends_the_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The link does not connect again: nobody would cancel it a second time."""
    monkeypatch.setattr(connection, "connect", losing)
    losses: list[str | None] = []
    async with asyncio.TaskGroup() as tasks:
        assert await _ends(tasks.create_task(link_of(losses).keep()))
    assert losses == []


@pytest.mark.parametrize(
    ("error", "excused"),
    [
        (ConnectionRefusedError("no one there"), True),
        (TimeoutError(), True),
        (ProbableAuthenticationError("ACCESS_REFUSED"), False),
    ],
    ids=["away", "silent", "refused"],
)
async def test_a_broker_that_refuses_the_credentials_is_no_excuse(
    monkeypatch: pytest.MonkeyPatch, error: Exception, excused: bool
) -> None:
    """New ones reach this process by a restart only; a broker that is away is waited for."""

    async def refused(*_: object) -> NoReturn:
        if len(told) > 60:
            pytest.fail("it spins")
        raise error

    monkeypatch.setattr(connection, "connect", refused)
    excuses: list[None] = []
    told: list[str | None] = []
    reports = Reports(
        lambda *said: told.append(said[2]), lambda *_: None, lambda *_: None, lambda: excuses.append(None)
    )
    link = Link("broker-consume", Address("amqp://127.0.0.1/"), 1, Topology("p"), reports)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await link.keep()
    assert len(told) > 10
    assert len(excuses) == (len(told) if excused else 0)


@pytest.mark.parametrize("ends_after_s", [1.0, HOUR], ids=["in time", "never"])
async def test_a_stop_takes_the_grace_at_most(ends_after_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in hand is waited for, and what does not end is cancelled: the broker gives it to others."""
    plain: dict[str, Any] = {"amqp_url": "amqp://nowhere/", "orchestrator_url": "http://nowhere"}
    worker = Worker(Settings(**plain), {"start"})
    ended: list[str] = []

    async def in_hand() -> None:
        try:
            await asyncio.sleep(ends_after_s)
            ended.append("settled")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    monkeypatch.setattr(worker, "_edges", lambda: [for_ever()])
    monkeypatch.setattr(worker, "_role_runs", lambda: [in_hand()])
    worker._stopping.begin()
    began = asyncio.get_running_loop().time()
    await worker._work()
    assert asyncio.get_running_loop().time() - began == pytest.approx(min(ends_after_s, 45))
    assert ended == ["settled" if ends_after_s < 45 else "cancelled"]
