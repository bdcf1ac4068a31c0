"""A span of each HTTP exchange that a request makes, by the conventions for HTTP clients."""

from collections.abc import Mapping

from opentelemetry.trace import Span, SpanKind, Tracer
from yarl import URL

from worker.orchestrator.wire import Call
from worker.otel.spans import failed, ongoing, place_of

_REDACTED = "REDACTED"
_UNANSWERED = frozenset({"unsent", "lost"})


class Exchange:
    """One exchange under way. *headers* carry the trace on to the server."""

    def __init__(self, span: Span) -> None:
        place = place_of(span)
        self._span = span
        self.headers: Mapping[str, str] = place.headers if place else {}

    def ended(self, outcome: str) -> None:
        """What came of it: a status, `unsent` or `lost`."""
        if outcome not in _UNANSWERED:
            self._span.set_attribute("http.response.status_code", int(outcome))
        if outcome in _UNANSWERED or int(outcome) >= 400:
            failed(self._span, outcome)
        self._span.end()


def exchange(tracer: Tracer, call: Call) -> Exchange | None:
    """The exchange that *call* begins; None where no request has asked for it."""
    if not ongoing():
        return None
    attributes: dict[str, str | int] = {
        "http.request.method": call.method,
        "url.full": shown(call.url),
        "server.address": call.url.host or "",
        "server.port": call.url.port or 0,
        "jobrelay.operation": call.operation,
    }
    # Not current: what awaits the answer goes on to be what makes the next one.
    span = tracer.start_span(f"{call.method} {call.operation}", kind=SpanKind.CLIENT, attributes=attributes)
    return Exchange(span)


def shown(url: URL) -> str:
    """*url* without what may be secret: user, password, and any parameter but OData's, as signatures are."""
    query = [(name, value if name.startswith("$") else _REDACTED) for name, value in url.query.items()]
    return str(url.with_user(None).with_query(query).with_fragment(None))
