"""Spans leave the process by OTLP over HTTP, in a thread of the library's; untaken they are lost.

No request waits for that, and the worker's end for three seconds at most.
"""

import asyncio
import logging
import os
import re
import threading
from collections.abc import Sequence
from contextlib import suppress

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from requests import Response, Session, TooManyRedirects

from worker.forms import is_open_url
from worker.settings import SettingsError
from worker.version import version

_FLUSH_S = 3.0
_PROTOCOLS = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
_ENDPOINTS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
_SAID_BY_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_SAID_BY_QUEUE = "opentelemetry.sdk._shared_internal"

_SECRET = re.compile(r"(?<=\?)\S+|(?<=://)\S*@")

_CONVENTIONS = "https://opentelemetry.io/schemas/1.43.0"

_log = structlog.get_logger(__name__)


class Export(SpanExporter):
    """Sends spans, and says in one line that they are lost, and in another one that they no longer are.

    The library says four lines at each try; the first of them is kept, as it has the reason, and in it the
    URL, but for what may be a secret there.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._said: list[str] = []
        self._lost = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Keeps what the library says, but for what is not known yet: that its queue is full."""
        if record.name == _SAID_BY_QUEUE:
            return not self._lost
        self._said.append(_SECRET.sub("…", record.getMessage()))
        return False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends *spans*, or loses them."""
        self._said.clear()
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                _log.info("tracing.back", spans_lost=self._lost)
            self._lost = 0
            return result
        if not self._lost:
            _log.warning("tracing.away", reason=next(iter(self._said), "nothing more is known"))
        self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        """Sends no more."""
        self._exporter.shutdown()


class Sending:
    """Gives the spans of `tracer` to *processor*, until it is closed."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self.tracer = self._provider.get_tracer("jobrelay", version(), _CONVENTIONS)

    async def close(self) -> None:
        """Sends what is left, as far as that is done within three seconds."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def flush() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

        # The library's own bounds are thirty seconds. Such a thread ends with the process.
        threading.Thread(target=flush, name="flush of spans", daemon=True).start()
        try:
            async with asyncio.timeout(_FLUSH_S):
                await done.wait()
        except TimeoutError:
            _log.warning("tracing.not_flushed", waited_s=_FLUSH_S)


def sending() -> Sending:
    """As the variables say; raises `SettingsError` where they name what cannot be sent to."""
    for name in _ENDPOINTS:
        text = os.environ.get(name, "")
        if text and not is_open_url(text.strip()):
            raise SettingsError(f"{name} must be like http://host:4318, with no user and no password in it")
    for name in _PROTOCOLS:
        protocol = os.environ.get(name, "")
        if protocol not in ("", "http/protobuf"):
            raise SettingsError(f"{name} must be http/protobuf (mostly port 4318): no other is spoken here")
    session = Session()
    session.hooks["response"].append(_refuse_redirect)
    export = Export(OTLPSpanExporter(session=session))
    for name in (_SAID_BY_EXPORTER, _SAID_BY_QUEUE):
        logging.getLogger(name).addFilter(export)
    return Sending(BatchSpanProcessor(export))


def _refuse_redirect(answer: Response, **_: object) -> None:
    """Raises where spans were sent elsewhere: the library takes that for success, and they are nowhere.

    Nor are they sent on: headers may hold a key, and are for whom the variables name.
    """
    if 300 <= answer.status_code < 400:
        answer.close()
        ours = " or ".join(_ENDPOINTS)
        raise TooManyRedirects(f"it answers {answer.status_code}: name the place that takes spans in {ours}")


def _resource() -> Resource:
    """Who makes the spans: as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, else Jobrelay."""
    given = Resource.create()
    said = {name: value for name, value in given.attributes.items() if not _is_unknown(value)}
    return Resource({"service.name": "jobrelay", "service.version": version(), **said}, given.schema_url)


def _is_unknown(value: object) -> bool:
    return isinstance(value, str) and value.startswith("unknown_service")
