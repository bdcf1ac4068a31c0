"""The private RabbitMQ node: it keeps its data over a kill, no work is lost with it, and nothing is left."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.exceptions import AMQPConnectionError
from relay import starts_of
from simulated import Simulated
from station import station
from tenant import SEED, request
from working import Working, until

from simulator.rabbitmq import PrivateNode
from simulator.rabbitmq.node import installed_server

pytestmark = pytest.mark.skipif(installed_server() is None, reason="RabbitMQ is not installed")
_WITHIN_S = 60
_REQUESTS = 30
_LOOPBACK = {"0100007F", "00000000000000000000000001000000"}  # 127.0.0.1 and ::1 as the kernel writes them


_ANSWERED = 'jobrelay_orchestrator_call_seconds_count{operation="StartJobs"'
_PREFIX = "t-mortal"


@dataclass(slots=True)
class Life:
    """What was seen of one node that was killed while a worker used it, restarted, paused, and ended."""

    listed: str
    requests: list[str]
    starts: list[dict[str, Any]]
    away: Exception | None = None
    told: list[tuple[str, bytes]] = field(default_factory=list)
    paused: Exception | None = None
    kept: bytes = b""
    addresses: set[str] = field(default_factory=set)
    left: list[Path] = field(default_factory=list)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all temporary files, with a difficult name; and no broker is named."""
    return _made_home(tmp_path, monkeypatch)


