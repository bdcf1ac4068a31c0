"""`/livez`, `/readyz`, `/metrics` and the webhook, all on one port."""

import logging
from asyncio import AbstractEventLoop, TimerHandle, get_running_loop
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.domain.webhooks import PATH
from worker.settings import SettingsError
from worker.web.answers import in_json
from worker.web.health import Health
from worker.web.metrics import Metrics
from worker.web.webhook import Webhook

_PATHS = ("/livez", "/readyz", "/metrics")
_BEAT_S = 1.0
_LAG_MOST_S = 30.0
_KEEPALIVE_S = 75.0
_SHUTDOWN_S = 1.0
_FREE = "set it to a free one (0 picks one)"

_log = structlog.get_logger(__name__)
_library_log = logging.getLogger(__name__)


@asynccontextmanager
async def serve(port: int, health: Health, metrics: Metrics, notices: Webhook) -> AsyncIterator[int]:
    """Serves *health*, *metrics* and *notices* on *port* (0 picks one) and yields the port.

    Raises `SettingsError` where the port cannot be had.
    """
    metrics.process.health(lambda: health.ready, health.holding)
    pulse = Pulse(get_running_loop(), metrics.process.lag)
    _library_log.addFilter(_is_ours)
    runner = web.AppRunner(
        _application(health, pulse, metrics, notices),
        access_log=None,
        logger=_library_log,
        auto_decompress=False,  # what is signed is what came, and it would unpack without a bound
        handle_signals=False,
        keepalive_timeout=_KEEPALIVE_S,
        shutdown_timeout=_SHUTDOWN_S,
        lingering_time=0,
    )
    await runner.setup()
    try:
        await _listen(runner, port)
        chosen: int = runner.addresses[0][1]
        _log.info("web.listening", port=chosen)
        yield chosen
    finally:
        pulse.stop()
        await runner.cleanup()


class Pulse:
    """Measures how late *loop* comes to its timers, and tells *heard*.

    A loop that lags does nothing else in time either.
    """

    def __init__(self, loop: AbstractEventLoop, heard: Callable[[float], None] = lambda _: None) -> None:
        self._loop = loop
        self._heard = heard
        self._lag = 0.0
        self._timer = self._next()

    @property
    def lag(self) -> float:
        """Seconds by which the last beat was late, or by which the next one is already."""
        return max(self._lag, self._loop.time() - self._due, 0.0)

    def stop(self) -> None:
        """Ends the measuring."""
        self._timer.cancel()

    def _next(self) -> TimerHandle:
        self._due = self._loop.time() + _BEAT_S
        return self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        self._lag = self._loop.time() - self._due
        self._heard(self._lag)
        self._timer = self._next()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - probes come from outside the pod
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"JOBRELAY_HTTP_PORT: cannot listen on port {port}: {reason}; {_FREE}") from None


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether the library logs a fault of ours: what is no HTTP, anybody may send, and has a 400 for it."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _application(health: Health, pulse: Pulse, known: Metrics, notices: Webhook) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        lag = pulse.lag
        late = f"the event loop lags by {lag:.0f} s" if lag > _LAG_MOST_S else None
        reason = health.stuck or late
        return in_json(200 if reason is None else 503, {"live": reason is None, "reason": reason})

    async def readyz(_: web.Request) -> web.Response:
        document = health.document()
        return in_json(200 if document["ready"] else 503, document)

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = _encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(known.registry), headers={"Content-Type": content_type})

    application = web.Application(client_max_size=1024)
    served = dict(zip(_PATHS, (livez, readyz, metrics), strict=True))
    routes = [(method, path, handler) for path, handler in served.items() for method in ("GET", "HEAD")]
    for method, path, handler in (
        *routes,
        ("*", PATH, notices.answer),
        ("*", "/{any:.*}", _elsewhere),
    ):
        application.router.add_route(method, path, handler, expect_handler=_expected)
    return application


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """How metrics are written for whoever accepts that, and its content type; plain text for a strange one.

    The library fails at a version that is no number, and repeats what it takes for one.
    """
    try:
        return choose_encoder(accept if accept.isascii() else "")
    except (TypeError, ValueError):
        return choose_encoder("")


async def _elsewhere(request: web.Request) -> web.Response:
    """Answers what is not served with what is."""
    remedy = f"send GET to one of {', '.join(_PATHS)}, or POST to {PATH}"
    if request.path in _PATHS:
        return in_json(405, {"error": "Method Not Allowed", "remedy": remedy}, Allow="GET")
    return in_json(404, {"error": "Not Found", "remedy": remedy})


async def _expected(request: web.Request) -> web.Response | None:
    """Lets a body come that waits to be asked for.

    The library's own answer to another expectation repeats it, and fails where it is no text.
    """
    if request.headers.get("Expect", "").lower() != "100-continue":
        return in_json(417, {"error": "Expectation Failed", "remedy": "send no header Expect"})
    with suppress(OSError):  # whoever waits may have left
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # that was no answer yet
    return None
