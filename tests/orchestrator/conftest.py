"""Fixtures for the Orchestrator client: a server that does as it is told, and clients of it."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from simulated import SEED, Orchestrator
from stub_server import Server, settings

from worker.domain.processes import Folder
from worker.orchestrator import Client


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

        async def make(url: str | None = None, on_call: Any = None, **more: Any) -> Client:
            return await stack.enter_async_context(Client(settings(url or server.url, **more), on_call))

        yield make


@pytest.fixture
def folder() -> Folder:
    """A modern folder, already resolved."""
    return Folder(id=101, key="0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0101", path="Shared", modern=True)


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    """A simulator of one's own, on a free port, for all tests of this folder."""
    with subprocess.Popen([sys.executable, "-m", "simulator"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


@pytest.fixture
async def simulated(simulator_url: str) -> AsyncIterator[Orchestrator]:
    """The simulator, freshly seeded and without faults."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        simulated = Orchestrator(simulator_url, session)
        await simulated.control("DELETE", "faults")
        await simulated.control("POST", "seed", SEED)
        yield simulated
