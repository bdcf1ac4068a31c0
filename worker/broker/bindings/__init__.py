"""A queue of ours, bound to exchanges of applications: they declare those, and may do so later, or anew."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPChannelError
from aiormq.channel import Channel

from worker.broker.connection import channel_on, unless_cancelled
from worker.broker.topology import Topology

Pair = tuple[str, str]
"""An exchange, and a routing key."""

_TIMEOUT_S = 10.0
_AGAIN_S, _AGAIN_IN_TROUBLE_S = 30.0, 3.0

_log = structlog.get_logger(__name__)


def closed(topology: Topology) -> frozenset[str]:
    """Exchanges that templates do not listen to: what they ask for would come back as an event."""
    return frozenset(exchange.name for exchange in topology.exchanges()) - {topology.events}


class Bindings:
    """Keeps *queue* bound as it is wanted, and takes off what it has bound and is wanted no more.

    Its `session` is run by a link, which it tells that it is *up*. Bindings are made anew every half a
    minute: an exchange may come, or go and come again. One that is not there keeps no other from being bound.
    *kept* are bindings that others made for good: they are never taken off.
    """

    def __init__(self, queue: str, up: Callable[[], None], kept: Collection[Pair] = ()) -> None:
        self._queue = queue
        self._kept = frozenset(kept)
        self._up = up
        self._wanted: frozenset[Pair] = frozenset()
        self._bound: set[Pair] = set()
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._told: Callable[[str | None], None] = lambda _: None
        self._trouble: str | None = None
        self._said: tuple[frozenset[Pair], str | None] = frozenset(), None

    def tell(self, told: Callable[[str | None], None]) -> None:
        """*told* hears why not all is bound; None once it is."""
        self._told = told

    async def want(self, pairs: Collection[Pair], within_s: float) -> None:
        """Wants these, and only these. Returns when all has been tried; no later than *within_s*."""
        self._wanted = frozenset(pairs) - self._kept
        self._settled.clear()
        self._changed.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._settled.wait()

    async def session(self, connection: AbstractConnection) -> None:
        """Binds on *connection* until it is gone."""
        self._up()
        while True:
            self._changed.clear()
            await self._apply(connection)
            if not self._changed.is_set():
                self._settled.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_IN_TROUBLE_S if self._trouble else _AGAIN_S):
                    await self._changed.wait()
            unless_cancelled()

    async def _apply(self, connection: AbstractConnection) -> None:
        wanted = self._wanted
        troubles = []
        for exchange, keys in _by_exchange(wanted).items():
            trouble = await self._on_one(connection, exchange, keys, bind=True)
            if trouble:
                troubles.append(trouble)
        for exchange, keys in _by_exchange(self._bound - wanted).items():
            await self._on_one(connection, exchange, keys, bind=False)
        self._trouble = "; ".join(troubles) or None
        self._say(wanted)

    async def _on_one(
        self, connection: AbstractConnection, exchange: str, keys: Iterable[str], *, bind: bool
    ) -> str | None:
        """Binds *exchange*, or takes it off; returns why not."""
        troubles = []
        try:
            async with channel_on(connection, confirms=False) as channel:
                for key in keys:
                    try:
                        await self._one(channel, exchange, key, bind=bind)
                    except (TypeError, ValueError) as error:  # the library cannot say it to the broker at all
                        self._bound.discard((exchange, key))
                        troubles.append(f"exchange '{exchange}' cannot be listened to: {error}")
        except AMQPChannelError as error:
            if not bind:
                self._bound -= {(exchange, key) for key in keys}
            return f"exchange '{exchange}' cannot be listened to: {error}"
        return "; ".join(troubles) or None

    async def _one(self, channel: Channel, exchange: str, key: str, *, bind: bool) -> None:
        if bind:
            self._bound.add((exchange, key))
            await channel.queue_bind(self._queue, exchange, key, timeout=_TIMEOUT_S)
        else:
            await channel.queue_unbind(self._queue, exchange, key, timeout=_TIMEOUT_S)
            self._bound.discard((exchange, key))

    def _say(self, wanted: frozenset[Pair]) -> None:
        """Tells how it stands; a line of the log only for what is new."""
        self._told(self._trouble)
        if (wanted, self._trouble) == self._said:
            return
        self._said = wanted, self._trouble
        if self._trouble:
            _log.warning("templates.not_bound", reason=self._trouble)
        else:
            _log.info("templates.bound", bindings=len(wanted))


def _by_exchange(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for exchange, key in sorted(pairs):
        found[exchange].append(key)
    return found
