"""The exchanges and queues of one prefix: described, declared and exported.

Arguments are the same on every broker version; what only a newer broker knows comes by policy.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPConnectionError, ChannelPreconditionFailed

from worker.domain.outcomes import DELAYS
from worker.domain.requests import Kind

_TIMEOUT_S = 15.0
_ALL_TIMEOUT_S = 60.0
_STREAM: dict[str, Any] = {"x-queue-type": "stream", "x-max-age": "30D", "x-max-length-bytes": 20_000_000_000}
START_KEY = str(Kind.START)
REQUEST_KEYS = tuple(map(str, Kind))
EVENT_KEY = "template.event"


class TopologyMismatch(Exception):
    """An exchange or queue is there already, with other arguments than Jobrelay's."""


class NotDeclared(AMQPConnectionError):
    """The broker fails at an exchange or queue, or was lost on the way; the text says at which."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange, durable like all of ours."""

    name: str
    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue with every argument that matters."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of *exchange* with *key* go to *queue*."""

    exchange: str
    queue: str
    key: str


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that one prefix needs on the broker, by name."""

    prefix: str

    @property
    def requests(self) -> str:
        """The exchange that senders publish to."""
        return f"{self.prefix}.requests"

    @property
    def start(self) -> str:
        """The queue of start-job requests."""
        return f"{self.prefix}.start"

    @property
    def stop(self) -> str:
        """The queue of stop-job requests."""
        return f"{self.prefix}.stop"

    @property
    def retry(self) -> str:
        """The exchange that delayed requests come back through."""
        return f"{self.prefix}.retry"

    @property
    def events(self) -> str:
        """The exchange of events."""
        return f"{self.prefix}.events"

    @property
    def tracking(self) -> str:
        """The queue that is the set of jobs in flight."""
        return f"{self.prefix}.tracking"

    @property
    def hints(self) -> str:
        """The exchange by which trackers tell each other what may be worth a look."""
        return f"{self.prefix}.hints"

    @property
    def dead(self) -> str:
        """The exchange of what could not be processed."""
        return f"{self.prefix}.dead"

    @property
    def dead_letters(self) -> str:
        """The queue of what could not be processed."""
        return f"{self.prefix}.dead-letters"

    @property
    def audit(self) -> str:
        """The stream of everything said."""
        return f"{self.prefix}.audit"

    @property
    def templates(self) -> str:
        """The queue of applications' events, bound to their exchanges by the templates."""
        return f"{self.prefix}.templates"

    def delay(self, seconds: int) -> str:
        """The exchange, and queue, that holds a message back for *seconds*, one of `DELAYS`."""
        return f"{self.prefix}.delay.{seconds}s"

    def of_requests(self) -> dict[Kind, str]:
        """The queue of each kind of request. The queue decides the kind, whatever key a message came with."""
        return {Kind.START: self.start, Kind.STOP: self.stop, Kind.QUEUE_ITEM: f"{self.prefix}.queue-item"}

    def exchanges(self) -> list[Exchange]:
        """All exchanges, each after those it refers to."""
        return [
            Exchange(self.dead, "fanout"),
            Exchange(self.requests, "topic", {"alternate-exchange": self.dead}),
            Exchange(self.retry, "direct"),
            Exchange(self.events, "topic"),
            Exchange(self.hints, "fanout"),
            *(Exchange(self.delay(seconds), "fanout") for seconds in DELAYS),
        ]

    def queues(self) -> list[Queue]:
        """All queues, each after the exchanges it refers to."""
        return [
            *(Queue(queue, _quorum(self.dead)) for queue in self.of_requests().values()),
            *(Queue(queue, _quorum(self.dead)) for queue in (self.templates, self.tracking)),
            Queue(self.dead_letters, _quorum(None)),
            *(
                Queue(self.delay(seconds), _quorum(self.retry) | {"x-message-ttl": seconds * 1000})
                for seconds in DELAYS
            ),
            Queue(self.audit, _STREAM),
        ]

    def bindings(self) -> list[Binding]:
        """All bindings. The audit binds the known request keys only: `#` would hide unroutable requests."""
        return [
            *(
                Binding(exchange, queue, key)
                for key, queue in self.of_requests().items()
                for exchange in (self.requests, self.retry)
            ),
            Binding(self.retry, self.templates, EVENT_KEY),
            Binding(self.dead, self.dead_letters, ""),
            *(Binding(self.delay(seconds), self.delay(seconds), "") for seconds in DELAYS),
            *(Binding(self.requests, self.audit, key) for key in REQUEST_KEYS),
            Binding(self.events, self.audit, "#"),
            Binding(self.dead, self.audit, ""),
        ]

    def definitions(self) -> dict[str, Any]:
        """The same in the form that RabbitMQ imports as definitions (for one virtual host)."""
        return {
            "exchanges": [
                {"name": e.name, "type": e.type, "durable": True, "auto_delete": False, "internal": False}
                | {"arguments": dict(e.arguments)}
                for e in self.exchanges()
            ],
            "queues": [
                {"name": q.name, "durable": True, "auto_delete": False, "arguments": dict(q.arguments)}
                for q in self.queues()
            ],
            "bindings": [
                {"source": b.exchange, "destination": b.queue, "destination_type": "queue"}
                | {"routing_key": b.key, "arguments": {}}
                for b in self.bindings()
            ],
        }


