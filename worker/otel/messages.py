"""Spans of a request's messages: its delivery in hand, what is published for it, how it is settled.

Names are those of OpenTelemetry's conventions for messaging and RabbitMQ, which are in development: what is
sent goes to `exchange:routing key`, and what is consumed comes from `exchange:routing key:queue`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from opentelemetry.trace import Span, SpanKind, Tracer, get_current_span

from worker.broker.topology import Topology
from worker.domain.events import Event
from worker.domain.messages import Message
from worker.domain.requests import Kind
from worker.domain.trace import Trace, trace_of
from worker.otel.spans import failed, ongoing, place_of, span, within
from worker.pipeline.ports import Delivery, Outbox, Receipt


class Processing:
    """A delivery in hand."""

    def __init__(self, span: Span, delivery: Delivery) -> None:
        self._span = span
        self.delivery = delivery
        self.trace = place_of(span)

    def tell(self, facts: Mapping[str, Any]) -> None:
        """What became of it; it has failed where there is a code that says why."""
        known = {name: value for name, value in facts.items() if value is not None and name != "ms"}
        self._span.set_attributes({f"jobrelay.{name}": value for name, value in known.items()})
        if facts.get("code"):
            failed(self._span, str(facts["code"]))


class Settled:
    """A delivery whose settlement is a span."""

    def __init__(self, delivery: Delivery, settling: Callable[[str], AbstractContextManager[Span]]) -> None:
        self._delivery = delivery
        self._settling = settling

    @property
    def message(self) -> Message:
        """The message as it came."""
        return self._delivery.message

    @property
    def is_open(self) -> bool:
        """False once the channel it came by is gone."""
        return self._delivery.is_open

    @property
    def receipt(self) -> Receipt:
        """Settles it, without a span."""
        return self._delivery.receipt

    def ack(self) -> None:
        """Settles it for good."""
        with self._settled("ack"):
            self._delivery.ack()

    def give_back(self) -> None:
        """Returns it to its queue."""
        with self._settled("nack"):
            self._delivery.give_back()

    def _settled(self, name: str) -> AbstractContextManager[object]:
        return self._settling(name) if self.is_open else nullcontext()


class Messages:
    """Makes the spans of messages. *broker* is what tells of the server in each."""

    def __init__(self, tracer: Tracer, topology: Topology, broker: Mapping[str, Any]) -> None:
        self._tracer = tracer
        self._queues = topology.of_requests()
        self._common = {"messaging.system": "rabbitmq", **broker}

    @contextmanager
    def processing(self, delivery: Delivery, kind: Kind) -> Iterator[Processing]:
        """A span as long as *delivery* is in hand, under what its message names."""
        message, queue = delivery.message, self._queues[kind]
        route = dict.fromkeys(filter(None, (message.exchange, message.routing_key, queue)))
        destination = ":".join(route)
        about = self._about("process", "process", destination)
        about |= _route(message.routing_key, message.correlation_id)
        about["messaging.message.body.size"] = len(message.body)
        if message.message_id:
            about["messaging.message.id"] = message.message_id

        def settling(name: str) -> AbstractContextManager[Span]:
            about = self._about("settle", name, destination)
            return span(self._tracer, f"{name} {destination}", SpanKind.CLIENT, about)

        place = within(trace_of(message.headers))
        with span(self._tracer, f"process {destination}", SpanKind.CONSUMER, about, place) as one:
            yield Processing(one, Settled(delivery, settling))

    def publishing(
        self, to: tuple[str, str], kind: SpanKind, conversation: str | None, place: Trace | None = None
    ) -> AbstractContextManager[Span]:
        """A span of a publish *to* an exchange with a routing key, under the current one or at *place*."""
        destination = ":".join(filter(None, to))
        about = self._about("send", "publish", destination) | _route(to[1], conversation)
        parent = None if ongoing() else within(place)
        return span(self._tracer, f"publish {destination}", kind, about, parent)

    def _about(self, kind: str, name: str, destination: str) -> dict[str, Any]:
        return {
            **self._common,
            "messaging.operation.type": kind,
            "messaging.operation.name": name,
            "messaging.destination.name": destination,
        }


class Publishing:
    """An outbox whose publishes are spans; see `pipeline.ports.Outbox` for its promises.

    Whoever reads what is published goes on from that span. A request that is sent on keeps the trace that
    its sender gave it, and is given the one that it has here where it had none.
    """

    def __init__(self, outbox: Outbox, messages: Messages, topology: Topology) -> None:
        self._outbox = outbox
        self._messages = messages
        self._topology = topology

    async def announce(self, event: Event, wanted: Callable[[], bool] | None = None) -> None:
        """Publishes *event*, which carries its own span; without one if it belongs to no trace."""
        sender, to = event.sender, (self._topology.events, event.routing_key)
        if sender.trace is None:
            await self._outbox.announce(event, wanted)
            return
        with self._messages.publishing(to, SpanKind.PRODUCER, sender.correlation_id, sender.trace) as one:
            about = {"event_id": event.id, "event_type": event.type, "event_subject": event.subject or ""}
            one.set_attributes({f"cloudevents.{name}": value for name, value in about.items()})
            told = replace(event, sender=replace(sender, trace=place_of(one)))
            await self._outbox.announce(told, wanted)

    async def track(self, document: Mapping[str, Any], wanted: Callable[[], bool] | None = None) -> None:
        """Puts a job into the set of jobs in flight, to be told of under this span; anew, as it was."""
        if not ongoing():
            await self._outbox.track(document, wanted)
            return
        to = ("", self._topology.tracking)
        with self._messages.publishing(to, SpanKind.PRODUCER, document["correlationId"]) as one:
            await self._outbox.track({**document, **_headers_of(one)}, wanted)

    async def defer(
        self, message: Message, kind: Kind, seconds: int, headers: Mapping[str, Any], again: Mapping[str, Any]
    ) -> None:
        """Sends *message* round a delay queue."""
        carried = {} if trace_of(message.headers) else _headers_of(get_current_span())
        to = (self._topology.delay(seconds), str(kind))
        with self._messages.publishing(to, SpanKind.CLIENT, message.correlation_id):
            await self._outbox.defer(message, kind, seconds, {**headers, **carried}, {**again, **carried})

    async def bury(
        self, message: Message, headers: Mapping[str, Any], wanted: Callable[[], bool] | None = None
    ) -> None:
        """Keeps *message* in the dead letters, as it came."""
        to = (self._topology.dead, message.routing_key)
        with self._messages.publishing(to, SpanKind.CLIENT, message.correlation_id):
            await self._outbox.bury(message, headers, wanted)


def _route(routing_key: str, conversation: str | None) -> dict[str, str]:
    about = {"messaging.rabbitmq.destination.routing_key": routing_key}
    return about | ({"messaging.message.conversation_id": conversation} if conversation else {})


def _headers_of(one: Span) -> dict[str, str]:
    place = place_of(one)
    return place.headers if place else {}
