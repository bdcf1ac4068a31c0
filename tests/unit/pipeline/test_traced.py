"""A request's spans: under what its message names, and of one trace through all its attempts."""

from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import messaging_attributes as names
from opentelemetry.trace import SpanKind, StatusCode
from recorded import PARENT_ID, TRACE_ID, TRACEPARENT, Recorded, about, carried_by, parent_of, trace_of
from shop import REQUEST, Shop

from worker.domain.failures import Code, Later, Rejected, Unavailable

_THROTTLED = [Unavailable(Later.THROTTLED, "slow down")] * 4


async def test_a_request_is_a_span_under_what_its_message_names() -> None:
    """By the conventions: consumed from exchange, routing key and queue; what is told of it is said of it."""
    tracing = Recorded()
    shop = Shop(tracing=tracing)
    route: dict[str, Any] = {
        "exchange": "jobrelay.requests",
        "routing_key": "job.start",
        "correlation_id": "c-1",
    }
    await shop.handle(shop.delivery(headers={"traceparent": TRACEPARENT}, **route))
    span = tracing.only("process")
    assert span.name == "process jobrelay.requests:job.start:jobrelay.start"
    assert (trace_of(span), parent_of(span), span.kind) == (TRACE_ID, int(PARENT_ID, 16), SpanKind.CONSUMER)
    assert about(span) == {
        names.MESSAGING_SYSTEM: "rabbitmq",
        names.MESSAGING_OPERATION_TYPE: names.MessagingOperationTypeValues.PROCESS.value,
        names.MESSAGING_OPERATION_NAME: "process",
        names.MESSAGING_DESTINATION_NAME: "jobrelay.requests:job.start:jobrelay.start",
        names.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY: "job.start",
        names.MESSAGING_MESSAGE_ID: "m-1",
        names.MESSAGING_MESSAGE_CONVERSATION_ID: "c-1",
        names.MESSAGING_MESSAGE_BODY_SIZE: 88,
        "server.address": "broker.example",
        "server.port": 5671,
        "jobrelay.kind": "job.start",
        "jobrelay.request_id": "inc-1",
        "jobrelay.outcome": "started",
        "jobrelay.jobs": 1,
        "jobrelay.adopted": False,
        "jobrelay.attempt": 1,
    }
    assert span.status.status_code is StatusCode.UNSET


async def test_what_is_published_for_a_request_carries_its_own_span() -> None:
    """Who hears of a job, and who follows it, goes on from there; the ack is a span too."""
    tracing = Recorded()
    shop = Shop(tracing=tracing)
    headers = {"traceparent": TRACEPARENT, "tracestate": "vendor=1"}
    await shop.handle(shop.delivery(headers=headers))
    created, tracked = (
        tracing.only("publish jobrelay.events:job.created"),
        tracing.only("publish jobrelay.tr"),
    )
    assert shop.outbox.events[0].document()["traceparent"] == carried_by(created)
    assert shop.outbox.events[0].document()["tracestate"] == "vendor=1"
    assert shop.outbox.tracked[0]["traceparent"] == carried_by(tracked)
    assert shop.outbox.tracked[0]["tracestate"] == "vendor=1"
    settled, process = tracing.only("ack"), tracing.only("process")
    assert {parent_of(span) for span in (created, tracked, settled)} == {process.context.span_id}
    assert [span.kind for span in (created, tracked)] == [SpanKind.PRODUCER] * 2
    assert (settled.kind, about(settled)["messaging.operation.type"]) == (
        SpanKind.CLIENT,
        "settle",
    )
    assert shop.journal == ["announce", "track", "ack"]


@pytest.mark.parametrize("headers", [{}, {"traceparent": "00-" + "0" * 32 + "-" + "1" * 16 + "-01"}])
async def test_a_request_without_a_trace_is_given_one_for_all_attempts(
    headers: dict[str, Any],
) -> None:
    """Malformed is none; the deferred message then carries the trace of its first attempt."""
    tracing = Recorded()
    shop = Shop(tracing=tracing)
    shop.tenant.meets("start", *_THROTTLED)
    assert await shop.handle_all_rounds(shop.delivery(headers=headers)) == 2
    first, second = [span for span in tracing.spans if span.name.startswith("process")]
    assert (parent_of(first), parent_of(second)) == (None, first.context.span_id)
    deferred = shop.outbox.deferred[0][2], shop.outbox.again[0]
    assert [headers["traceparent"] for headers in deferred] == [carried_by(first)] * 2
    assert len({trace_of(span) for span in tracing.spans}) == 1
    assert {event.sender.trace_id for event in shop.outbox.events} == {trace_of(first)}


