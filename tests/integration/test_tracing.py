"""A request's way is one trace, from its publisher through the worker to whoever hears of it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from receiver import Receiver, Span, receiving
from simulated import Simulated
from station import Heard, Station, assert_valid, new_id, station
from tenant import CLIENT_SECRET, SEED, request
from working import Working, until

_W3C = TraceContextTextMapPropagator()
_PLANTED = "planted-key-of-the-receiver"
_AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
_STORY = """\
publish request (producer)
  process P.requests:job.start:P.start (consumer) deferred
    POST StartJobs (client) 429
    POST StartJobs (client) 429
    POST StartJobs (client) 429
    POST StartJobs (client) 429
    publish P.events:request.deferred (producer)
    publish P.delay.5s:job.start (client)
    ack P.requests:job.start:P.start (client)
  process P.retry:job.start:P.start (consumer) started
    POST StartJobs (client) 201
    publish P.events:job.created (producer)
      hear job.created (consumer)
    publish P.tracking (producer)
      publish P.events:job.state.running (producer)
      publish P.events:job.state.successful (producer)
        hear job.state.successful (consumer)
    ack P.retry:job.start:P.start (client)
"""


@dataclass(frozen=True)
class Traced:
    """A worker whose spans go to *receiver*, and a test's own part in a trace."""

    worker: Working
    here: Station
    simulator: Simulated
    receiver: Receiver
    provider: TracerProvider

    @contextmanager
    def publisher(self) -> Iterator[tuple[str, dict[str, str]]]:
        """The span of whoever sends a request: its trace, and what its message is to carry."""
        headers: dict[str, str] = {}
        tracer = self.provider.get_tracer("publisher")
        with tracer.start_as_current_span("publish request", kind=SpanKind.PRODUCER) as span:
            _W3C.inject(headers)
            yield f"{span.get_span_context().trace_id:032x}", headers

    def consume(self, event: Heard) -> None:
        """Makes the span of somebody who hears of *event*, by what its document says."""
        context = _W3C.extract(event.document)
        tracer = self.provider.get_tracer("consumer")
        tracer.start_span(f"hear {event.key}", context, SpanKind.CONSUMER).end()
        assert event.message.headers["traceparent"] == event.document["traceparent"]

    def assert_all_agree(self, trace: str, request: str) -> None:
        """Orchestrator hears of the trace, the log has its id, and no secret is anywhere in the spans."""
        spans = self.receiver.of(trace)
        posts = {f"00-{trace}-{span.id}" for span in spans if span.name.startswith("POST")}
        heard = [dict(call["headers"]) for call in self.simulator.requests() if request in call["body"]]
        assert {headers["traceparent"][:-3] for headers in heard} == posts
        assert {headers["tracestate"] for headers in heard} == {"vendor=1"}
        lines = [line for line in self.worker.said("request.settled") if line["request_id"] == request]
        assert [line["outcome"] for line in lines] == ["deferred", "started"]
        assert {line["trace_id"] for line in lines} == {trace}
        everything = b"".join(self.receiver.bodies)
        for secret in (CLIENT_SECRET, _PLANTED, "Bearer", "Authorization", "guest:guest"):
            assert secret.encode() not in everything
        calls = [call for call in self.receiver.calls if call.get("x-api-key") == _PLANTED]
        assert calls
        assert {call["Content-Encoding"] for call in calls} == {"gzip"}

    def told(self, trace: str) -> str:
        """The spans of a trace as an outline; of the calls, those that start jobs."""
        spans = [span for span in self.receiver.of(trace) if not span.name.startswith("GET")]
        return "".join(self._lines(spans, "", "")).replace(self.here.prefix, "P")

    def _lines(self, spans: list[Span], parent: str, indent: str) -> Iterator[str]:
        for span in spans:
            if span.parent == parent:
                about = span.attributes
                said = about.get("jobrelay.outcome", about.get("http.response.status_code", ""))
                yield f"{indent}{span.name} ({span.kind.lower()}) {said}".rstrip() + "\n"
                yield from self._lines(spans, span.id, f"{indent}  ")


