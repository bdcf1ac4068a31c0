"""A call as a trace shows it: what was asked of whom and what came of it, and no secret."""

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from recorded import Recorded, about, carried_by, parent_of
from yarl import URL

from worker.orchestrator.wire import Call
from worker.otel.calls import shown
from worker.otel.spans import span

_CALL = Call("StartJobs", "POST", URL("https://cloud.example/org/tenant/orchestrator_/odata/Jobs"))


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://h/odata/Jobs?$filter=Key eq 1&$top=1", "https://h/odata/Jobs?$filter=Key+eq+1&$top=1"),
        ("https://user:planted@h:8443/x", "https://h:8443/x"),
        ("https://s.example/b?sv=1&sig=planted%2B", "https://s.example/b?sv=REDACTED&sig=REDACTED"),
        ("https://h/x?$top=1&token=planted#planted", "https://h/x?$top=1&token=REDACTED"),
        ("https://h/%C3%BC?a=1&a=2", "https://h/%C3%BC?a=REDACTED&a=REDACTED"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, seen: str) -> None:
    """OData's own parameters say what was asked; of any other only its name is shown."""
    assert shown(URL(url)) == seen


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [("201", None), ("304", None), ("409", "409"), ("503", "503"), ("lost", "lost"), ("unsent", "unsent")],
)
def test_a_call_is_a_span_of_its_request(outcome: str, failed: str | None) -> None:
    """Its headers carry it on; no answer, or one that is none, is an error."""
    tracing = Recorded()
    with span(tracing._sending.tracer, "process", SpanKind.CONSUMER, {}) as process:
        exchange = tracing.on_exchange(_CALL)
        assert exchange is not None
        exchange.ended(outcome)
    made = tracing.only("POST StartJobs")
    said = about(made)
    assert exchange.headers == {"traceparent": carried_by(made)}
    assert (parent_of(made), made.kind) == (process.get_span_context().span_id, SpanKind.CLIENT)
    assert said.get("error.type") == failed
    assert said.get("http.response.status_code") == (int(outcome) if outcome.isdecimal() else None)
    assert (made.status.status_code is StatusCode.ERROR) is (failed is not None)
    assert (said["http.request.method"], said["server.address"], said["server.port"]) == (
        "POST", "cloud.example", 443,
    )  # fmt: skip


def test_a_call_that_no_request_asked_for_is_no_span() -> None:
    """A tracker's looks and probes would be thousands of traces of nothing."""
    tracing = Recorded()
    assert tracing.on_exchange(_CALL) is None
    assert tracing.spans == []
