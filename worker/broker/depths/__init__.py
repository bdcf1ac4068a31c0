"""How much waits in queues, and how many consumers they have: asked of the broker, for metrics alone."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel

from worker.broker.connection import channel_on, unless_cancelled

_EVERY_S = 10.0
_TIMEOUT_S = 10.0


class Depths:
    """Looks at *queues* and tells *tell*: how many messages are in nobody's hands, and how many consumers.

    Its `session` is run by a link, which it tells that it is *up*. It never ends that: a look that fails,
    such as at a queue that is gone, is left out until it works again.
    """

    def __init__(
        self,
        queues: Iterable[str],
        up: Callable[[], None],
        tell: Callable[[str, int, int], None],
        every_s: float = _EVERY_S,
    ) -> None:
        self._queues = tuple(queues)
        self._up = up
        self._tell = tell
        self._every_s = every_s

    async def session(self, connection: AbstractConnection) -> None:
        """Looks again and again on *connection*, on a channel that has no other user."""
        self._up()
        while True:
            with suppress(Exception):  # whatever it is: it is asked for metrics alone
                async with channel_on(connection, confirms=False) as channel:
                    await self._watch(channel)
            unless_cancelled()
            await asyncio.sleep(self._every_s)

    async def _watch(self, channel: Channel) -> None:
        while True:
            for queue in self._queues:
                found = await channel.queue_declare(queue, passive=True, timeout=_TIMEOUT_S)
                unless_cancelled()
                self._tell(queue, found.message_count or 0, found.consumer_count or 0)
            await asyncio.sleep(self._every_s)
