"""A span: begun under its parent, current in its task, marked where what it shows has failed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from worker.domain.trace import PARENT, STATE, Trace, trace_of

_W3C = TraceContextTextMapPropagator()


@contextmanager
def span(
    tracer: Tracer, name: str, kind: SpanKind, attributes: Mapping[str, Any], within: Context | None = None
) -> Iterator[Span]:
    """A span, by default within the current one. No text of an error is kept: it might tell too much."""
    # By hand: the library's way is two more context managers for each span.
    one = tracer.start_span(name, within, kind, attributes)
    token = attach(trace.set_span_in_context(one))
    try:
        yield one
    except BaseException as error:
        failed(one, type(error).__name__)
        raise
    finally:
        detach(token)
        one.end()


def failed(one: Span, kind: str) -> None:
    """Marks what *one* shows as failed: *kind* is a word of few."""
    one.set_attribute("error.type", kind)
    one.set_status(Status(StatusCode.ERROR))


def ongoing() -> bool:
    """True inside a span of this task."""
    return trace.get_current_span().get_span_context().is_valid


def within(place: Trace | None) -> Context:
    """The context of what was asked for at *place*; a new trace's where there is none."""
    return _W3C.extract(place.headers if place else {}, Context())


def place_of(one: Span) -> Trace | None:
    """What carries *one* on."""
    at = one.get_span_context()
    if not at.is_valid:
        return None
    parent = f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}"
    return trace_of({PARENT: parent, STATE: at.trace_state.to_header()})
