"""One queue's deliveries, as this worker's own.

Receiving only enqueues: the library cancels what runs in its callback when the connection drops, and a
request must not be cancelled in the middle of its POST.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from worker.broker.acks import Acks
from worker.broker.connection import LOSSES, SessionOver, broken_off, channel_on, gone, together
from worker.broker.properties import message_of
from worker.broker.watchdog import Watchdog
from worker.domain.messages import Message

_TIMEOUT_S = 10.0
_CONSUMER = "jobrelay"  # the only one of its channel


class Receipt:
    """What a message is settled by; see `pipeline.ports.Receipt` for its promises."""

    __slots__ = ("_acks", "_tag")

    def __init__(self, tag: int, acks: Acks) -> None:
        self._tag = tag
        self._acks = acks

    @property
    def is_open(self) -> bool:
        """False once the channel it came by is gone."""
        return self._acks.is_open

    def ack(self) -> None:
        """Settles it for good."""
        self._acks.ack(self._tag)

    def give_back(self) -> None:
        """Returns it to its queue."""
        self._acks.give_back(self._tag)


class Delivery(Receipt):
    """A message in hand."""

    __slots__ = ("message",)

    def __init__(self, message: Message, tag: int, acks: Acks) -> None:
        super().__init__(tag, acks)
        self.message = message

    @property
    def receipt(self) -> Receipt:
        """Settles it, and keeps nothing of the message."""
        return Receipt(self._tag, self._acks)


class Inbox:
    """Iterates over the deliveries of *queue*, at most *prefetch* in hand at once, through lost connections.

    Its `session` is run by a link, which it tells that it is *up*, and looked after by *watchdog*: of several
    inboxes of one queue, one is enough. *at_random*: deliveries are settled in no order at all. After
    `close` it ends with what the broker had sent by then: who iterates knows best what becomes of that.
    Deliveries in hand can be settled as long as the link is kept.
    """

    def __init__(
        self,
        queue: str,
        prefetch: int,
        up: Callable[[], None],
        watchdog: Watchdog | None = None,
        *,
        at_random: bool = False,
    ) -> None:
        self._up = up
        self._watchdog = watchdog
        self._queue = queue
        self._prefetch = prefetch
        self._at_random = at_random
        self._waiting: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self._closed = self._ended = False
        self._channel: Channel | None = None
        self._acks: Acks | None = None
        self.taken = 0
        """How many deliveries have come by now."""

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        """Every delivery whose channel still lives, until the inbox is closed."""
        while (delivery := await self._waiting.get()) is not None:
            if delivery.is_open:
                yield delivery

    @property
    def consuming(self) -> bool:
        """True until `close`."""
        return not self._closed

    @property
    def hungry(self) -> bool:
        """True while it would take one more."""
        return self._acks is not None and self._acks.in_hand < self._prefetch

    async def close(self) -> None:
        """Asks for no more. What the broker has sent until it heard of that still comes."""
        self._closed = True
        if self._channel is not None and self._acks is not None:
            with suppress(*LOSSES), broken_off():
                await self._cancel(self._channel, self._acks)
        self._ended = True
        self._waiting.put_nowait(None)

    async def _cancel(self, channel: Channel, acks: Acks) -> None:
        """Ends the consumer when nothing is under way to it.

        What is, the channel of a quorum queue returns, counted as delivered though nobody saw it (measured on
        RabbitMQ 3.10). Acks bring more; and a get is answered after what they have brought.
        """
        async with acks.withheld:
            self._take(await channel.basic_get(self._queue, timeout=_TIMEOUT_S), acks)
            await channel.basic_cancel(_CONSUMER, timeout=_TIMEOUT_S)

    async def flush(self) -> None:
        """Sends the acknowledgements that are due."""
        if self._acks is not None and self._acks.is_open:
            with suppress(AMQPError, OSError, RuntimeError):
                await self._acks.flush()

    async def session(self, connection: AbstractConnection) -> None:
        """Consumes on *connection* until the channel or the consumer is gone."""
        async with channel_on(connection, confirms=False) as channel:
            await channel.basic_qos(prefetch_count=self._prefetch, timeout=_TIMEOUT_S)
            if self._watchdog is None:
                await self._consume(channel, None)
            else:
                async with channel_on(connection, confirms=False) as looking:
                    await self._consume(channel, looking)

    async def _consume(self, channel: Channel, looking: Channel | None) -> None:
        acks = Acks(channel, at_random=self._at_random)
        cancelled = asyncio.Event()

        async def on_message(delivered: DeliveredMessage) -> None:
            self._take(delivered, acks)

        async def on_cancel(_frame: object) -> None:
            cancelled.set()

        channel.on_consumer_cancel_callbacks.add(on_cancel)
        self._channel, self._acks = channel, acks
        if not self._closed:
            tag = _CONSUMER
            await channel.basic_consume(self._queue, on_message, consumer_tag=tag, timeout=_TIMEOUT_S)
        self._up()
        parts = [acks.run(), gone(channel), self._cancelled(cancelled)]
        if self._watchdog is not None and looking is not None:
            parts.append(self._watchdog.look_after(looking, self._queue, self))
        await together(*parts)

    async def _cancelled(self, cancelled: asyncio.Event) -> None:
        await cancelled.wait()
        raise SessionOver(f"the broker cancelled the consumer of {self._queue}")

    def _take(self, delivered: DeliveredMessage, acks: Acks) -> None:
        tag = delivered.delivery_tag
        if tag is None:
            return
        acks.taken(tag)
        self.taken += 1
        delivery = Delivery(message_of(delivered), tag, acks)
        if self._ended:
            delivery.give_back()
        else:
            self._waiting.put_nowait(delivery)
