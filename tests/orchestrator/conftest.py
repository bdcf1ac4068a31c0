"""Fixtures for the Orchestrator client: a server that does as it is told, and clients of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from queued import WITH_QUEUES
from seeded import SEED
from simulated import Simulated
from stub_server import Server, settings

from worker.domain.processes import Folder
from worker.orchestrator import Client
from worker.orchestrator.http.reports import SILENT, Reports


@pytest.fixture
def queueing(simulator: Simulated) -> Simulated:
    """The simulator with queues."""
    simulator.seed(WITH_QUEUES)
    return simulator


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server on a free port, for one test."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
async def connect(server: Server) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """Makes a client of the server, with settings of one's own."""
    async with AsyncExitStack() as stack:

        async def make(url: str | None = None, reports: Reports = SILENT, **more: Any) -> Client:
            return await stack.enter_async_context(Client(settings(url or server.url, **more), reports))

        yield make


@pytest.fixture
def folder() -> Folder:
    """A modern folder, already resolved."""
    return Folder(id=101, key="0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0101", path="Shared", modern=True)


@pytest.fixture
def seeded(simulator: Simulated) -> Simulated:
    """The simulator with the seed of these tests."""
    simulator.seed(SEED)
    return simulator
