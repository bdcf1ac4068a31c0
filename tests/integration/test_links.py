"""A link to the broker in this process: it ends when told to, and its consumers are really there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import pytest
from aiormq.abc import ChannelFrame
from pamqp.commands import Basic
from station import Station, station
from working import until

from worker.broker.address import Address
from worker.broker.connection import Link, Reports
from worker.broker.inbox import _CONSUMER, Inbox
from worker.broker.topology import Topology
from worker.broker.watchdog import Watchdog

_SOON_S = 0.2
_PREFETCH = 3
_MANY = 40


@dataclass
class Linked:
    """A link with an inbox of the start queue, and what they report."""

    url: str
    prefix: str
    losses: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        topology = Topology(self.prefix)
        self.watchdog = Watchdog(
            [topology.start], self.given_up.append, self.renewed.append, every_s=_SOON_S, patience_s=2
        )
        reports = Reports(self._condition, self.made.append, lambda *_: None, self.watchdog.excuse)
        self.link = Link("broker-consume", Address(self.url), 1, topology, reports)
        self.inbox = Inbox(topology.start, _PREFETCH, self.link.up, self.watchdog)

    @property
    def ready(self) -> bool:
        """True while it consumes."""
        return self.losses[-1:] == ["none"]

    def _condition(self, name: str, ok: bool, reason: str | None) -> None:
        if name == "broker-consume":
            self.losses.append("none" if ok else str(reason))

    async def taken(self) -> list[bytes]:
        """What comes, acknowledged, for ever."""
        async for delivery in self.inbox:
            delivery.ack()
        return []


@asynccontextmanager
async def kept(linked: Linked) -> AsyncIterator["asyncio.Task[None]"]:
    """While the link is kept."""
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(linked.link.keep(linked.inbox.session))
        watching = tasks.create_task(linked.watchdog.run())
        yield keeping
        keeping.cancel()
        watching.cancel()


@pytest.fixture
async def here(amqp_url: str, prefix: str) -> AsyncIterator[Station]:
    """A station with a prefix of its own."""
    async with station(amqp_url, prefix) as opened:
        yield opened


async def _cancel_unseen(linked: Linked) -> None:
    """The broker forgets the consumer, and the library is not told: it awaits no answer and gets none."""
    channel: Any = linked.inbox._channel
    frame = Basic.Cancel(consumer_tag=_CONSUMER, nowait=True)
    await channel.write_queue.put(ChannelFrame.marshall(channel_number=channel.number, frames=[frame]))


async def test_a_consumer_that_the_broker_forgot_begins_anew(amqp_url: str, here: Station) -> None:
    """The client takes it for alive; the watchdog asks the broker, and what waits is delivered after all."""
    linked = Linked(amqp_url, here.prefix)
    async with kept(linked):
        await until(lambda: linked.ready, "it consumes")
        await _cancel_unseen(linked)
        await here.send(b"waits")
        await until(lambda: linked.inbox.taken, lambda: f"it is delivered: {linked.losses}")
    assert linked.renewed == [Topology(here.prefix).start]
    assert any("no consumer" in loss for loss in linked.losses)
    assert linked.given_up == []


async def test_messages_that_do_not_come_though_others_consume_begin_it_anew(
    amqp_url: str, here: Station
) -> None:
    """Another worker has its hands full, so there is a consumer; ours is gone all the same."""
    linked = Linked(amqp_url, here.prefix)
    async with kept(linked), await aio_pika.connect(amqp_url) as other, other.channel() as channel:
        await until(lambda: linked.ready, "it consumes")
        await _cancel_unseen(linked)
        await channel.set_qos(1)
        queue = await channel.get_queue(Topology(here.prefix).start, ensure=False)
        held: asyncio.Queue[Any] = asyncio.Queue()
        await queue.consume(held.put)
        for _ in range(3):
            await here.send(b"waits")
        await until(lambda: linked.inbox.taken == 2, lambda: f"they are delivered: {linked.losses}")
        assert held.qsize() == 1
    assert any("messages wait" in loss or "message" in loss for loss in linked.losses)


async def test_a_polite_stop_costs_a_message_no_more_than_it_must(amqp_url: str, here: Station) -> None:
    """The consumer ends first, so nothing comes back to it: counted once where the broker counts a return."""
    start = Topology(here.prefix).start
    linked = Linked(amqp_url, here.prefix)
    async with kept(linked):
        await until(lambda: linked.ready, "it consumes")
        for _ in range(_PREFETCH):
            await here.send(b"not begun")
        await until(lambda: linked.inbox.taken == _PREFETCH, "all are in hand")
        await linked.inbox.close()
        async for delivery in linked.inbox:
            delivery.give_back()
        await linked.inbox.flush()
        await here.until_waiting("start", _PREFETCH)
        assert linked.inbox.taken == _PREFETCH
    queue = await here.channel.get_queue(start, ensure=False)
    back = [await queue.get(timeout=5) for _ in range(_PREFETCH)]
    counts = [message.headers.get("x-delivery-count", 0) for message in back if message]
    assert len(counts) == _PREFETCH
    assert set(counts) <= {0, 1}


async def test_a_consumer_that_has_only_been_asked_for_ends_too(amqp_url: str, here: Station) -> None:
    """The broker has not answered yet when the worker is told to stop: no consumer is left behind."""
    linked = Linked(amqp_url, here.prefix)
    await here.send(b"waits")
    async with kept(linked):
        while linked.inbox._channel is None:  # noqa: ASYNC110 - any event would come too late
            await asyncio.sleep(0)
        assert linked.losses == []
        await linked.inbox.close()
        async for delivery in linked.inbox:
            delivery.give_back()
        await linked.inbox.flush()
        await here.until_waiting("start", 1)
        queue = await here.channel.declare_queue(Topology(here.prefix).start, passive=True)
        assert queue.declaration_result.consumer_count == 0
        assert linked.inbox.taken <= 1


async def test_nothing_is_under_way_when_the_consumer_ends(amqp_url: str, here: Station) -> None:
    """What the last acks make the broker send is taken: no message counts as delivered that nobody saw."""
    linked = Linked(amqp_url, here.prefix)
    for _ in range(_MANY):
        await here.send(b"one of many")
    async with kept(linked):
        async for delivery in linked.inbox:
            delivery.ack()
            if linked.inbox.taken % _PREFETCH == 0:
                await linked.inbox.flush()
                await linked.inbox.close()
                break
        async for delivery in linked.inbox:
            delivery.ack()
        await linked.inbox.flush()
        await here.until_waiting("start", _MANY - linked.inbox.taken)
    queue = await here.channel.get_queue(Topology(here.prefix).start, ensure=False)
    left = [await queue.get(timeout=5) for _ in range(_MANY - linked.inbox.taken)]
    assert [message for message in left if message is None or message.redelivered] == []


async def test_a_link_that_is_told_to_end_in_the_handshake_ends() -> None:
    """The broker takes the connection and says nothing: whatever the library makes of our end, it is one."""
    met = asyncio.Event()
    gone = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        while await reader.read(100):
            pass
        writer.close()
        gone.set()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    linked = Linked(f"amqp://guest:guest@127.0.0.1:{port}/", "t-stalled")
    async with server, asyncio.timeout(5), kept(linked) as keeping:
        await met.wait()
        keeping.cancel()
        await asyncio.wait([keeping])
        assert keeping.cancelled()
        await gone.wait()
    assert linked.losses == []
