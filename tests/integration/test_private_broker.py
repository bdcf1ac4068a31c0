"""The private RabbitMQ node: it answers, keeps its data over a kill, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aio_pika
import pytest
from aio_pika.exceptions import AMQPConnectionError

from simulator.rabbitmq import PrivateNode
from simulator.rabbitmq.node import installed_server

pytestmark = pytest.mark.skipif(installed_server() is None, reason="RabbitMQ is not installed")
_WITHIN_S = 60
_LOOPBACK = {"0100007F", "00000000000000000000000001000000"}  # 127.0.0.1 and ::1 as the kernel writes them


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all temporary files, with a difficult name; and no broker is named."""
    home = tmp_path / "blanks and ü"
    home.mkdir()
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.setattr("tempfile.tempdir", str(home))
    monkeypatch.delenv("JOBRELAY_AMQP_URL", raising=False)
    return home


async def test_messages_outlive_a_kill_of_the_node(home: Path) -> None:
    """After `kill` and `restart` the same URL leads to the same messages; after the context all is gone."""
    with PrivateNode() as node:
        await _publish(node.url, b"kept")
        await asyncio.to_thread(_await, lambda: _is_registered(home, b"letters"), "the queue is on the disk")
        node.kill()
        with pytest.raises(AMQPConnectionError):
            await aio_pika.connect(node.url)
        await asyncio.to_thread(node.restart)
        assert "letters" in await asyncio.to_thread(node.ctl, "list_queues", "name")
        node.pause()
        with pytest.raises(TimeoutError):
            await aio_pika.connect(node.url, timeout=0.2)
        node.resume()
        assert await _get(node.url) == b"kept"
        group = _group(home)
        assert _listening(group) <= _LOOPBACK
    assert not _members(group)
    assert not _files(home)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_end_in_the_middle_of_the_start_leaves_nothing_behind(home: Path, number: signal.Signals) -> None:
    """However the process ends for which a node is starting: node, port mapper and data go too."""
    command = [sys.executable, "-m", "simulator.rabbitmq", "--", "never-started"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as wrapper:
        _await(lambda: any(home.glob("*/pid")), "the node runs")
        group = _group(home)
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


def _group(home: Path) -> int:
    """The process group of the node whose data are in `home`."""
    (pid,) = home.glob("*/pid")
    _await(lambda: pid.read_text().strip() != "", "the node has told its process id")
    return os.getpgid(int(pid.read_text()))


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
