"""The dead letters as a whole: looked at without being moved, and taken off one by one.

Whoever looks holds the letters for a moment; they return to their places when the look ends. However many
there are, only a thousand at a time are on their way here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import ChannelInvalidStateError

from worker.broker.connection import channel_on
from worker.broker.properties import message_of
from worker.broker.topology import Topology
from worker.broker.visits.letters import Letter

# A channel that holds tens of thousands takes milliseconds for each ack, so each holds its thousand.
_HELD_EACH = 1000
_QUIET_S = 1.0
_ASKED_AGAIN, _ASKED_MOST, _AGAIN_AFTER_S = 3, 20, 0.1
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Held:
    """A letter in our hands. *drop* takes it off the queue for good; else it returns when the look ends."""

    letter: Letter
    drop: Callable[[], Awaitable[None]]


class DeadLetters:
    """The letters that were in the queue when the look began, each held until it is dropped or the look ends.

    Its iteration may stop early: what others hold does not come.
    """

    def __init__(self, connection: AbstractConnection, topology: Topology, count: int) -> None:
        self._connection = connection
        self._topology = topology
        self._queue = topology.dead_letters
        self._arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        self._channels = AsyncExitStack()
        self._consumers: list[tuple[Channel, str]] = []
        self._room = self._held = 0
        self.count = count
        """How many there were to look at."""
        self.seen = 0
        """How many have been looked at."""

    async def __aiter__(self) -> AsyncIterator[Held]:
        """Each letter once, oldest first; ends when all are seen, or when none comes for a second."""
        while self.seen < self.count:
            if self._room == 0:
                await self._reach_further()
            try:
                delivered = await self._next()
            except TimeoutError:
                return
            if delivered is None or delivered.delivery_tag is None:
                raise ChannelInvalidStateError("the queue is gone, or the connection")
            self._room -= 1
            self._held += 1
            self.seen += 1
            yield self._in_hand(delivered, delivered.delivery_tag)

    async def give_back(self) -> None:
        """Returns what is still held, in the order in which it came."""
        for channel, consumer in self._consumers:
            await channel.basic_cancel(consumer, timeout=_TIMEOUT_S)
        for channel, _ in self._consumers:
            async with asyncio.timeout(_TIMEOUT_S):
                await channel.basic_nack(0, multiple=True)
            # Answered after the nack was carried out: only then is it the next one's turn.
            await channel.basic_qos(prefetch_count=1, timeout=_TIMEOUT_S)
        if self._consumers:
            await self._until_back(self._consumers[0][0])
        await self._channels.aclose()

    async def _until_back(self, channel: Channel) -> None:
        """Waits for the broker to count them again, so that the next look sees them all; not for long."""
        for _ in range(_ASKED_MOST):
            if await _ready(channel, self._queue) >= self._held:
                return
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def _next(self) -> DeliveredMessage | None:
        if not self._arrived.empty():
            return self._arrived.get_nowait()
        async with asyncio.timeout(_QUIET_S):
            return await self._arrived.get()

    def _in_hand(self, delivered: DeliveredMessage, tag: int) -> Held:
        async def drop() -> None:
            async with asyncio.timeout(_TIMEOUT_S):
                await delivered.channel.basic_ack(tag)
            self._room += 1
            self._held -= 1

        return Held(Letter.of(message_of(delivered), self._topology), drop)

    async def _reach_further(self) -> None:
        """One more reader: those before have their hands full."""
        channel = await self._channels.enter_async_context(channel_on(self._connection, confirms=False))
        channel.closing.add_done_callback(lambda _: self._arrived.put_nowait(None))
        channel.on_consumer_cancel_callbacks.add(self._end)
        await channel.basic_qos(prefetch_count=_HELD_EACH, timeout=_TIMEOUT_S)
        begun = await channel.basic_consume(self._queue, self._take, timeout=_TIMEOUT_S)
        self._consumers.append((channel, begun.consumer_tag or ""))
        self._room += _HELD_EACH

    async def _take(self, delivered: DeliveredMessage) -> None:
        self._arrived.put_nowait(delivered)

    async def _end(self, _frame: object) -> None:
        self._arrived.put_nowait(None)


@asynccontextmanager
async def dead_letters(connection: AbstractConnection, topology: Topology) -> AsyncIterator[DeadLetters]:
    """Holds the dead letters for the time of the block; what is left of them returns to its places."""
    async with channel_on(connection, confirms=False) as channel:
        count = await _count(channel, topology.dead_letters)
    box = DeadLetters(connection, topology, count)
    try:
        yield box
    finally:
        await box.give_back()


async def _count(channel: Channel, queue: str) -> int:
    """How many there are, once the broker says the same thrice: what a look returned comes back by and by."""
    said: list[int] = []
    for _ in range(_ASKED_MOST):
        said.append(await _ready(channel, queue))
        if said[-_ASKED_AGAIN:] == [said[-1]] * _ASKED_AGAIN:
            break
        await asyncio.sleep(_AGAIN_AFTER_S)
    return said[-1]


async def _ready(channel: Channel, queue: str) -> int:
    return (await channel.queue_declare(queue, passive=True, timeout=_TIMEOUT_S)).message_count or 0
