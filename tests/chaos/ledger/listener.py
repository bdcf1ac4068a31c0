"""The ear of a run: a durable queue that gets every event and every dead letter, read through all faults."""

import asyncio

import aio_pika
import orjson
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from chaos.ledger.history import History
from chaos.load.sender import LOST
from worker.broker.topology import Topology

_CONNECT_S = 3.0
_PAUSE_S = 0.2
_AHEAD = 1000


def ear(topology: Topology) -> str:
    """The name of the queue."""
    return f"{topology.prefix}.chaos"


async def bind(connection: AbstractConnection, topology: Topology) -> None:
    """Declares the queue, so that nothing said from now on is missed."""
    async with connection.channel() as channel:
        queue = await channel.declare_queue(ear(topology), durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(topology.events, "#")
        await queue.bind(topology.dead)


async def listen(url: str, topology: Topology, history: History) -> None:
    """Fills *history* until cancelled."""
    while True:
        try:
            async with await aio_pika.connect(url, timeout=_CONNECT_S) as connection:
                await _read(connection, topology, history)
        except LOST:
            await asyncio.sleep(_PAUSE_S)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise


async def _read(connection: AbstractConnection, topology: Topology, history: History) -> None:
    channel = await connection.channel()
    await channel.set_qos(_AHEAD)
    queue = await channel.get_queue(ear(topology), ensure=False)

    async def take(message: AbstractIncomingMessage) -> None:
        _take(message, topology, history)
        await message.ack()

    await queue.consume(take)
    underlay = await channel.get_underlay_channel()
    await asyncio.wait([underlay.closing])


def _take(message: AbstractIncomingMessage, topology: Topology, history: History) -> None:
    if message.exchange == topology.events:
        history.hear(orjson.loads(message.body))
    else:
        code = message.headers.get("jobrelay-code")
        history.buried(str(message.correlation_id), str(code))
