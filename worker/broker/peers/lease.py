"""Who of several workers does what only one of them may do: he who has declared an exclusive queue.

The broker deletes such a queue with its owner's connection, so that a lease ends with its holder.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ChannelLockedResource

from worker.broker.connection import LOSSES, channel_on, gone

_TIMEOUT_S = 10.0


class Leases:
    """Leases by name; those held are lost with the connection, and may be taken anew on the next one.

    Its `session` is run by a link, which it tells that it is *up*.
    """

    def __init__(self, prefix: str, up: Callable[[], None]) -> None:
        self._prefix = prefix
        self._up = up
        self._connection: AbstractConnection | None = None
        self._held: set[str] = set()
        self._asking = asyncio.Lock()

    def held(self, name: str) -> bool:
        """True while this worker holds the lease of that name."""
        return name in self._held

    async def take(self, name: str) -> bool:
        """Takes the lease, unless somebody else holds it or the broker is away."""
        async with self._asking:
            if name not in self._held:
                with suppress(*LOSSES, ValueError):  # a name that no queue can have
                    await self._take(name)
        return name in self._held

    async def release(self, name: str) -> None:
        """Gives the lease to whom it may concern."""
        async with self._asking:
            if name in self._held and self._connection is not None:
                self._held.discard(name)
                with suppress(*LOSSES):
                    async with channel_on(self._connection, confirms=False) as channel:
                        await channel.queue_delete(self._queue(name), timeout=_TIMEOUT_S)

    async def session(self, connection: AbstractConnection) -> None:
        """Holds leases on *connection* until it is gone."""
        async with channel_on(connection, confirms=False) as channel:
            self._connection = connection
            self._up()
            try:
                await gone(channel)
            finally:
                self._connection = None
                self._held.clear()

    async def _take(self, name: str) -> None:
        connection = self._connection
        if connection is None:
            return
        async with channel_on(connection, confirms=False) as channel:
            with suppress(ChannelLockedResource):
                await channel.queue_declare(
                    self._queue(name),
                    exclusive=True,
                    arguments={"x-queue-type": "classic"},
                    timeout=_TIMEOUT_S,
                )
                if connection is self._connection:
                    self._held.add(name)

    def _queue(self, name: str) -> str:
        return f"{self._prefix}.{name}"
