"""What the programs play on: queues of their own prefix, an Orchestrator that never is in the way.

Everything is removed at the end, whatever happens.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel

from bench.child import Failed, running
from worker.broker.address import Address
from worker.broker.connection import channel_on
from worker.broker.topology import START_KEY, Topology, declare, remove
from worker.broker.visits.visit import Sender, visit
from worker.domain.messages import Message
from worker.domain.requests import Kind

ACCESS_TOKEN = "rt_bench"  # noqa: S105 - of the simulator
CLIENT_ID, CLIENT_SECRET = "5e0f6c1a-0000-4000-8000-0000000be7c4", "secret-of-the-bench"
FOLDER_ID, FOLDER = 101, "Shared"
PROCESS, RELEASE_KEY = "Invoices", "6f2b3c1e-52b0-4c7e-9d0a-0000000be7c4"
QUEUE = "Incoming invoices"

SEED: dict[str, Any] = {
    "identity": {
        "clients": [{"id": CLIENT_ID, "secret": CLIENT_SECRET}],
        "accessTokens": [ACCESS_TOKEN],
    },
    "folders": [{"Id": FOLDER_ID, "FullyQualifiedName": FOLDER}],
    "releases": [
        {
            "Key": RELEASE_KEY,
            "Name": PROCESS,
            "ProcessKey": PROCESS,
            "folder": FOLDER,
            "input": [
                {"name": "InvoiceId", "type": "System.String", "required": True},
                {"name": "Amount", "type": "System.Double"},
            ],
        }
    ],
    "queues": [{"Name": QUEUE, "folder": FOLDER, "EnforceUniqueReference": False}],
    # Jobs that stay pending leave the simulator's clock at rest.
    "behaviour": {"latencyMs": 0, "rateLimitPerMinute": 0, "jobs": {"outcomes": {"Pending": 1}}},
}
_TIMEOUT_S = 20.0
_AT_ONCE = 500

Asks = Callable[[str], tuple[str, dict[str, Any]]]
"""Makes a request of an id: its routing key, and what it asks for."""


class Stage:
    """A broker with the worker's own topology under a prefix, and a simulator at `orchestrator`."""

    def __init__(self, topology: Topology, orchestrator: str, channel: Channel, sender: Sender) -> None:
        self.prefix = topology.prefix
        self.orchestrator = orchestrator
        self.tracking = topology.tracking
        self.announced = ""
        self.asks: Asks = start
        """What is asked for in the rounds that follow."""
        self.latency_ms = 0
        """How long Orchestrator takes for each call."""
        self._topology = topology
        self._channel = channel
        self._sender = sender

    async def listen(self) -> None:
        """Counts events in a queue that is gone with our connection."""
        own = await self._channel.queue_declare(exclusive=True, timeout=_TIMEOUT_S)
        self.announced = own.queue or ""
        await self._channel.queue_bind(self.announced, self._topology.events, "#", timeout=_TIMEOUT_S)

    async def prepare(self, requests: int) -> None:
        """Empties everything, gives the simulator a new world, and fills the queue of requests."""
        for queue in (*self._topology.of_requests().values(), self.tracking, self.announced):
            await self._channel.queue_purge(queue, timeout=_TIMEOUT_S)
        behaviour = {**SEED["behaviour"], "latencyMs": self.latency_ms}
        await _reseed(self.orchestrator, {**SEED, "behaviour": behaviour})
        batch = secrets.token_hex(4)
        for first in range(0, requests, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, requests))
            await asyncio.gather(*(self._send(f"{batch}-{number}") for number in numbers))

    async def messages_in(self, queue: str) -> int:
        """How many messages wait in *queue*."""
        found = await self._channel.queue_declare(queue, passive=True, timeout=_TIMEOUT_S)
        return found.message_count or 0

    async def _send(self, request_id: str) -> None:
        key, request = self.asks(request_id)
        message = Message(
            body=orjson.dumps({"requestId": request_id, "folder": {"path": FOLDER}, **request}),
            content_type="application/json",
            correlation_id=request_id,
            message_id=str(uuid4()),
            timestamp=datetime.now(UTC),
        )
        await self._sender.send(self._topology.requests, key, message)


def start(request_id: str) -> tuple[str, dict[str, Any]]:
    """Asks for a job."""
    return START_KEY, {"process": {"name": PROCESS}, "inputArguments": _invoice(request_id)}


def item(request_id: str) -> tuple[str, dict[str, Any]]:
    """Asks for a queue item."""
    return str(Kind.QUEUE_ITEM), {"queue": QUEUE, "specificContent": _invoice(request_id)}


def _invoice(number: str) -> dict[str, Any]:
    return {"InvoiceId": number, "Amount": 150.75}


@asynccontextmanager
async def staged(amqp_url: str) -> AsyncIterator[Stage]:
    """A stage under a prefix that nobody else has. Raises `Failed`, or `BrokerAway` without a broker."""
    topology = Topology(f"bench-{secrets.token_hex(4)}")
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(visit(Address(amqp_url)))
        stack.push_async_callback(_remove, connection, topology)
        await declare(connection, topology)
        orchestrator = await stack.enter_async_context(_simulator())
        counting = await stack.enter_async_context(channel_on(connection, confirms=False))
        sending = await stack.enter_async_context(channel_on(connection, confirms=True))
        stage = Stage(topology, orchestrator, counting, Sender(sending))
        await stage.listen()
        yield stage


def surroundings() -> Mapping[str, str]:
    """The environment without settings of somebody's own worker, which would bend the figures."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JOBRELAY_")}


@asynccontextmanager
async def _simulator() -> AsyncIterator[str]:
    async with running([sys.executable, "-m", "simulator", "--port", "0"], surroundings()) as child:
        said = await child.first_words(_TIMEOUT_S)
        try:
            yield str(orjson.loads(said)["url"])
        except orjson.JSONDecodeError:
            raise Failed(f"{child} did not come up: {child.last_words}") from None


async def _reseed(orchestrator: str, seed: Mapping[str, Any]) -> None:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(f"{orchestrator}/_sim/seed", json=seed) as response,
    ):
        if response.status != 200:
            raise Failed(f"the simulator refuses the seed: {await response.text()}")


async def _remove(connection: AbstractConnection, topology: Topology) -> None:
    async with asyncio.timeout(_TIMEOUT_S):
        await remove(connection, topology)
