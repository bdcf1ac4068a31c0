"""Tracing that is on: spans of a request's messages and calls, and where they are sent."""

from contextlib import AbstractContextManager
from typing import Self

from worker.broker.address import Address
from worker.broker.topology import Topology
from worker.domain.requests import Kind
from worker.orchestrator.wire import Call
from worker.otel.calls import Exchange, exchange
from worker.otel.export import Sending
from worker.otel.messages import Messages, Processing, Publishing
from worker.pipeline.ports import Delivery, Outbox


class Traces:
    """Makes spans. What nobody's request has asked for (an unchanged job's look, a probe) has none."""

    def __init__(self, sending: Sending, address: Address, topology: Topology) -> None:
        self._sending = sending
        broker = {"server.address": address.host, "server.port": address.port}
        self._messages = Messages(sending.tracer, topology, broker)
        self._topology = topology

    def on_exchange(self, call: Call) -> Exchange | None:
        """A span of the exchange that *call* begins."""
        return exchange(self._sending.tracer, call)

    def processing(self, delivery: Delivery, kind: Kind) -> AbstractContextManager[Processing]:
        """A span as long as *delivery* is in hand."""
        return self._messages.processing(delivery, kind)

    def outbox(self, outbox: Outbox) -> Publishing:
        """*outbox*, whose publishes are spans."""
        return Publishing(outbox, self._messages, self._topology)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Sends what is left; nothing where the end is not an orderly one."""
        if kind is None:
            await self._sending.close()
