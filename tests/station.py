"""Both ends of the broker as a test sees them: requests go out, events and dead letters come in."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage
from working import WITHIN_S, until

from worker.broker.topology import Topology, declare
from worker.contracts import violations

OUTCOMES = ("job.created", "request.rejected", "request.deferred", "request.duplicate")


@dataclass(frozen=True)
class Heard:
    """One message that came: an event, a copy of one, or a dead letter."""

    message: AbstractIncomingMessage

    @property
    def key(self) -> str:
        """Its routing key."""
        return self.message.routing_key or ""

    @cached_property
    def document(self) -> Any:
        """Its body as JSON."""
        return json.loads(self.message.body)

    @property
    def data(self) -> Any:
        """The event's data."""
        return self.document["data"]

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.document["id"])

    def __str__(self) -> str:
        """What a failing test shows."""
        return f"{self.key} {self.message.body.decode(errors='replace')[:600]}"


class Station:
    """Sends requests and gathers what is heard of them, in order.

    What belongs together is told by the message's correlation id, which is the requestId unless given.
    """

    def __init__(self, prefix: str, channel: AbstractChannel, exchange: AbstractExchange) -> None:
        self.prefix = prefix
        self.channel = channel
        self.letters: list[Heard] = []
        self._events: defaultdict[str, list[Heard]] = defaultdict(list)
        self._exchange = exchange

    async def ask(self, request: Mapping[str, Any], /, **properties: Any) -> str:
        """Sends *request*, with a requestId of its own unless it has one, and returns the id."""
        document = {"requestId": new_id(), **request}
        properties.setdefault("correlation_id", document["requestId"])
        await self.send(json.dumps(document).encode(), **properties)
        return str(document["requestId"])

    async def add(self, queue: str, /, **asked: Any) -> str:
        """Asks for an item in *queue* of the modern folder, and returns the requestId."""
        document = {"requestId": new_id(), "queue": queue, "folder": {"path": "Shared"}, **asked}
        body, name = json.dumps(document).encode(), str(document["requestId"])
        await self.send(body, "queue-item.add", correlation_id=name)
        return name

    async def send(self, body: bytes, /, key: str = "job.start", **properties: Any) -> None:
        """Publishes *body*, confirmed; JSON unless *properties* say otherwise."""
        properties = {"content_type": "application/json", "delivery_mode": 2, **properties}
        await self._exchange.publish(aio_pika.Message(body, **properties), key)

    def take(self, event: Heard) -> None:
        """An event came."""
        self._events[event.message.correlation_id or ""].append(event)

    def heard(self, request: str, key: str = "") -> list[Heard]:
        """The events of a request so far, whose routing keys begin with *key*."""
        return [event for event in self._events.get(request, ()) if event.key.startswith(key)]

    async def hear(self, request: str, key: str, count: int = 1, *, within: float = WITHIN_S) -> list[Heard]:
        """Waits for *count* events of a request; more than that fail at once."""
        await until(lambda: len(self.heard(request, key)) >= count, lambda: self._story(request, key), within)
        found = self.heard(request, key)
        assert len(found) == count, self._story(request, f"{count} x {key}")
        return found

    async def outcome(self, request: str, *, within: float = WITHIN_S) -> list[Heard]:
        """What became of a request: all its `job.created`, or the one event that says otherwise."""
        return (await self.outcomes([request], within=within))[request]

    async def outcomes(self, requests: Iterable[str], *, within: float = WITHIN_S) -> dict[str, list[Heard]]:
        """What became of each request, once all have an outcome."""
        waiting = list(requests)
        open_ = set(waiting)

        def settled() -> bool:
            open_.difference_update([request for request in open_ if self._settled(request)])
            return not open_

        await until(
            settled, lambda: f"{len(open_)} open; {self._story(next(iter(open_)), 'outcome')}", within
        )
        return {request: self._ends(request) for request in waiting}

    async def until_waiting(self, queue: str, count: int) -> None:
        """Returns once *count* messages are in one of the prefix's queues, and in nobody's hands."""
        seen = -1
        async with asyncio.timeout(WITHIN_S):
            while seen != count:
                found = await self.channel.declare_queue(f"{self.prefix}.{queue}", passive=True)
                seen = found.declaration_result.message_count or 0

    async def letter(self, request: str) -> Heard:
        """The one dead letter with this correlation id."""
        await until(lambda: self._letters(request), lambda: f"dead letter of {request}")
        (letter,) = self._letters(request)
        return letter

    def _letters(self, request: str) -> list[Heard]:
        return [letter for letter in self.letters if letter.message.correlation_id == request]

    def _ends(self, request: str) -> list[Heard]:
        return [event for event in self.heard(request) if event.key in OUTCOMES]

    def _settled(self, request: str) -> bool:
        ends = self._ends(request)
        return bool(ends) and (ends[0].key != "job.created" or len(ends) >= ends[0].data["count"])

    def _story(self, request: str, wanted: str) -> str:
        lines = [f"heard of {request}, where {wanted} was awaited:", *map(str, self.heard(request))]
        return "\n".join(lines)


@asynccontextmanager
async def station(url: str, prefix: str, *, new: bool = True) -> AsyncIterator[Station]:
    """Listens to events from now on, and takes the dead letters off their queue.

    Declares the topology, unless it is there already (not *new*).
    """
    async with await aio_pika.connect(url) as connection:
        topology = Topology(prefix)
        if new:
            await declare(connection, topology)
        channel = await connection.channel()
        await channel.set_qos(1000)
        exchange = await channel.get_exchange(topology.requests, ensure=False)
        here = Station(prefix, channel, exchange)
        own = await channel.declare_queue(exclusive=True)
        await own.bind(topology.events, "#")
        await _gather(channel, own.name, here.take)
        await _gather(channel, topology.dead_letters, here.letters.append)
        yield here


async def _gather(channel: AbstractChannel, name: str, take: Callable[[Heard], None]) -> None:
    async def arrived(message: AbstractIncomingMessage) -> None:
        take(Heard(message))

    queue = await channel.get_queue(name, ensure=False)
    await queue.consume(arrived, no_ack=True)


async def own_queue(here: Station) -> tuple[str, list[Heard]]:
    """A queue of the test's own for `reply_to`, and what arrives there."""
    queue = await here.channel.declare_queue(exclusive=True)
    arrived: list[Heard] = []
    await _gather(here.channel, queue.name, arrived.append)
    return queue.name, arrived


def new_id() -> str:
    """A requestId that nobody else has."""
    return f"it-{uuid4().hex[:20]}"


def assert_valid(events: Iterable[Heard]) -> None:
    """Every event keeps to the schema that it names."""
    for event in events:
        schema = event.document["dataschema"].removeprefix("urn:jobrelay:schema:")
        assert event.document["type"] == f"jobrelay.{schema}", event
        assert violations(schema, event.document) == [], event
