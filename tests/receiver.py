"""An OTLP receiver in this process: what was exported to it, as spans."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Written
from working import until


@dataclass(frozen=True, slots=True)
class Span:
    """A span that came. *parent* is empty for a root."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    error: bool
    begin: int
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Receiver:
    """Takes what is sent to `url`, until it is told to *refuse*, with the headers that it *says*."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    calls: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    refuse: int = 0
    says: dict[str, str] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        """One export: protobuf, packed or not."""
        self.calls.append(dict(request.headers))
        if self.refuse:
            return web.Response(status=self.refuse, headers=self.says)
        body = await request.read()
        # aiohttp unpacks what says that it is packed.
        self.bodies.append(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
        self.spans += _spans(ExportTraceServiceRequest.FromString(self.bodies[-1]))
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    def of(self, trace: str) -> list[Span]:
        """The spans of a trace so far, as they began."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.begin)

    async def hear(self, trace: str, name: str, count: int = 1) -> list[Span]:
        """Waits for *count* spans of a trace whose names begin with *name*."""

        def found() -> list[Span]:
            return [span for span in self.of(trace) if span.name.startswith(name)]

        await until(lambda: len(found()) >= count, lambda: "\n".join(map(str, self.of(trace))))
        return found()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/v1/traces", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield receiver
    finally:
        await runner.cleanup()


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        Span(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.name,
            Written.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            span.status.code == 2,
            span.start_time_unix_nano,
            {one.key: _plain(one.value) for one in span.attributes},
            {one.key: _plain(one.value) for one in group.resource.attributes},
        )
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _plain(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")
