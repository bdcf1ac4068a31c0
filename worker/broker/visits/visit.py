"""A command's visit to the broker: connect once, say every failure in words, leave nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import orjson
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError
from aiormq.channel import Channel
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
)
from pamqp.commands import Basic

from worker.broker.address import Address, connect
from worker.broker.address.trouble import refusal, text_of, unconnected
from worker.broker.connection import SessionOver, broken_off, channel_on
from worker.broker.properties import properties_of, properties_of_event, short
from worker.broker.topology import Topology
from worker.domain.events import Event
from worker.domain.messages import Message
from worker.domain.policy.custody import Custody

_TIMEOUT_S = 10.0
# Whoever waited on a channel is gone, and over some of these names RabbitMQ 3.10 ends the connection.
_OF_A_CHANNEL = "amq.rabbitmq.reply-to"
_LOST = (AMQPError, OSError, TimeoutError, ChannelInvalidStateError, SessionOver)

Connection = AbstractConnection
"""An open connection, for those who only hand it on."""


class BrokerAway(Exception):
    """RabbitMQ cannot be reached, refuses us, or was lost; the text says where and why, without a secret."""


class NotThere(Exception):
    """The broker has no such exchange or queue; the text says which, and how to have it."""


class NotTaken(Exception):
    """The broker did not take a message; the text says why."""


@asynccontextmanager
async def visit(address: Address) -> AsyncIterator[AbstractConnection]:
    """Connects for the time of the block. Raises `BrokerAway` or `NotThere`, from within the block too."""
    place = address.place
    try:
        with broken_off():
            connection = await connect(address, "jobrelay command")
    except _LOST as error:
        raise BrokerAway(f"RabbitMQ at {place} {unconnected(error)}") from None
    try:
        with broken_off():
            yield connection
    except BrokenPipeError:  # of our own output, not of the connection
        raise
    except (ChannelNotFoundEntity, ChannelAccessRefused) as error:
        raise NotThere(_absence(error)) from None
    except _LOST as error:
        raise BrokerAway(f"the connection to RabbitMQ at {place} was lost: {text_of(error)}") from None
    finally:
        with suppress(*_LOST), broken_off():
            await asyncio.wait_for(connection.close(), _TIMEOUT_S)


class Sender:
    """Publishes, confirmed by the broker, one message at a time or many at once; others' by *custody*."""

    def __init__(self, channel: Channel, custody: Custody | None = None) -> None:
        self._channel = channel
        self._custody = custody
        self._under_way: dict[str, asyncio.Future[None]] = {}

    async def send(self, exchange: str, key: str, message: Message) -> None:
        """Returns when the broker has *message*, or raises `NotTaken`."""
        properties = properties_of(message, {}, self._custody)
        async with self._alone(message.message_id):
            await self._publish(exchange, key, message.body, properties, mandatory=True)

    async def announce(self, exchange: str, event: Event) -> None:
        """Publishes *event*, which nobody need be there for, and to its `reply_to` as far as that works."""
        body = orjson.dumps(event.document())
        await self._publish(exchange, event.routing_key, body, properties_of_event(event), mandatory=False)
        reply_to = short(event.sender.reply_to)
        if reply_to and not reply_to.startswith(_OF_A_CHANNEL):
            with suppress(NotTaken, TimeoutError):
                await self._publish("", reply_to, body, properties_of_event(event), mandatory=False)

    async def _publish(
        self, exchange: str, key: str, body: bytes, properties: Basic.Properties, *, mandatory: bool
    ) -> None:
        try:
            await self._channel.basic_publish(
                body,
                exchange=exchange,
                routing_key=key,
                properties=properties,
                mandatory=mandatory,
                timeout=_TIMEOUT_S,
            )
        except PublishError:
            raise NotTaken(f"no queue is bound to exchange '{exchange}' for routing key '{key}'") from None
        except DeliveryError:
            raise NotTaken(f"a queue behind exchange '{exchange}' is full or failing") from None

    @asynccontextmanager
    async def _alone(self, identity: str | None) -> AsyncIterator[None]:
        """A returned message is known by its id alone, so no two of one id may be under way."""
        identity = identity or uuid4().hex
        while other := self._under_way.get(identity):
            await asyncio.wait([other])
        ended = self._under_way[identity] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._under_way[identity]
            ended.set_result(None)


@asynccontextmanager
async def sender(connection: AbstractConnection, custody: Custody | None = None) -> AsyncIterator[Sender]:
    """A sender with a channel of its own."""
    async with channel_on(connection, confirms=True) as channel:
        yield Sender(channel, custody)


def broker_version(connection: AbstractConnection) -> str:
    """The version that the broker names itself by."""
    transport = connection.transport
    properties = transport.connection.server_properties if transport else {}
    version = properties.get("version", "?")
    return version.decode() if isinstance(version, bytes) else str(version)


async def absent(connection: AbstractConnection, topology: Topology) -> list[str]:
    """The exchanges and queues of *topology* that are not there. Nothing is declared."""
    missing = await absent_exchanges(connection, (exchange.name for exchange in topology.exchanges()))
    for queue in topology.queues():
        missing += await _unless_there(
            connection, queue.name, lambda c, name: c.queue_declare(name, passive=True, timeout=_TIMEOUT_S)
        )
    return missing


async def absent_exchanges(connection: AbstractConnection, names: Iterable[str]) -> list[str]:
    """Those of *names* that are no exchanges. Nothing is declared."""
    missing = []
    for exchange in names:
        missing += await _unless_there(
            connection, exchange, lambda c, name: c.exchange_declare(name, passive=True, timeout=_TIMEOUT_S)
        )
    return missing


async def consumers(connection: AbstractConnection, queue: str) -> int:
    """How many read *queue*."""
    async with channel_on(connection, confirms=False) as channel:
        found = await channel.queue_declare(queue, passive=True, timeout=_TIMEOUT_S)
    return found.consumer_count or 0


async def _unless_there(
    connection: AbstractConnection, name: str, ask: Callable[[Channel, str], Awaitable[object]]
) -> list[str]:
    try:
        async with channel_on(connection, confirms=False) as channel:
            await ask(channel, name)
    except ChannelNotFoundEntity:
        return [name]
    return []


def _absence(error: AMQPError) -> str:
    if (refused := refusal(error)) is not None:
        return f"RabbitMQ {refused}"
    return f"{text_of(error)}: correct JOBRELAY_PREFIX, or run `jobrelay topology declare`"
