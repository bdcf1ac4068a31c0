"""Senders: they publish what is asked when it is due, through a broker that comes and goes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelInvalidStateError

from chaos.ledger.history import History
from chaos.load.asks import Ask, Copy

LOST = (AMQPError, ChannelInvalidStateError, OSError, RuntimeError, TimeoutError)
_CONFIRM_S = 25.0
_CONNECT_S = 3.0
_PAUSE_S = 0.2
_RESENDS = 20


class Senders:
    """Publishes to *exchange* with confirms; a message whose confirm is lost may have arrived or not."""

    def __init__(self, url: str, exchange: str, history: History, phase: Callable[[], str]) -> None:
        self._url, self._name, self._history, self._phase = url, exchange, history, phase
        self._exchange: AbstractExchange | None = None
        self._up = asyncio.Event()

    async def send_all(self, load: Iterable[Ask], per_s: float, enough: Callable[[int], bool]) -> None:
        """Sends each request when it is due, *per_s* in a second, until so many are *enough*.

        Returns when all that were begun are confirmed or given up.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for number, ask in enumerate(load):
                pause = began + number / per_s - loop.time()
                if pause > 0.005:
                    await asyncio.sleep(pause)
                if enough(number):
                    break
                self._history.ask(ask, self._phase())
                for copy in ask.copies:
                    tasks.create_task(self._send(ask, copy))

    async def keep(self) -> None:
        """Stays connected, until cancelled."""
        while True:
            try:
                async with await aio_pika.connect(self._url, timeout=_CONNECT_S) as connection:
                    await self._serve(connection)
            except LOST:
                await asyncio.sleep(_PAUSE_S)
            except asyncio.CancelledError:
                if _meant():
                    raise

    async def _serve(self, connection: AbstractConnection) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        self._exchange = await channel.get_exchange(self._name, ensure=False)
        self._up.set()
        try:
            underlay = await channel.get_underlay_channel()
            await asyncio.wait([underlay.closing])
        finally:
            self._up.clear()

    async def _send(self, ask: Ask, copy: Copy) -> None:
        await asyncio.sleep(copy.after_s)
        for _ in range(_RESENDS):
            await self._up.wait()
            self._history.sent(ask.name, self._phase())
            if await self._published(ask, copy):
                self._history.confirmed(ask.name)
                return
            if not ask.resend:
                return
            await asyncio.sleep(_PAUSE_S)

    async def _published(self, ask: Ask, copy: Copy) -> bool:
        message = aio_pika.Message(
            copy.body,
            content_type="application/json",
            correlation_id=ask.name,
            message_id=copy.message_id,
            timestamp=datetime.now(UTC),
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        exchange = self._exchange
        try:
            async with asyncio.timeout(_CONFIRM_S):
                if exchange is not None:
                    await exchange.publish(message, ask.key)
                    return True
        except LOST:
            pass
        except asyncio.CancelledError:
            # The library cancels what waits on a connection that is lost.
            if _meant():
                raise
        return False


@asynccontextmanager
async def senders(
    url: str, exchange: str, history: History, phase: Callable[[], str]
) -> AsyncIterator[Senders]:
    """Connected senders, for the time of the block."""
    made = Senders(url, exchange, history, phase)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(made.keep())
        yield made
        keeping.cancel()


def _meant() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
