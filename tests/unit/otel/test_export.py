"""Spans leave, or are lost: nobody waits for that, and the log says it once."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from receiver import receiving
from structlog.testing import capture_logs

from worker.broker.address import Address
from worker.broker.topology import Topology
from worker.otel import Off, export, tracing
from worker.settings import SettingsError
from worker.version import version

_ADDRESS = Address("amqp://h/")
_TOPOLOGY = Topology("jobrelay")
_SPAN = ReadableSpan("x")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begins without a variable of the machine's, and ends without what the library is asked to say to us."""
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL", "TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    yield
    for name in (export._SAID_BY_EXPORTER, export._SAID_BY_QUEUE):
        logging.getLogger(name).filters[:] = [
            one for one in logging.getLogger(name).filters if not isinstance(one, export.Export)
        ]


class Broken(SpanExporter):
    """Takes spans as often as *results* say so; says what the library says where it fails."""

    def __init__(self, *results: bool) -> None:
        self._results = list(results)

    def export(self, _spans: object) -> SpanExportResult:
        if self._results.pop(0):
            return SpanExportResult.SUCCESS
        said = logging.getLogger(export._SAID_BY_EXPORTER)
        said.warning("Transient error %s encountered while exporting", "connection refused")
        said.error("Failed to export spans batch due to timeout, max retries or shutdown.")
        logging.getLogger(export._SAID_BY_QUEUE).warning("Queue full, dropping Span.")
        return SpanExportResult.FAILURE


class Hanging(SpanExporter):
    """Never comes back, unless it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def export(self, _spans: object) -> SpanExportResult:
        self.free.wait(60)
        return SpanExportResult.FAILURE


def test_a_receiver_that_is_away_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the library's reason, in place of its lines at each try; and once that it is back."""
    sends = export.Export(Broken(True, False, False, False, True, True, False))
    for name in (export._SAID_BY_EXPORTER, export._SAID_BY_QUEUE):
        logging.getLogger(name).addFilter(sends)
    with capture_logs() as lines:
        for _ in range(7):
            sends.export([_SPAN, _SPAN])
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("tracing.away", "warning"), ("tracing.back", "info"), ("tracing.away", "warning"),
    ]  # fmt: skip
    assert "connection refused" in lines[0]["reason"]
    assert lines[1]["spans_lost"] == 6
    said = [record.getMessage() for record in caplog.records]
    assert set(said) <= {"Queue full, dropping Span."}
    assert len(said) <= 1


def test_a_receiver_that_is_away_is_said_without_its_key(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The library quotes the URL, where some put a key: neither the reason nor a line of its own has it."""
    url = "http://127.0.0.1:1/v1/traces?x=1&api_key='planted',(planted)?#planted"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url)
    monkeypatch.setenv(
        "OTEL_EXPORTER_OTLP_TIMEOUT", "1.5"
    )  # room for one more try, which the reason comes with
    caplog.set_level(logging.INFO)
    with capture_logs() as lines:
        sending = export.sending()
        sending.tracer.start_span("x").end()
        sending._provider.shutdown()
    assert [line["event"] for line in lines] == ["tracing.away"]
    assert "refused" in lines[0]["reason"]
    assert "planted" not in lines[0]["reason"] + caplog.text


@pytest.mark.parametrize("where", [{}, {"Location": "/v1/traces?api_key=planted"}], ids=["nowhere", "on"])
async def test_spans_that_are_sent_elsewhere_are_lost(
    monkeypatch: pytest.MonkeyPatch, where: dict[str, str]
) -> None:
    """A redirect is no success, and is not followed: the log says so, and what mends it."""
    async with receiving() as receiver:
        receiver.refuse, receiver.says = 307, where
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        sending = export.sending()
        sending.tracer.start_span("x").end()
        with capture_logs() as lines:
            await sending.close()
        assert len(receiver.calls) == 1
    assert [line["event"] for line in lines] == ["tracing.away"]
    assert "it answers 307: name the place" in lines[0]["reason"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in lines[0]["reason"]
    assert "planted" not in lines[0]["reason"]


def test_a_user_in_a_quoted_url_is_left_out() -> None:
    """Should the library ever quote one, such as a proxy's."""
    sends = export.Export(Broken(False))
    record = logging.makeLogRecord({"msg": "cannot reach http://u:planted@h:1/?k=planted (refused)"})
    sends.filter(record)
    assert sends._said == ["cannot reach http://…h:1/?… (refused)"]


async def test_the_end_waits_for_the_last_spans_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that hangs holds up nobody's end."""
    monkeypatch.setattr(export, "_FLUSH_S", 0.05)
    hanging = Hanging()
    sending = export.Sending(BatchSpanProcessor(hanging))
    sending.tracer.start_span("x").end()
    with capture_logs() as lines:
        async with asyncio.timeout(20):
            await sending.close()
    assert [line["event"] for line in lines] == ["tracing.not_flushed"]
    hanging.free.set()


def test_tracing_is_off_where_nobody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint, or the SDK's own switch."""
    assert isinstance(tracing(_ADDRESS, _TOPOLOGY), Off)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    assert isinstance(tracing(_ADDRESS, _TOPOLOGY), Off)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert isinstance(tracing(_ADDRESS, _TOPOLOGY), Off)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ENDPOINT", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT must be like http://host:4318"),
        ("ENDPOINT", "http://u:planted@h:4318", "OTEL_EXPORTER_OTLP_ENDPOINT must be like http://host:4318"),
        ("ENDPOINT", "http://h:4318/?key=a planted", "OTEL_EXPORTER_OTLP_ENDPOINT must be like http://host"),
        ("TRACES_ENDPOINT", "planted", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be like"),
        ("PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf"),
    ],
)
def test_where_nothing_can_be_sent_to_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """One line that names the variable and quotes nothing of it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    with pytest.raises(SettingsError, match=f"^{said}") as refused:
        tracing(_ADDRESS, _TOPOLOGY)
    assert "planted" not in str(refused.value)


def test_off_means_that_its_library_is_not_even_loaded() -> None:
    """A worker is made with all roles, in a process of its own, and nothing of OpenTelemetry is there."""
    program = (
        "import sys; from worker.app import ROLES, Worker; from worker.cli import main;"
        "from worker.settings import Settings;"
        "Worker(Settings(amqp_url='amqp://h/', orchestrator_url='http://h'), ROLES);"
        "print([name for name in sys.modules if name.partition('.')[0] in ('opentelemetry', 'google')])"
    )
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "JOBRELAY_"))
    }
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "[]\n"


def test_without_its_library_tracing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which package to install."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "worker.otel.export")
    with pytest.raises(SettingsError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT needs .*'jobrelay\[otel\]'$"):
        tracing(_ADDRESS, _TOPOLOGY)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "jobrelay"),
        ({"OTEL_SERVICE_NAME": "starter"}, "starter"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs,service.version=9"}, "theirs"),
    ],
)
def test_spans_say_who_made_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str
) -> None:
    """The standard variables win; without them it is Jobrelay and its version."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    about = export._resource().attributes
    assert about["service.name"] == name
    assert about["service.version"] == ("9" if name == "theirs" else version())
