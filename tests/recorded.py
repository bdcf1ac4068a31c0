"""Tracing whose spans stay in this process, for tests without a receiver."""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from worker.broker.address import Address
from worker.broker.topology import Topology
from worker.otel.export import Sending
from worker.otel.traces import Traces

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"


class Recorded(Traces):
    """Tracing that is on; `spans` tells what was made."""

    def __init__(self) -> None:
        self.kept = InMemorySpanExporter()
        address = Address("amqps://user:planted@broker.example/")
        super().__init__(Sending(SimpleSpanProcessor(self.kept)), address, Topology("jobrelay"))

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in the order in which they did."""
        return list(self.kept.get_finished_spans())

    def only(self, name: str) -> ReadableSpan:
        """The one span whose name begins with *name*."""
        (span,) = [one for one in self.spans if one.name.startswith(name)]
        return span


def trace_of(span: ReadableSpan) -> str:
    """The id of its trace."""
    return f"{span.context.trace_id:032x}"


def carried_by(span: ReadableSpan) -> str:
    """The traceparent of what was sent under it."""
    return f"00-{trace_of(span)}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"


def about(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes."""
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> int | None:
    """The id of the span that it is under; None where it is the first of its trace."""
    return span.parent.span_id if span.parent else None
