"""Reading along: events as they are published, the audit stream from any point, a queue held unsettled."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import ChannelInvalidStateError

from worker.broker.connection import channel_on
from worker.broker.properties import message_of
from worker.broker.topology import Topology
from worker.domain.messages import Message
from worker.domain.outcomes import DELAYS

_TIMEOUT_S = 10.0
_AHEAD = 500

Offset = str | int | datetime
"""Where to begin in a stream: `first`, `last`, `next`, an offset, or the chunk that holds a moment."""


@asynccontextmanager
async def events(
    connection: AbstractConnection, topology: Topology, pattern: str = "#"
) -> AsyncIterator[AsyncIterator[Message]]:
    """The events with routing keys like *pattern*, published from now on. Nobody else's copy is touched."""
    async with _copies(connection, topology.events, pattern) as messages:
        yield messages


@asynccontextmanager
async def burials(
    connection: AbstractConnection, topology: Topology
) -> AsyncIterator[AsyncIterator[Message]]:
    """Copies of what becomes a dead letter from now on."""
    async with _copies(connection, topology.dead, "") as messages:
        yield messages


@asynccontextmanager
async def audit(
    connection: AbstractConnection, topology: Topology, begin: Offset
) -> AsyncIterator[AsyncIterator[Message]]:
    """Everything in the audit stream from *begin* on, and what comes. The offset is in each one's headers."""
    async with channel_on(connection, confirms=False) as channel:
        await channel.queue_declare(topology.audit, passive=True, timeout=_TIMEOUT_S)
        yield _all(await reading(channel, topology.audit, _AHEAD, {"x-stream-offset": begin}))


async def waiting(connection: AbstractConnection, topology: Topology) -> int:
    """How many events, requests and jobs in flight are held by no worker; delayed ones count."""
    work = (*topology.of_requests().values(), topology.templates, topology.tracking)
    queues = (*work, *(topology.delay(seconds) for seconds in DELAYS))
    async with channel_on(connection, confirms=False) as channel:
        found = [await channel.queue_declare(name, passive=True, timeout=_TIMEOUT_S) for name in queues]
    return sum(queue.message_count or 0 for queue in found)


class Reading:
    """A queue's messages, in order, each held until it is acknowledged or the channel is closed."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        channel.closing.add_done_callback(lambda _: self._arrived.put_nowait(None))
        channel.on_consumer_cancel_callbacks.add(self._end)

    async def take(self, delivered: DeliveredMessage) -> None:
        """Called by the library for each delivery."""
        self._arrived.put_nowait(delivered)

    async def next(self) -> tuple[int, Message]:
        """The next message, with the tag to acknowledge it by."""
        delivered = await self._arrived.get()
        if delivered is None or delivered.delivery_tag is None:
            raise ChannelInvalidStateError("the queue is gone, or the connection")
        return delivered.delivery_tag, message_of(delivered)

    async def ack(self, tag: int) -> None:
        """Takes a message off its queue."""
        async with asyncio.timeout(_TIMEOUT_S):
            await self._channel.basic_ack(tag)

    async def _end(self, _frame: object) -> None:
        self._arrived.put_nowait(None)


async def reading(
    channel: Channel, queue: str, ahead: int, arguments: Mapping[str, Any] | None = None
) -> Reading:
    """Begins to read *queue*, at most *ahead* messages unsettled at once (1 to 65,535)."""
    await channel.basic_qos(prefetch_count=ahead, timeout=_TIMEOUT_S)
    begun = Reading(channel)
    await channel.basic_consume(queue, begun.take, arguments=dict(arguments or {}), timeout=_TIMEOUT_S)
    return begun


@asynccontextmanager
async def _copies(
    connection: AbstractConnection, exchange: str, pattern: str
) -> AsyncIterator[AsyncIterator[Message]]:
    async with channel_on(connection, confirms=False) as channel:
        own = await channel.queue_declare(exclusive=True, auto_delete=True, timeout=_TIMEOUT_S)
        queue = own.queue or ""
        await channel.queue_bind(queue, exchange, pattern, timeout=_TIMEOUT_S)
        yield _all(await reading(channel, queue, _AHEAD))


async def _all(messages: Reading) -> AsyncIterator[Message]:
    while True:
        tag, message = await messages.next()
        yield message
        await messages.ack(tag)