async def test_a_request_that_is_sent_on_keeps_the_trace_that_its_sender_gave_it() -> None:
    """Put off or dead, it carries what it came with; its attempts stand beside each other."""
    tracing = Recorded()
    shop = Shop(tracing=tracing)
    shop.tenant.meets("start", *_THROTTLED, Rejected(Code.ORCHESTRATOR_REFUSED, "no: planted"))
    await shop.handle_all_rounds(shop.delivery(headers={"traceparent": TRACEPARENT}))
    assert "traceparent" not in shop.outbox.deferred[0][2]
    assert shop.outbox.buried[0][0].headers["traceparent"] == TRACEPARENT
    assert "traceparent" not in shop.outbox.buried[0][1]
    attempts = [span for span in tracing.spans if span.name.startswith("process")]
    assert [parent_of(span) for span in attempts] == [int(PARENT_ID, 16)] * 2
    assert [about(span)["error.type"] for span in attempts] == [
        "orchestrator_throttled",
        "orchestrator_refused",
    ]
    assert {span.status.status_code for span in attempts} == {StatusCode.ERROR}
    assert not any("planted" in span.to_json() for span in tracing.spans)


async def test_a_trace_that_is_not_sampled_is_carried_on_and_not_recorded() -> None:
    """Whoever began it has decided."""
    tracing = Recorded()
    shop = Shop(tracing=tracing)
    await shop.handle(shop.delivery(headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-00"}))
    assert tracing.spans == []
    told = shop.outbox.events[0].document()["traceparent"]
    assert (told[:36], told[-3:]) == (f"00-{TRACE_ID}-", "-00")


async def test_the_sampler_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the traces that begin here; one that is not sampled is carried on too."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    tracing = Recorded()
    shop = Shop(tracing=tracing)
    await shop.handle(shop.delivery())
    assert tracing.spans == []
    assert int(shop.outbox.events[0].document()["traceparent"][-2:], 16) & 1 == 0
    await shop.handle(shop.delivery(REQUEST | {"requestId": "inc-2"}, {"traceparent": TRACEPARENT}))
    assert trace_of(tracing.only("process")) == TRACE_ID


async def test_what_somebody_else_has_by_now_is_not_settled_here() -> None:
    """A lost delivery's end is no settlement, and no span of one."""
    tracing = Recorded()
    shop = Shop(tracing=tracing)
    delivery = shop.delivery()
    delivery.lose()
    await shop.handle(delivery)
    assert [span.name for span in tracing.spans if span.name.startswith(("ack", "nack"))] == []
    assert tracing.only("process")


async def test_a_defect_is_shown_by_its_type_alone() -> None:
    """The text of an error may tell what nobody is to know."""
    tracing = Recorded()
    shop = Shop(tracing=tracing)
    shop.outbox.break_next("announce", ConnectionError("planted"))
    await shop.handle(shop.delivery())
    span = tracing.only("process")
    assert about(span)["error.type"] == "ConnectionError"
    assert about(span)["jobrelay.outcome"] == "unsettled"
    assert not any("planted" in one.to_json() for one in tracing.spans)
    assert tracing.only("nack").status.status_code is StatusCode.UNSET


async def test_what_is_no_request_is_a_span_too() -> None:
    """It has a trace of its own, which its rejection carries."""
    tracing = Recorded()
    shop = Shop(tracing=tracing)
    await shop.handle(shop.delivery(b"{"))
    assert about(tracing.only("process"))["error.type"] == "invalid_json"
    assert shop.outbox.events[0].sender.trace_id == trace_of(tracing.only("process"))


async def test_without_tracing_a_trace_is_carried_on_as_it_came() -> None:
    """Also by the headers of a CloudEvent."""
    shop = Shop()
    headers = {"cloudEvents_traceparent": TRACEPARENT, "cloudEvents_tracestate": "vendor=1"}
    await shop.handle(shop.delivery(REQUEST, headers))
    document = shop.outbox.events[0].document()
    assert (document["traceparent"], document["tracestate"]) == (TRACEPARENT, "vendor=1")
    assert (shop.outbox.tracked[0]["traceparent"], shop.outbox.tracked[0]["tracestate"]) == (
        TRACEPARENT,
        "vendor=1",
    )
