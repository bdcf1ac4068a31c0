"""Exchanges of applications, for a demonstration that plays one: declared, and taken down again."""

from collections.abc import Sequence

from aio_pika.abc import AbstractConnection

from worker.broker.connection import channel_on

_TIMEOUT_S = 10.0


async def declare_topics(connection: AbstractConnection, names: Sequence[str]) -> None:
    """Declares durable topic exchanges."""
    async with channel_on(connection, confirms=False) as channel:
        for name in names:
            await channel.exchange_declare(name, exchange_type="topic", durable=True, timeout=_TIMEOUT_S)


async def remove_exchanges(connection: AbstractConnection, names: Sequence[str]) -> None:
    """Removes exchanges with their bindings; those that are not there are gone already."""
    async with channel_on(connection, confirms=False) as channel:
        for name in names:
            await channel.exchange_delete(name, timeout=_TIMEOUT_S)