@pytest.fixture
async def traced(
    amqp_url: str, prefix: str, simulator: Simulated, log: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Traced]:
    """A worker of the test's own, whose spans come at once."""
    simulator.seed(SEED)
    async with receiving() as receiver, station(amqp_url, prefix) as here:
        provider = TracerProvider(shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"{receiver.url}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=50))
        headers = f"x-api-key={_PLANTED}"
        for name, value in {**_AT_ONCE, "OTEL_EXPORTER_OTLP_HEADERS": headers}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
        with Working(log, **settings) as worker:
            await worker.ready()
            yield Traced(worker, here, simulator, receiver, provider)
        await asyncio.to_thread(provider.shutdown)


async def test_a_request_is_one_trace_from_its_publisher_to_whoever_hears_of_it(traced: Traced) -> None:
    """Throttled, put off and started: all spans have the publisher's trace, each under what it came from."""
    here, simulator, name = traced.here, traced.simulator, new_id()
    throttled = {"operation": "StartJobs", "do": "status", "status": 429, "retryAfter": 0, "times": 4}
    simulator.faults([throttled | {"reference": name}])
    with traced.publisher() as (trace, headers):
        body = {"requestId": name, **request(process={"name": "Waits"}, inputArguments=None)}
        await here.ask(body, headers={**headers, "tracestate": "vendor=1"})
    (created,) = await here.hear(name, "job.created")
    for state in ("Running", "Successful"):
        simulator.tell("PATCH", f"jobs/{created.data['job']['id']}", {"state": state})
        (last,) = await here.hear(name, f"job.state.{state.lower()}")
    traced.consume(created)
    traced.consume(last)
    await traced.receiver.hear(trace, "hear", 2)
    await traced.receiver.hear(trace, "publish", 7)
    assert traced.told(trace) == _STORY
    assert_valid(here.heard(name))
    assert {event.document["tracestate"] for event in here.heard(name)} == {"vendor=1"}
    traced.assert_all_agree(trace, name)


async def test_a_request_that_begins_a_trace_is_settled_whoever_takes_its_spans(traced: Traced) -> None:
    """A malformed traceparent is none. While spans are refused nothing else fails; the log says it once."""
    name = await traced.here.ask(request(), headers={"traceparent": f"00-{'0' * 32}-{'1' * 16}-01"})
    (created,) = await traced.here.hear(name, "job.created")
    begun = created.document["traceparent"].split("-")[1]
    (process,) = await traced.receiver.hear(begun, "process")
    assert process.parent == ""
    assert set(begun) != {"0"}
    traced.receiver.refuse = 400
    for _ in range(3):
        before = len(traced.receiver.calls)
        await traced.here.outcome(await traced.here.ask(request()))
        await until(lambda: len(traced.receiver.calls) > before, "its spans are sent")  # noqa: B023
    await until(lambda: traced.worker.said("tracing.away"), "the log tells of it")
    traced.receiver.refuse = 0
    await traced.here.outcome(await traced.here.ask(request()))
    (back,) = await until(lambda: traced.worker.said("tracing.back"), "the log tells of its end")
    assert len(traced.worker.said("tracing.away")) == 1
    assert back["spans_lost"] > 0
    assert traced.worker.said("library.log") == []


@pytest.mark.parametrize("listens", [False, True], ids=["it refuses", "it never answers"])
async def test_a_receiver_that_is_away_holds_up_nothing(
    listens: bool,
    amqp_url: str,
    prefix: str,
    simulator: Simulated,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests are settled as ever, and the worker ends in order, soon, with little said of it."""
    simulator.seed(SEED)
    with socket.socket() as receiver:
        receiver.bind(("127.0.0.1", 0))
        if listens:
            receiver.listen()
        url = f"http://127.0.0.1:{receiver.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
        async with station(amqp_url, prefix) as here:
            with Working(log, "start,web", **settings) as worker:
                await worker.ready()
                names = [await here.ask(request()) for _ in range(20)]
                assert {events[0].key for events in (await here.outcomes(names)).values()} == {"job.created"}
                await until(lambda: len(worker.said("request.settled")) == 20, "all are settled")
                worker.terminate()
                assert await worker.ended() == 0
    assert len(worker.said("tracing.not_flushed") + worker.said("tracing.away")) <= 2
    assert worker.said("library.log") == []
