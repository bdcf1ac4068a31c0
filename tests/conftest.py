"""What tests share: a RabbitMQ, a prefix of their own, an Orchestrator simulator; and nothing is left."""

import asyncio
import gc
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest
import warm
from hypothesis import settings
from simulated import Simulated
from warm import Warm
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from simulator.rabbitmq import await_broker, ends_with_us, running
from simulator.redis import PrivateRedis
from simulator.redis import installed_server as installed_redis
from worker.broker.topology import Topology, remove

# Which tests run in one process, and which begin first; a wrong name here costs time and nothing else.
_AT_THE_RELAY = (
    "test_faults", "test_start_path", "test_property", "test_refusals", "test_seed_traps",
    "test_last_attempts", "test_clients", "test_stop_requests",
)  # fmt: skip
_LONGEST = (
    "test_chaos",
    "test_private_broker",
    "test_broker_faults",
    "test_a_killed_worker_loses_nothing_and_doubles_nothing",
    "the relay",
    "test_an_orchestrator_that_is_away_is_waited_for",
    "test_the_demo_loses_and_doubles_nothing_and_leaves_nothing",
    "test_the_demo_of_templates_loses_and_doubles_nothing_and_leaves_nothing",
    "test_bench",
    "test_a_request_is_started_waited_for_and_followed",
    "test_outages",
)


class _Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out tests by what they share: the relay, or else a module; the longest ones each for itself."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def _group(nodeid: str) -> str:
    path, _, name = nodeid.partition("::")
    module = path.rpartition("/")[2].removesuffix(".py")
    return name if name in _LONGEST else "the relay" if module in _AT_THE_RELAY else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Groups:
    """With several processes (-n), the groups are what they take."""
    config.option.loadscopereorder = False
    return _Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest groups begin first: mostly they wait, and the many quick tests fill their pauses."""
    items.sort(
        key=lambda item: (
            _LONGEST.index(group) if (group := _group(item.nodeid)) in _LONGEST else len(_LONGEST)
        )
    )


def pytest_configure(config: pytest.Config) -> None:
    """Processes of the product begin warm, for this process and for those of -n."""
    if not hasattr(config, "workerinput"):
        stack = ExitStack()
        stack.enter_context(warm.ready())
        config.add_cleanup(stack.close)


# A time limit for each example fails where something else keeps the processor busy.
settings.register_profile("here", deadline=None)
settings.load_profile("here")

gc.disable()  # until all is imported and collected: there is no garbage in it, and much to look through


def pytest_collection_finish() -> None:
    """What is there now stays to the end; garbage is looked for among what the tests make."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 50, 100)


# Debian's, where they have another name.
_PACKAGES = {
    "node": "nodejs",
    "promtool": "prometheus",
    "kubectl": "kubernetes-client",
    "java": "default-jdk-headless",
    "rabbitmqadmin": "rabbitmq-server, with its plugin rabbitmq_management",
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.requires("node")` skips where node is missing, and fails if JOBRELAY_REQUIRE names it."""
    for mark in item.iter_markers("requires"):
        for program in mark.args:
            found = installed_redis() if program == "redis-server" else shutil.which(program)
            if found is None:
                required = program in os.environ.get("JOBRELAY_REQUIRE", "").split(",")
                missing = f"{program} is not installed: apt-get install {_PACKAGES.get(program, program)}"
                (pytest.fail if required else pytest.skip)(missing)


@pytest.fixture(scope="session", autouse=True)
def _no_child_process_is_left() -> Iterator[None]:
    """What tests start, they end; looked at when all other fixtures are done."""
    before = set(_children())
    yield
    left = {pid: _command(pid) for pid in [*_children(), *(str(one.pid) for one in Warm.running)]}
    left = {pid: command for pid, command in left.items() if pid not in before}
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
        if ends_with_us(url):  # scripts/test begins while the broker starts
            await_broker(urlsplit(url).port or 0, died=lambda: False)
        yield url


@pytest.fixture(scope="session")
def _prefixes(amqp_url: str) -> Iterator[list[str]]:
    """The prefixes that tests were given; nothing is left of them, but for a broker that ends as well."""
    given: list[str] = []
    yield given
    if not ends_with_us(amqp_url):
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
def redis_server() -> Iterator[PrivateRedis]:
    """A Redis for the session, for tests that are marked `requires("redis-server")` and do it no harm."""
    with PrivateRedis() as server:
        yield server


@pytest.fixture(scope="session")
def _simulated() -> Iterator[Simulated]:
    with Simulated() as simulated:
        yield simulated


@pytest.fixture
def simulator(_simulated: Simulated) -> Simulated:
    """The Orchestrator simulator, as new: the built-in seed, no faults, an empty ledger."""
    _simulated.seed()
    return _simulated
