"""Acknowledgements of one channel, gathered: one frame settles as many deliveries as it may."""

import asyncio
from contextlib import suppress

from aio_pika.exceptions import AMQPError
from aiormq.channel import Channel

from worker.broker.connection import unless_cancelled

_GATHER_S = 0.005
_PATIENCE = 10
# A round of a channel costs a process as much as an ack, and a tracker has a dozen channels.
_GATHER_AT_RANDOM_S = 0.1


class Acks:
    """The deliveries of a channel that are not settled yet, in the broker's order.

    Settling is immediate for the caller; frames leave within a few milliseconds. What is settled up to the
    first delivery still in hand goes as one *multiple* ack. What is settled beyond it waits for that one
    through a few rounds, then goes by itself: a slow request holds its neighbours' acks for a moment only.
    Of deliveries that are settled *at_random* none waits for another: each round takes all of a tenth of a
    second.
    """

    def __init__(self, channel: Channel, *, at_random: bool = False) -> None:
        self._channel = channel
        self._gather_s, self._patience = (_GATHER_AT_RANDOM_S, 1) if at_random else (_GATHER_S, _PATIENCE)
        self._in_hand: dict[int, None] = {}
        self._acked: set[int] = set()
        self._returned: list[int] = []
        self._settled = asyncio.Event()
        self.withheld = asyncio.Lock()
        """While it is held no frame leaves, and the broker has no reason to send more than it has sent."""

    @property
    def is_open(self) -> bool:
        """False once the channel is closed."""
        return not self._channel.is_closed

    @property
    def in_hand(self) -> int:
        """How many deliveries are not settled."""
        return len(self._in_hand)

    def taken(self, tag: int) -> None:
        """A delivery came. While acks are withheld, the answer to a get may come behind younger ones."""
        in_order = tag > next(reversed(self._in_hand), 0)
        self._in_hand[tag] = None
        if not in_order:
            self._in_hand = dict.fromkeys(sorted(self._in_hand))

    def ack(self, tag: int) -> None:
        """Settles a delivery; a second time changes nothing."""
        if tag in self._in_hand:
            del self._in_hand[tag]
            self._acked.add(tag)
            self._settled.set()

    def give_back(self, tag: int) -> None:
        """Returns a delivery to its queue."""
        if tag in self._in_hand:
            del self._in_hand[tag]
            self._returned.append(tag)
            self._settled.set()

    async def run(self) -> None:
        """Sends what is settled, until the channel is gone."""
        rounds = 0
        while self.is_open:
            unless_cancelled()
            await self._settled.wait()
            await asyncio.sleep(self._gather_s)
            rounds += 1
            with suppress(AMQPError, RuntimeError):
                await self.flush(stragglers=rounds % self._patience == 0)

    async def flush(self, *, stragglers: bool = True) -> None:
        """Sends what is settled now; without *stragglers* only what one frame can settle."""
        async with self.withheld:
            await self._flush(stragglers=stragglers)

    async def _flush(self, *, stragglers: bool) -> None:
        self._settled.clear()
        # All of them first, also those that come meanwhile: a multiple ack would take them along.
        while self._returned:
            await self._channel.basic_nack(self._returned.pop(), requeue=True, wait=False)
        first = before(next(iter(self._in_hand), None), self._acked)
        self._acked -= first
        if first:
            await self._channel.basic_ack(max(first), multiple=True, wait=False)
        if stragglers:
            beyond, self._acked = sorted(self._acked), set()
            for tag in beyond:
                await self._channel.basic_ack(tag, wait=False)
        if self._acked:
            self._settled.set()


def before(oldest: int | None, acked: set[int]) -> set[int]:
    """Those of *acked* that one multiple ack settles: all before the *oldest* that is still in hand."""
    return set(acked) if oldest is None else {tag for tag in acked if tag < oldest}
