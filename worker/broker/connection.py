"""A connection to RabbitMQ that comes back, and a session on it that begins anew each time.

The library's robust connection restores what it remembers. Here a lost connection ends everything that
lived on it, and the session is simply run again: nothing is restored, so nothing is restored wrongly.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

import structlog
from aio_pika.abc import AbstractConnection, UnderlayConnection
from aio_pika.exceptions import AMQPError
from aiormq.channel import Channel

from worker.broker.address import Address, connect
from worker.broker.address.trouble import CREDENTIALS, reason, unconnected
from worker.broker.topology import Topology, TopologyMismatch, declare

_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 1.0
_PAUSE_LEAST_S, _PAUSE_MOST_S = 0.2, 5.0
_LASTED_S = 5.0

Session = Callable[[AbstractConnection], Coroutine[None, None, None]]
_BLOCKED = "the broker takes nothing from publishers: it is short of memory or of disk space"

_log = structlog.get_logger(__name__)


class SessionOver(Exception):
    """A session ended because what it stood on is gone; the text says what."""


class NotReached(ConnectionError):
    """No connection was made; the text says to where, why, and what mends it, without a secret."""


LOSSES = (AMQPError, OSError, TimeoutError, RuntimeError, SessionOver)
"""What an awaited answer of the broker may raise when the session it belongs to is lost."""


@dataclass(frozen=True, slots=True)
class Reports:
    """Who hears how a link fares.

    *condition* is readiness: a name, whether it holds, and if not, why. *connected* counts. *blocked* says
    whether the broker takes nothing from publishers. *away* is called when only the broker can help.
    """

    condition: Callable[[str, bool, str | None], None]
    connected: Callable[[str], None]
    blocked: Callable[[str, bool], None]
    away: Callable[[], None]


class Link:
    """One connection to the broker, called *name* in its management page and in readiness.

    `keep` runs for the worker's life. It connects, declares the topology, runs the sessions, and when one of
    them is over waits with jitter and begins anew. A topology that differs is reported and tried again.
    """

    def __init__(
        self, name: str, address: Address, heartbeat_s: int, topology: Topology, reports: Reports
    ) -> None:
        self._name = name
        self._address = address
        self._heartbeat_s = heartbeat_s
        self._topology = topology
        self._reports = reports
        self._pause = _PAUSE_LEAST_S
        self._awaited = 0
        self._since: float | None = None

    async def keep(self, *sessions: Session) -> NoReturn:
        """Keeps *sessions* running until cancelled. Each raises when its channel is gone."""
        while True:
            try:
                with broken_off():
                    await self._live(sessions)
            except TopologyMismatch as error:
                self._reports.condition("topology", False, str(error))
                self._reports.condition(self._name, False, "see topology")
                self._reports.away()
                self._say("topology differs", error)
            except LOSSES as error:
                # The library may have turned our end into a loss of its own.
                unless_cancelled()
                self._reports.condition(self._name, False, reason(error))
                self._say("not reached" if isinstance(error, NotReached) else "connection lost", error)
            self._calm()
            await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
            self._pause = min(self._pause * 2, _PAUSE_MOST_S)

    async def _live(self, sessions: tuple[Session, ...]) -> None:
        connection = await self._connected()
        try:
            await self._declared(connection)
            self._awaited = len(sessions)
            await together(*(session(connection) for session in sessions), self._see_blocks(connection))
        finally:
            with suppress(AMQPError, OSError, TimeoutError, RuntimeError):
                await asyncio.wait_for(connection.close(), _CLOSE_TIMEOUT_S)

    async def _connected(self) -> AbstractConnection:
        try:
            connection = await connect(self._address, f"jobrelay {self._name}", self._heartbeat_s)
        except LOSSES as error:
            # Refused credentials are refused for ever: this process has read its settings.
            if not isinstance(error, CREDENTIALS):
                self._reports.away()
            raise NotReached(f"RabbitMQ at {self._address.place} {unconnected(error)}") from error
        self._reports.connected(self._name)
        return connection

    async def _declared(self, connection: AbstractConnection) -> None:
        try:
            await declare(connection, self._topology)
        except LOSSES:
            self._reports.away()
            raise
        self._reports.condition("topology", True, None)

    async def _see_blocks(self, connection: AbstractConnection) -> None:
        """Says when the broker takes nothing more from publishers, and when it does again."""
        transport = connection.transport
        while transport is not None:
            await asyncio.sleep(_LOOK_EVERY_S)
            if await _ready(transport):
                continue
            self._reports.blocked(self._name, True)
            self._reports.condition(self._name, False, _BLOCKED)
            try:
                await transport.ready()
            finally:
                self._reports.blocked(self._name, False)
            self._reports.condition(self._name, self._awaited == 0, "the session has not begun")

    def up(self) -> None:
        """Called by each session once it does its work: with the last of them the link is good."""
        self._awaited -= 1
        if self._awaited == 0:
            self._since = asyncio.get_running_loop().time()
            self._reports.condition(self._name, True, None)

    def _calm(self) -> None:
        """The pauses begin anew after a session that lasted: one that ends as it begins must not spin."""
        since, self._since = self._since, None
        if since is not None and asyncio.get_running_loop().time() - since >= _LASTED_S:
            self._pause = _PAUSE_LEAST_S

    def _say(self, event: str, error: Exception) -> None:
        _log.warning(f"broker.{event.replace(' ', '_')}", link=self._name, reason=reason(error))


async def together(*parts: Coroutine[None, None, None]) -> NoReturn:
    """Runs *parts* until one of them is over, and raises the loss that it ended with."""
    try:
        unless_cancelled()
    except asyncio.CancelledError:
        for part in parts:
            part.close()
        raise

    async def ended(part: Coroutine[None, None, None]) -> Exception:
        try:
            with broken_off():
                await part
        except LOSSES as loss:
            return loss
        return SessionOver("a part of the session returned")

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(ended(part)) for part in parts]
        over, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
    raise over.pop().result()


@asynccontextmanager
async def channel_on(connection: AbstractConnection, *, confirms: bool) -> AsyncIterator[Channel]:
    """Opens a channel at the library's lower layer, where a delivery and a publish cost half as much.

    A call in the block that the library breaks off is a `SessionOver` (`broken_off`).
    """
    with broken_off():
        opened = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            await opened.initialize()
            channel = await opened.get_underlay_channel()
        if not isinstance(channel, Channel):
            raise TypeError(f"not a channel of aiormq: {channel!r}")
        try:
            yield channel
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await opened.close()


async def gone(channel: Channel) -> NoReturn:
    """Waits until *channel* is closed by whomever, and raises `SessionOver` saying why."""
    closing = channel.closing
    await asyncio.wait([closing])
    why = None if closing.cancelled() else closing.exception()
    raise SessionOver(f"channel closed: {reason(why) if why else 'by the connection'}")


async def _ready(transport: UnderlayConnection) -> bool:
    """Whether publishers are heard now. The library has no word for it but one that waits."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await transport.ready()
            return True
    return False


@contextmanager
def broken_off() -> Iterator[None]:
    """Raises `SessionOver` where the library breaks off a call that waits while its connection goes.

    It cancels calls on a connection of which nothing is heard. Taken for a cancellation of ours, that would
    end their task, and nobody would begin anew. Others raise an `Exception`, and no more than that.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        unless_cancelled()
        raise SessionOver(reason(error)) from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise SessionOver(f"the connection was lost under a call {error}".rstrip()) from error


def unless_cancelled() -> None:
    """Raises the cancellation of this task if it was swallowed on the way here.

    Before Python 3.12 `asyncio.wait_for`, by which the library waits for answers, does so when the answer
    comes in the same moment. Nobody would cancel a second time.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling() > 0:
        raise asyncio.CancelledError