def _made_home(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    home = folder / "blanks and ü"
    home.mkdir()
    patch.setenv("TMPDIR", str(home))
    patch.setattr("tempfile.tempdir", str(home))
    patch.delenv("JOBRELAY_AMQP_URL", raising=False)
    return home


@pytest.fixture(scope="module")
def life(_simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """One for all tests: each start of a node costs seconds."""
    _simulated.seed(SEED)
    _simulated.faults(
        [{"operation": "StartJobs", "do": "commit-then-delay", "seconds": 0.5, "times": _REQUESTS}]
    )
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("life")
        return asyncio.run(_lived(_simulated, _made_home(folder, patch), folder / "worker.log"))


async def _lived(simulator: Simulated, home: Path, log: Path) -> Life:
    settings = {"PREFIX": _PREFIX, "ORCHESTRATOR_URL": simulator.onprem}
    with PrivateNode() as node, Working(log, AMQP_URL=node.url, **settings) as worker:
        life = await _until_killed(node, home, worker, simulator)
        life.away = await _connecting(node.url)
        await worker.health(lambda it: not it["conditions"]["broker-publish"]["ok"])
        await asyncio.to_thread(node.restart)
        await worker.ready()
        life.told = await _all_told(node.url, life.requests)
        node.pause()
        life.paused = await _connecting(node.url, timeout=0.2)
        node.resume()
        life.kept = await _get(node.url)
        (group,) = _groups(home)
        life.addresses = _listening(group)
    life.left = [*_members(group), *_files(home)]
    return life


async def _until_killed(node: PrivateNode, home: Path, worker: Working, simulator: Simulated) -> Life:
    """Kills the node between the answers of StartJobs and the confirms of the events that tell them."""
    await _publish(node.url, b"kept")
    async with station(node.url, _PREFIX) as here:
        kept = await here.channel.declare_queue("kept", durable=True)
        await kept.bind(f"{_PREFIX}.events", "job.created")
        await worker.ready()
        await asyncio.to_thread(_await, lambda: _is_registered(home, b"letters"), "the queue is on the disk")
        listed = await asyncio.to_thread(_queues_with_stream, node)
        names = [await here.ask(request()) for _ in range(_REQUESTS)]
        await until(lambda: len(simulator.ledger()["starts"]) == _REQUESTS, "all started, none answered")
        node.pause()
        await until(lambda: worker.metric(_ANSWERED) >= _REQUESTS, "all are answered, no event is confirmed")
        node.kill()
    return Life(
        listed, names, [start for name in names for start in starts_of(simulator, f"{_PREFIX}:{name}")]
    )


def _queues_with_stream(node: PrivateNode) -> str:
    """RabbitMQ 3.10 loses a stream for good when it is killed in the moment after the stream's creation."""
    listed: list[str] = []
    while ".audit\trunning" not in "".join(listed):
        assert len(listed) < _WITHIN_S, f"the stream does not run: {listed[-1]}"
        listed.append(node.ctl("list_queues", "name", "state"))
    return listed[-1]


async def _connecting(url: str, timeout: float | None = None) -> Exception | None:  # noqa: ASYNC109 - the library's
    """What comes of it."""
    try:
        await (await aio_pika.connect(url, timeout=timeout)).close()
    except (AMQPConnectionError, TimeoutError) as error:
        return error
    return None


async def _all_told(url: str, names: list[str]) -> list[tuple[str, bytes]]:
    """Every `job-created` that was kept, once there is one for each of *names*."""
    told: list[tuple[str, bytes]] = []
    async with asyncio.timeout(30), await aio_pika.connect(url) as connection:
        kept = await (await connection.channel()).get_queue("kept", ensure=False)
        async with kept.iterator(no_ack=True) as messages:
            async for message in messages:
                told.append((message.correlation_id or "", message.body))
                if {request for request, _ in told} == set(names):
                    break
    return told


def test_messages_outlive_a_kill_of_the_node(life: Life) -> None:
    """After `kill` and `restart` the same URL leads to the same messages; a paused node does not answer."""
    assert "letters" in life.listed
    assert isinstance(life.away, AMQPConnectionError)
    assert isinstance(life.paused, TimeoutError)
    assert life.kept == b"kept"


def test_a_node_is_reached_on_loopback_only_and_leaves_nothing_behind(life: Life) -> None:
    """Nobody else can connect; after the context its processes and its files are gone."""
    assert life.addresses
    assert life.addresses <= _LOOPBACK
    assert life.left == []


def test_a_broker_that_dies_in_the_middle_costs_nothing(life: Life) -> None:
    """Jobs that were being told when the broker died are told when it is back, each once."""
    for name, start in zip(life.requests, life.starts, strict=True):
        # A confirm may have been lost with the broker; the same event may then be there twice.
        (body,) = {body for request, body in life.told if request == name}
        assert str(start["jobIds"][0]).encode() in body


def _groups(home: Path) -> set[int]:
    """The process groups of the nodes whose data are in *home*."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if (process / "comm").read_text() == "beam.smp\n" and (process / "cwd").readlink().parent == home:
                found.add(os.getpgid(int(process.name)))
    return found


@pytest.mark.parametrize(
    ("number", "begun"),
    [(signal.SIGINT, _groups), (signal.SIGKILL, lambda home: any(home.glob("*/pid")))],
)
def test_an_end_in_the_middle_of_the_start_leaves_nothing_behind(
    home: Path, number: signal.Signals, begun: Callable[[Path], Any]
) -> None:
    """However the process ends for which a node is starting: node, port mapper and data go too."""
    command = [sys.executable, "-m", "simulator.rabbitmq", "--", "never-started"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as wrapper:
        _await(lambda: bool(begun(home)), "the node is starting")
        # Each program that a node runs is for a moment a copy of it with a group of its own.
        _await(lambda: len(_groups(home)) == 1, "it has one group")
        (group,) = _groups(home)
        wrapper.send_signal(number)
        code = wrapper.wait(_WITHIN_S)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 128 + number)
    _await(lambda: not _members(group), "the node and its port mapper are gone")
    _await(lambda: not _files(home), "its data are gone")


async def _publish(url: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue("letters", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(body, delivery_mode=2), queue.name)


async def _get(url: str) -> bytes:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        message = await (await channel.get_queue("letters")).get(timeout=_WITHIN_S)
        return message.body if message else b""


def _files(home: Path) -> list[Path]:
    return list(home.glob("*"))


def _is_registered(home: Path, queue: bytes) -> bool:
    """Whether the name of a quorum queue is on the disk, where RabbitMQ writes it about a second late."""
    return any(queue in register.read_bytes() for register in home.glob("*/data/**/names.dets"))


def _await(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not happened():
        assert time.monotonic() < deadline, f"{what}: not within {_WITHIN_S} s"
        time.sleep(0.02)


def _members(group: int) -> list[Path]:
    """The running processes of a group, as folders of /proc."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, its_group, *_ = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_group) == group and state != "Z":
            found.append(status.parent)
    return found


def _listening(group: int) -> set[str]:
    """The addresses on which a group's processes take TCP connections, as the kernel writes them."""
    sockets = {str(fd.readlink()) for process in _members(group) for fd in process.glob("fd/*")}
    rows = [
        row.split() for table in ("tcp", "tcp6") for row in Path("/proc/net", table).read_text().splitlines()
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
