"""A connection to RabbitMQ that comes back, and a session on it that begins anew each time.

The library's robust connection restores what it remembers. Here a lost connection ends everything that
lived on it, and the session is simply run again: nothing is restored, so nothing is restored wrongly.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import NoReturn

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError
from aiormq.channel import Channel
from yarl import URL

from worker.broker.topology import Topology, TopologyMismatch, declare

_CONNECT_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 5.0
_PAUSE_LEAST_S, _PAUSE_MOST_S = 0.2, 5.0

Session = Callable[[AbstractConnection], Coroutine[None, None, None]]
Report = Callable[[str, bool, str | None], None]
"""Tells readiness how a condition stands: its name, whether it holds, and if not, why."""

_log = structlog.get_logger(__name__)


class SessionOver(Exception):
    """A session ended because what it stood on is gone; the text says what."""


_LOSSES = (AMQPError, OSError, TimeoutError, RuntimeError, SessionOver)


class Link:
    """One connection to the broker, called *name* in its management page and in readiness.

    `keep` runs for the worker's life. It connects, declares the topology, runs the sessions, and when one of
    them is over waits with jitter and begins anew. A topology that differs is reported and tried again.
    """

    def __init__(self, name: str, url: str, heartbeat_s: int, topology: Topology, report: Report) -> None:
        self._name = name
        self._url = URL(url).update_query(heartbeat=str(heartbeat_s))
        self._topology = topology
        self._report = report
        self._pause = _PAUSE_LEAST_S
        self._awaited = 0

    async def keep(self, *sessions: Session) -> None:
        """Keeps *sessions* running until cancelled. Each raises when its channel is gone."""
        while True:
            try:
                await self._live(sessions)
            except TopologyMismatch as error:
                self._report("topology", False, str(error))
                self._say("topology differs", error)
            except _LOSSES as error:
                if _cancelled():
                    # The library may have turned our end into a loss of its own.
                    raise asyncio.CancelledError from error
                self._report(self._name, False, _reason(error))
                self._say("connection lost", error)
            await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
            self._pause = min(self._pause * 2, _PAUSE_MOST_S)

    async def _live(self, sessions: tuple[Session, ...]) -> None:
        connection = await connect(str(self._url), f"jobrelay {self._name}")
        try:
            await declare(connection, self._topology)
            self._report("topology", True, None)
            self._awaited = len(sessions)
            await together(*(session(connection) for session in sessions))
        finally:
            with suppress(AMQPError, OSError, TimeoutError, RuntimeError):
                await asyncio.wait_for(connection.close(), _CLOSE_TIMEOUT_S)

    def up(self) -> None:
        """Called by each session once it does its work: with the last of them the link is good."""
        self._awaited -= 1
        if self._awaited == 0:
            self._pause = _PAUSE_LEAST_S
            self._report(self._name, True, None)

    def _say(self, event: str, error: Exception) -> None:
        _log.warning(f"broker.{event.replace(' ', '_')}", link=self._name, reason=_reason(error))


async def together(*parts: Coroutine[None, None, None]) -> NoReturn:
    """Runs *parts* until one of them is over, and raises the loss that it ended with."""

    async def ended(part: Coroutine[None, None, None]) -> Exception:
        try:
            await part
        except _LOSSES as loss:
            return loss
        return SessionOver("a part of the session returned")

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(ended(part)) for part in parts]
        over, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
    raise over.pop().result()


async def connect(url: str, name: str) -> AbstractConnection:
    """Connects once, or raises `OSError`, `TimeoutError` or an `AMQPError`."""
    return await aio_pika.connect(
        url, timeout=_CONNECT_TIMEOUT_S, client_properties={"connection_name": name}
    )


@asynccontextmanager
async def channel_on(connection: AbstractConnection, *, confirms: bool) -> AsyncIterator[Channel]:
    """Opens a channel at the library's lower layer, where a delivery and a publish cost half as much."""
    async with connection.channel(publisher_confirms=confirms, on_return_raises=confirms) as opened:
        channel = await opened.get_underlay_channel()
        if not isinstance(channel, Channel):
            raise TypeError(f"not a channel of aiormq: {channel!r}")
        yield channel


async def gone(channel: Channel) -> NoReturn:
    """Waits until *channel* is closed by whomever, and raises `SessionOver` saying why."""
    closing = channel.closing
    await asyncio.wait([closing])
    why = None if closing.cancelled() else closing.exception()
    raise SessionOver(f"channel closed: {_reason(why) if why else 'by the connection'}")


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
