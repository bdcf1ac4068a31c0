"""Publishes with confirms: late, refused, returned, or of a broker that takes nothing for a while."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from worker.broker.confirms import Publisher
from worker.broker.connection import SessionOver

TIMEOUT_S = 30.0


class Connection:
    """A connection that the broker may block."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()

    async def ready(self) -> None:
        """Returns while publishers are heard."""
        await self.open.wait()


class Channel:
    """The library's channel as far as a publisher uses it; what was written is in `write_queue`."""

    def __init__(self) -> None:
        self.connection = Connection()
        self.is_closed = False
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.number, self.max_content_size = 1, 1000
        self.delivery_tag = 0
        self.confirmations: dict[int, asyncio.Future[Any]] = {}
        self.message_id_delivery_tag: dict[str, int] = {}
        self.write_queue: asyncio.Queue[Any] = asyncio.Queue()

    def confirm(self) -> None:
        """The broker confirms all."""
        for tag in list(self.confirmations):
            self.confirmations.pop(tag).set_result(Basic.Ack(tag))

    def refuse(self, tag: int) -> None:
        """The broker's nack."""
        self.confirmations.pop(tag).set_exception(DeliveryError(None, Basic.Nack(tag)))


class Desk:
    """A publisher that runs until its session is over."""

    def __init__(self, channel: Any, tasks: asyncio.TaskGroup) -> None:
        self.publisher = Publisher(channel, TIMEOUT_S)
        self._tasks = tasks
        self.running = tasks.create_task(self._run())

    def publish(self, identity: str = "m") -> "asyncio.Task[str]":
        """What becomes of a publish: `confirmed`, or the name of the error."""
        return self._tasks.create_task(self._publish(identity))

    async def _publish(self, identity: str) -> str:
        properties = Basic.Properties(message_id=identity)
        try:
            await self.publisher.publish("events", "job.created", b"{}", properties, mandatory=True)
        except (SessionOver, DeliveryError) as error:
            return type(error).__name__
        return "confirmed"

    async def _run(self) -> str:
        try:
            await self.publisher.run()
        except SessionOver as over:
            return str(over)
        return ""


@pytest.fixture
async def channel() -> Channel:
    """A channel of an open connection."""
    return Channel()


@pytest.fixture
async def desk(channel: Channel) -> AsyncIterator[Desk]:
    """A publisher on it."""
    async with asyncio.TaskGroup() as tasks:
        opened = Desk(channel, tasks)
        yield opened
        opened.running.cancel()


async def test_a_late_confirm_ends_the_session_with_the_outcome_unknown(desk: Desk) -> None:
    """After one timeout, at the latest two; whoever waits hears that it may be there or not."""
    async with asyncio.timeout(2 * TIMEOUT_S + 2):
        assert await desk.publish() == "SessionOver"
        assert "no confirm in 30 s" in await desk.running


async def test_confirms_in_time_end_nothing(desk: Desk, channel: Channel) -> None:
    """However many, for however long."""
    for number in range(100):
        told = desk.publish(str(number))
        await asyncio.sleep(TIMEOUT_S - 2)
        channel.confirm()
        assert await told == "confirmed"
    assert not desk.running.done()


async def test_a_nack_is_for_whoever_published(desk: Desk, channel: Channel) -> None:
    """The session goes on."""
    told = desk.publish()
    await asyncio.sleep(1)
    channel.refuse(1)
    assert await told == "DeliveryError"
    assert not desk.running.done()


async def test_a_blocked_broker_is_waited_for(desk: Desk, channel: Channel) -> None:
    """An alarm of hours: what was written is not given up, and nothing more is written before its end."""
    before = desk.publish("before")
    await asyncio.sleep(1)
    channel.connection.open.clear()
    later = desk.publish("later")
    await asyncio.sleep(10_000)
    assert channel.write_queue.qsize() == 1
    assert not any(task.done() for task in (desk.running, before, later))
    channel.connection.open.set()
    await asyncio.sleep(1)
    assert channel.write_queue.qsize() == 2
    channel.confirm()
    assert {await before, await later} == {"confirmed"}


async def test_after_an_alarm_the_confirm_is_due_again(desk: Desk, channel: Channel) -> None:
    """A broker that hears us and does not confirm is not waited for any longer than any other."""
    told = desk.publish()
    await asyncio.sleep(1)
    channel.connection.open.clear()
    await asyncio.sleep(1000)
    channel.connection.open.set()
    async with asyncio.timeout(2 * TIMEOUT_S + 2):
        assert await told == "SessionOver"
