"""A call that the library breaks off, as its connection goes, is a loss and nobody's end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, Self, cast

import pytest
from aio_pika.abc import AbstractConnection
from links import HOUR, for_ever, link_of

from worker.app import Worker
from worker.broker import connection
from worker.broker.acks import Acks
from worker.broker.address import Address
from worker.broker.confirms import publish_alone
from worker.broker.connection import SessionOver, together
from worker.broker.depths import Depths
from worker.broker.inbox import Inbox
from worker.broker.peers.lease import Leases
from worker.broker.visits import visit as visiting
from worker.broker.visits.visit import BrokerAway, visit
from worker.settings import Settings

BreakingOff = Callable[..., Awaitable[NoReturn]]


async def _cancelled_by_the_library(*_: object, **__: object) -> NoReturn:
    """A call that waits while nothing is heard of the broker any more."""
    answer = asyncio.get_running_loop().create_future()
    answer.cancel()
    await answer
    raise AssertionError


async def _left_by_the_library(*_: object, **__: object) -> NoReturn:
    """A call that waits while its connection goes."""
    raise Exception  # noqa: TRY002 - as the library does


class Still:
    """A connection of which nothing is heard any more."""

    initialize = staticmethod(_cancelled_by_the_library)

    def channel(self, **_: object) -> Self:
        """What is never opened."""
        return self


STILL = cast("AbstractConnection", Still())


async def test_a_call_that_the_library_breaks_off_without_a_reason_is_a_loss() -> None:
    """A waiting declare raises a bare `Exception` when its connection goes; a defect of ours has a type."""

    async def breaking_off(error: Exception) -> None:
        raise error

    with pytest.raises(SessionOver, match="under a call"):
        await together(breaking_off(Exception()), for_ever())
    with pytest.raises(ExceptionGroup):
        await together(breaking_off(ValueError("a defect")), for_ever())


async def test_a_call_that_the_library_cancels_is_a_loss_and_no_cancellation_of_ours() -> None:
    """Its part would end without a word, and with it the link."""
    with pytest.raises(SessionOver, match="nothing was heard of the broker"):
        await together(_cancelled_by_the_library(), for_ever())


async def test_a_lease_that_the_library_cancels_is_not_had() -> None:
    """Whoever asks for it goes on: a tracker would look through no folder any more."""
    leases = Leases("p", up=lambda: None)
    leases._connection = STILL
    assert not await leases.take("scan.1")
    leases._held.add("scan.1")
    await leases.release("scan.1")


async def test_a_message_alone_that_the_library_cancels_is_lost() -> None:
    """Whoever publishes it does so again: its request would else be in hand for ever."""
    with pytest.raises(SessionOver, match="nothing was heard of the broker"):
        await publish_alone(STILL, 30, for_ever)


async def test_an_inbox_closes_when_the_library_cancels_its_last_call() -> None:
    """Who iterates over it comes to the end all the same."""

    class Channel:
        basic_get = staticmethod(_cancelled_by_the_library)

    inbox, channel = Inbox("p.start", 1, up=lambda: None), cast("Any", Channel())
    inbox._channel, inbox._acks = channel, Acks(channel)
    await inbox.close()
    assert [delivery async for delivery in inbox] == []


@pytest.mark.parametrize("breaking_off", [_cancelled_by_the_library, _left_by_the_library])
async def test_a_command_says_that_the_library_broke_off_its_call(
    monkeypatch: pytest.MonkeyPatch, breaking_off: BreakingOff
) -> None:
    """While it connects, and later."""
    address = Address("amqp://127.0.0.1/")
    monkeypatch.setattr(visiting, "connect", breaking_off)
    with pytest.raises(BrokerAway, match="cannot be reached"):
        await visit(address).__aenter__()

    class Connection:
        close = staticmethod(breaking_off)

    async def connected(*_: object) -> Connection:
        return Connection()

    monkeypatch.setattr(visiting, "connect", connected)
    with pytest.raises(BrokerAway, match="was lost"):
        async with visit(address):
            await breaking_off()


@pytest.mark.parametrize(
    ("breaking_off", "reason"),
    [
        (_cancelled_by_the_library, "nothing was heard of the broker for three heartbeats"),
        (_left_by_the_library, "the connection was lost under a call"),
    ],
)
async def test_a_link_goes_on_when_the_library_breaks_off_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, breaking_off: BreakingOff, reason: str
) -> None:
    """A node that stands still is met so; the link begins anew for as long as nobody ends it."""
    monkeypatch.setattr(connection, "connect", breaking_off)
    losses: list[str | None] = []
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(link_of(losses).keep())
        await asyncio.sleep(HOUR)
        assert not keeping.done()
        keeping.cancel()
    assert len(losses) > 2
    assert set(losses) == {reason}


@pytest.mark.parametrize("breaking_off", [_cancelled_by_the_library, _left_by_the_library])
async def test_what_is_asked_for_metrics_alone_ends_nothing(
    breaking_off: BreakingOff,
) -> None:
    """Whatever a look at the queues' depths meets with, it looks again."""
    looks: list[str] = []

    class Gone:
        def channel(self, **_: object) -> Self:
            looks.append("looked")
            return self

        initialize = staticmethod(breaking_off)

    depths = Depths(("jobrelay.start",), up=lambda: None, tell=lambda *_: None)
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(depths.session(cast("AbstractConnection", Gone())))
        await asyncio.sleep(35)
        looking.cancel()
    assert len(looks) > 2


@pytest.mark.parametrize("part", ["_edges", "_role_runs"])
async def test_a_worker_does_not_go_on_without_a_part_that_a_library_has_cancelled(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be alive and ready, and do nothing: it fails, and is begun anew."""
    plain: dict[str, Any] = {"amqp_url": "amqp://nowhere/", "orchestrator_url": "http://nowhere"}
    worker = Worker(Settings(**plain), {"start"})
    for each in ("_edges", "_role_runs"):
        monkeypatch.setattr(worker, each, lambda: [for_ever()])
    monkeypatch.setattr(worker, part, lambda: [for_ever(), _cancelled_by_the_library()])
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="_cancelled_by_the_library")):
        async with asyncio.timeout(HOUR):
            await worker._work()
