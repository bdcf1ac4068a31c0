"""What tests share: a RabbitMQ, a prefix of their own, an Orchestrator simulator; and nothing is left."""

import asyncio
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest
from simulated import Simulated

from simulator.rabbitmq import running
from worker.broker.topology import Topology, remove


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.requires("node")` skips where node is missing, and fails if JOBRELAY_REQUIRE names it."""
    for mark in item.iter_markers("requires"):
        for program in mark.args:
            if shutil.which(program) is None:
                required = program in os.environ.get("JOBRELAY_REQUIRE", "").split(",")
                (pytest.fail if required else pytest.skip)(f"{program} is not installed")


@pytest.fixture(scope="session", autouse=True)
def _no_child_process_is_left() -> Iterator[None]:
    """What tests start, they end; looked at when all other fixtures are done."""
    yield
    left = {pid: _command(pid) for pid in _children()}
    assert not left, f"child processes are left behind: {left}"


def _children() -> list[str]:
    """Where the system tells (Linux), the processes that this one has started."""
    return [pid for one in Path("/proc/self/task").glob("*/children") for pid in one.read_text().split()]


def _command(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


@pytest.fixture(scope="session")
def amqp_url() -> Iterator[str]:
    """A RabbitMQ for the session: what JOBRELAY_AMQP_URL names (see scripts/test), else a new one."""
    with running() as url:
        yield url


@pytest.fixture(scope="session")
def _prefixes(amqp_url: str) -> Iterator[list[str]]:
    """The prefixes that tests were given; what was declared with them is removed at the end."""
    given: list[str] = []
    yield given
    asyncio.run(_remove(amqp_url, given))


async def _remove(url: str, prefixes: list[str]) -> None:
    async with asyncio.timeout(60), await aio_pika.connect(url) as connection, asyncio.TaskGroup() as tasks:
        for prefix in prefixes:
            tasks.create_task(remove(connection, Topology(prefix)))


@pytest.fixture
def prefix(_prefixes: list[str]) -> str:
    """A prefix that no other test has, such as `t-0a1b2c3d`."""
    prefix = f"t-{secrets.token_hex(4)}"
    _prefixes.append(prefix)
    return prefix


@pytest.fixture(scope="session")
def _simulated() -> Iterator[Simulated]:
    with Simulated() as simulated:
        yield simulated


@pytest.fixture
def simulator(_simulated: Simulated) -> Simulated:
    """The Orchestrator simulator, as new: the built-in seed, no faults, an empty ledger."""
    _simulated.seed()
    return _simulated
