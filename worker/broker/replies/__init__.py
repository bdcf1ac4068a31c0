"""Copies of events for those whom a `reply_to` names: each is tried once, and harms nothing else.

A sender names the queue, and there are names over which RabbitMQ ends the connection, and queues that never
confirm. So replies have a connection of their own, made with the first of them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import structlog
from aio_pika.exceptions import DeliveryError

from worker.broker.address import Address, connect
from worker.broker.confirms import Publisher
from worker.broker.connection import (
    LOSSES,
    SessionOver,
    broken_off,
    channel_on,
    gone,
    together,
    unless_cancelled,
)
from worker.broker.properties import properties_of_event
from worker.domain.events import Event

_WAITING_MOST, _AT_ONCE = 10_000, 100
_CONFIRM_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 5.0
_PAUSE_S = 1.0

_log = structlog.get_logger(__name__)


class Replies:
    """Sends what it is given, while `run` runs. *lost* is called for each that may not have arrived."""

    def __init__(self, address: Address, heartbeat_s: int, lost: Callable[[], None]) -> None:
        self._address = address
        self._heartbeat_s = heartbeat_s
        self._lost = lost
        self._waiting: asyncio.Queue[tuple[str, bytes, Event]] = asyncio.Queue(_WAITING_MOST)
        self._wanted = asyncio.Event()

    def send(self, queue: str, body: bytes, event: Event) -> None:
        """Takes a copy of *event* for *queue*; never waits."""
        try:
            self._waiting.put_nowait((queue, body, event))
        except asyncio.QueueFull:
            self._lost()
        self._wanted.set()

    async def run(self) -> NoReturn:
        """Sends, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                with broken_off():
                    await self._session()
            except LOSSES as error:
                unless_cancelled()
                _log.warning("broker.reply_connection_lost", reason=str(error) or type(error).__name__)
            await asyncio.sleep(_PAUSE_S)

    async def _session(self) -> None:
        connection = await connect(self._address, "jobrelay broker-reply", self._heartbeat_s)
        try:
            async with channel_on(connection, confirms=True) as channel:
                publisher = Publisher(channel, _CONFIRM_TIMEOUT_S)
                await together(publisher.run(), gone(channel), self._send_all(publisher))
        finally:
            with suppress(*LOSSES):
                await asyncio.wait_for(connection.close(), _CLOSE_TIMEOUT_S)

    async def _send_all(self, publisher: Publisher) -> None:
        """Nobody waits behind one that is not confirmed, but for a hundred of them."""
        free = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                reply = await self._waiting.get()
                tasks.create_task(self._send_one(publisher, free, *reply))

    async def _send_one(
        self, publisher: Publisher, free: asyncio.Semaphore, queue: str, body: bytes, event: Event
    ) -> None:
        arrived = False
        try:
            await publisher.publish("", queue, body, properties_of_event(event), mandatory=False)
            arrived = True
        except (SessionOver, DeliveryError):
            pass
        finally:
            free.release()
            if not arrived:
                self._lost()