async def declare(connection: AbstractConnection, topology: Topology) -> None:
    """Declares everything, or raises `TopologyMismatch` naming what differs and what to do, or `NotDeclared`.

    Declaring what is there already with the same arguments changes nothing; the broker itself verifies them.
    """
    async with asyncio.timeout(_ALL_TIMEOUT_S), connection.channel(publisher_confirms=False) as channel:
        await _declare_on(await channel.get_underlay_channel(), topology)


async def remove(connection: AbstractConnection, topology: Topology) -> None:
    """Deletes everything of this prefix, messages included. For demonstrations and tests."""
    async with asyncio.timeout(_ALL_TIMEOUT_S), connection.channel(publisher_confirms=False) as channel:
        for queue in topology.queues():
            await channel.queue_delete(queue.name)
        for exchange in topology.exchanges():
            await channel.exchange_delete(exchange.name)


async def _declare_on(channel: AbstractChannel, topology: Topology) -> None:
    for what, declared in _declarations(channel, topology):
        try:
            await declared
        except ChannelPreconditionFailed as error:
            raise TopologyMismatch(
                f"{what} exists with other arguments ({error}); move its messages away and delete it, "
                "or choose another JOBRELAY_PREFIX"
            ) from error
        except (AMQPConnectionError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            raise NotDeclared(f"{what} cannot be had: {why}; the broker's own log says more") from error


def _declarations(channel: AbstractChannel, topology: Topology) -> Iterator[tuple[str, Awaitable[Any]]]:
    for e in topology.exchanges():
        yield (
            f"exchange {e.name}",
            channel.exchange_declare(
                e.name, exchange_type=e.type, durable=True, arguments=dict(e.arguments), timeout=_TIMEOUT_S
            ),
        )
    for q in topology.queues():
        yield (
            f"queue {q.name}",
            channel.queue_declare(q.name, durable=True, arguments=dict(q.arguments), timeout=_TIMEOUT_S),
        )
    for b in topology.bindings():
        bound = channel.queue_bind(b.queue, b.exchange, b.key, timeout=_TIMEOUT_S)
        yield f"binding of {b.queue}", bound


def _quorum(dead_letter_exchange: str | None) -> dict[str, Any]:
    # A limit of -1 makes 3.10 drop the message, and the default of 4.x dead-letters innocent neighbours of
    # a crash: poison is ended by our own count of attempts.
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
    if dead_letter_exchange is None:
        return arguments
    return arguments | {
        "x-dead-letter-exchange": dead_letter_exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
