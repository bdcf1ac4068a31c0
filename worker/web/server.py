"""`/livez`, `/readyz` and `/metrics` on one port, for Kubernetes and Prometheus."""

from asyncio import AbstractEventLoop, TimerHandle, get_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.settings import SettingsError
from worker.web.health import Health

_PATHS = ("/livez", "/readyz", "/metrics")
_BEAT_S = 1.0
_LAG_MOST_S = 30.0
_KEEPALIVE_S = 75.0
_SHUTDOWN_S = 1.0

_log = structlog.get_logger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve(port: int, health: Health, registry: CollectorRegistry) -> AsyncIterator[int]:
    """Serves *health* and the metrics of *registry* on *port* (0 picks one) and yields the port.

    Raises `SettingsError` where the port cannot be had.
    """
    pulse = Pulse(get_running_loop())
    runner = web.AppRunner(
        _application(health, pulse, registry),
        access_log=None,
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
    """Measures how late *loop* comes to its timers: a loop that lags does nothing else in time either."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
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
        self._timer = self._next()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - probes come from outside the pod
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"JOBRELAY_HTTP_PORT: cannot listen on port {port}: {reason}") from None


def _application(health: Health, pulse: Pulse, registry: CollectorRegistry) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        lag = pulse.lag
        late = f"the event loop lags by {lag:.0f} s" if lag > _LAG_MOST_S else None
        reason = health.stuck or late
        return _json(200 if reason is None else 503, {"live": reason is None, "reason": reason})

    async def readyz(_: web.Request) -> web.Response:
        document = health.document()
        return _json(200 if document["ready"] else 503, document)

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    application = web.Application(middlewares=[_in_json], client_max_size=1024)
    for path, handler in zip(_PATHS, (livez, readyz, metrics), strict=True):
        application.router.add_get(path, handler)
    return application


@web.middleware
async def _in_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Answers what is not served with what is."""
    try:
        return await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as refusal:
        remedy = f"send GET to one of {', '.join(_PATHS)}"
        return _json(refusal.status, {"error": refusal.reason, "remedy": remedy})


def _json(status: int, document: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")
