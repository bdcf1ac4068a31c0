"""What trackers have in common, on a real broker: hints reach all of them, a lease has one holder."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection
from station import station
from working import until

from worker.broker.connection import LOSSES
from worker.broker.peers.hints import Hints
from worker.broker.peers.lease import Leases
from worker.broker.topology import Topology

_WITHIN_S = 10.0


@dataclass
class Peer:
    """A worker's connection, with hints and leases on it."""

    connection: AbstractConnection
    hints: Hints
    leases: Leases


@asynccontextmanager
async def peer(url: str, prefix: str) -> AsyncIterator[Peer]:
    """One whose sessions have begun."""
    up: list[str] = []
    hints = Hints(Topology(prefix).hints, lambda: up.append("listens"), lambda: up.append("sends"))
    leases = Leases(prefix, lambda: up.append("leases"))
    async with await aio_pika.connect(url) as connection, asyncio.TaskGroup() as tasks:
        sessions: list[Callable[[AbstractConnection], Awaitable[None]]] = [
            hints.listening, hints.sending, leases.session,
        ]  # fmt: skip

        async def held(session: Callable[[AbstractConnection], Awaitable[None]]) -> None:
            with suppress(*LOSSES):
                await session(connection)

        for session in sessions:
            tasks.create_task(held(session))
        await until(lambda: len(up) == len(sessions), "the sessions have begun")
        yield Peer(connection, hints, leases)
        await connection.close()


@pytest.fixture
async def declared(amqp_url: str, prefix: str) -> AsyncIterator[str]:
    """A prefix whose topology is there."""
    async with station(amqp_url, prefix):
        yield prefix


async def test_a_hint_reaches_every_tracker(amqp_url: str, declared: str) -> None:
    """Also the one that sends it; and who asks gets his answer."""
    async with peer(amqp_url, declared) as one, peer(amqp_url, declared) as other, asyncio.timeout(_WITHIN_S):
        one.hints.send({"kind": "look", "jobs": ["a"]})
        heard = [await anext(aiter(each.hints)) for each in (one, other)]
        assert [hint.document for hint in heard] == [{"kind": "look", "jobs": ["a"]}] * 2


async def test_a_lease_has_one_holder_and_ends_with_it(amqp_url: str, declared: str) -> None:
    """Released or lost with its connection, the next one gets it."""
    async with peer(amqp_url, declared) as heir, asyncio.timeout(_WITHIN_S):
        async with peer(amqp_url, declared) as holder:
            assert await holder.leases.take("scan.1")
            assert not await heir.leases.take("scan.1")
            assert await heir.leases.take("scan.2")
            assert (holder.leases.held("scan.1"), heir.leases.held("scan.1")) == (True, False)
            await holder.leases.release("scan.1")
            assert await heir.leases.take("scan.1")
            await heir.leases.release("scan.1")
            assert await holder.leases.take("scan.1")
        while not await heir.leases.take("scan.1"):
            pass
