"""Tracing: off it costs nothing, on it makes spans by OpenTelemetry, which nobody else imports.

The standard variables configure it (OTEL_…); it is on where OTEL_EXPORTER_OTLP_ENDPOINT is set.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Any, Protocol, Self

from worker.broker.address import Address
from worker.broker.topology import Topology
from worker.domain.requests import Kind
from worker.orchestrator.http.reports import Exchange
from worker.orchestrator.wire import Call
from worker.pipeline.consume import Span
from worker.pipeline.ports import Delivery, Outbox
from worker.settings import SettingsError

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Tracing(AbstractAsyncContextManager["Tracing"], Protocol):
    """Makes spans of what is done while it is entered; what is left of them is sent at its end."""

    def on_exchange(self, call: Call) -> Exchange | None:
        """Hears of every HTTP exchange with Orchestrator as it begins."""

    def processing(self, delivery: Delivery, kind: Kind) -> AbstractContextManager[Span]:
        """See `pipeline.consume.Tracer`."""

    def outbox(self, outbox: Outbox) -> Outbox:
        """*outbox*, whose publishes are spans."""


def tracing(address: Address, topology: Topology) -> Tracing:
    """Tracing as the environment wants it; raises `SettingsError` where it wants what cannot be."""
    if not os.environ.get(_ENDPOINT) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Off()
    try:
        from worker.otel.export import sending  # noqa: PLC0415 - its library is an extra, and takes its time
        from worker.otel.traces import Traces  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"{_ENDPOINT} needs packages that are not installed: pip install 'jobrelay[otel]'"
        ) from missing
    return Traces(sending(), address, topology)


class NoSpan:
    """A delivery in hand, of which no span is made."""

    __slots__ = ("delivery",)
    trace = None

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Nobody asks."""


class Off(nullcontext[Tracing]):
    """No tracing: whatever trace a message names is carried on, and nothing is made of it."""

    def on_exchange(self, call: Call) -> None:
        """Nobody asks."""

    def processing(self, delivery: Delivery, kind: Kind) -> AbstractContextManager[NoSpan]:  # noqa: ARG002
        """The delivery as it is."""
        return NoSpan(delivery)

    def outbox(self, outbox: Outbox) -> Outbox:
        """The outbox as it is."""
        return outbox
