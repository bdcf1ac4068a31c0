"""Hints: what workers tell trackers over `P.hints`. Best effort, soon untrue, and no job is lost without.

Each goes under its worker's `user_id`, which the broker verifies, and is heeded only where that is our own
user or a voucher (`Custody`): who else may write to `P.hints` can ask what is in flight (`list`), no more.

One session hears them, on the connection that consumes; another one sends them, on the one that publishes.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import orjson
from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from worker.broker.connection import LOSSES, channel_on, gone, together, unless_cancelled
from worker.broker.properties import USER_REFUSED
from worker.broker.topology import Topology
from worker.domain.policy.custody import Custody
from worker.domain.requests import own_queue

_TIMEOUT_S = 10.0
_MOST = 2_000
_EXPIRATION_MS = "30000"
_QUESTION = "list"
_KNOWN_AS = re.compile(r"authenticated user was '(.+?)'")


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint: its document, and where an answer goes, if one is wanted."""

    document: Any
    reply_to: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Letter:
    exchange: str
    key: str
    body: bytes
    correlation_id: str | None = None


class Hints:
    """Iterates over the hints that come, for ever; see `tracking.ports.Hints` for its promises.

    What comes while nobody listens is lost, and so is what is sent while the broker is away or too much of it
    waits: the oldest goes first. Its two sessions are run by links, which they tell that they are up.
    """

    def __init__(
        self, topology: Topology, custody: Custody, listens: Callable[[], None], sends: Callable[[], None]
    ) -> None:
        self._topology = topology
        self._custody = custody
        self._listens = listens
        self._sends = sends
        self._heard: asyncio.Queue[Hint] = asyncio.Queue()
        self._waiting: deque[_Letter] = deque(maxlen=_MOST)
        self._wanted = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Hint]:
        return self

    async def __anext__(self) -> Hint:
        """The next hint."""
        return await self._heard.get()

    def send(self, document: Mapping[str, Any]) -> None:
        """Tells all trackers, this one too."""
        self._post(_Letter(self._topology.hints, "", orjson.dumps(document)))

    def reply(self, hint: Hint, document: Mapping[str, Any]) -> None:
        """Answers who sent *hint*, if he wants to know, but into no queue of Jobrelay's own."""
        if hint.reply_to and not own_queue(hint.reply_to, self._topology.prefix):
            self._post(_Letter("", hint.reply_to, orjson.dumps(document), hint.correlation_id))

    async def listening(self, connection: AbstractConnection) -> None:
        """Hears hints on *connection* until the channel is gone."""
        async with channel_on(connection, confirms=False) as channel:
            made = await channel.queue_declare(
                exclusive=True, auto_delete=True, arguments={"x-queue-type": "classic"}, timeout=_TIMEOUT_S
            )
            queue = str(made.queue)
            await channel.queue_bind(queue, self._topology.hints, timeout=_TIMEOUT_S)
            await channel.basic_consume(queue, self._hear, no_ack=True, timeout=_TIMEOUT_S)
            self._listens()
            await gone(channel)

    async def sending(self, connection: AbstractConnection) -> None:
        """Sends what is to be sent on *connection* until the channel is gone."""
        try:
            async with channel_on(connection, confirms=False) as channel:
                self._sends()
                await together(self._send_all(channel), gone(channel))
        except LOSSES as loss:
            if USER_REFUSED in str(loss):
                self._rename(str(loss))
            raise

    async def _send_all(self, channel: Channel) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                letter = self._waiting.popleft()
                properties = Basic.Properties(
                    correlation_id=letter.correlation_id,
                    expiration=_EXPIRATION_MS,
                    user_id=self._custody.user or None,
                )
                await channel.basic_publish(
                    letter.body,
                    exchange=letter.exchange,
                    routing_key=letter.key,
                    properties=properties,
                    timeout=_TIMEOUT_S,
                )
                unless_cancelled()

    def _post(self, letter: _Letter) -> None:
        self._waiting.append(letter)
        self._wanted.set()

    def _rename(self, why: str) -> None:
        """The broker knows us by another name than our URL, as with OAuth 2 tokens, and says by which."""
        known = _KNOWN_AS.search(why)
        self._custody = replace(self._custody, user=known[1] if known else "")

    async def _hear(self, delivered: DeliveredMessage) -> None:
        properties = delivered.header.properties
        with suppress(ValueError):
            document = orjson.loads(delivered.body)
            if self._custody.believes(properties.user_id) or _asks(document):
                self._heard.put_nowait(Hint(document, properties.reply_to, properties.correlation_id))


def _asks(document: Any) -> bool:
    return isinstance(document, dict) and document.get("kind") == _QUESTION
