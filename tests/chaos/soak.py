"""The soak: very many requests through one worker, and whether what it holds grows with them."""

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange
from tenant import SEED
from working import Working

from chaos.load.asks import asks
from chaos.stage import PACE, Ground
from worker.broker.topology import Topology, declare

LOOKS = 20
_BATCH, _AHEAD = 500, 1000
_LOOK_S = 0.05
_TRIES, _BETWEEN_S = 8, 0.3
_WITHIN_S = 60.0
_COUNTED = ("-m", "tests.chaos.counted")
# A memory of a start is kept for each of the last 200,000 requests: this much may grow for each, and no more.
_BYTES_A_REQUEST = 1000


@dataclass(frozen=True, slots=True)
class Look:
    """What the worker holds after so many requests."""

    requests: int
    rss_mb: float
    descriptors: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Soaked:
    """All looks, in order. Up to a third of them the worker warms up: pools fill, and so does the ledger."""

    looks: tuple[Look, ...]

    @property
    def shown(self) -> dict[str, Look]:
        """The three that tell."""
        last = len(self.looks) - 1
        return {"begin": self.looks[last // 3], "middle": self.looks[2 * last // 3], "end": self.looks[last]}

    @property
    def flat(self) -> bool:
        """True when descriptors and tasks stay as they were, and memory grows by the ledger at most."""
        begin, end = self.shown["begin"], self.shown["end"]
        grown = (end.rss_mb - begin.rss_mb) * 1e6
        held = abs(end.descriptors - begin.descriptors) + abs(end.tasks - begin.tasks)
        return held <= 5 and grown <= _BYTES_A_REQUEST * (end.requests - begin.requests)

    def document(self) -> dict[str, Any]:
        """The figures for programs."""
        shown = {name: asdict(look) for name, look in self.shown.items()}
        return {"flat": self.flat, **shown, "looks": [asdict(look) for look in self.looks]}


async def soak(ground: Ground, folder: Path, requests: int, tell: Callable[[str], None]) -> Soaked:
    """Sends *requests* as fast as they are taken; *LOOKS* times a look is had, when all is settled."""
    ground.simulator.seed(SEED)
    topology, step = Topology(ground.prefix), max(requests // LOOKS, 1)
    settings = {**PACE, "LOG_LEVEL": "warning", "CONCURRENCY": 64, "POLL_INTERVAL_S": 0.2}
    settings |= {"AMQP_URL": ground.amqp_url, "ORCHESTRATOR_URL": ground.simulator.onprem}
    load, looks = asks("soak", duplicates=0.0), []
    async with await aio_pika.connect(ground.amqp_url) as connection:
        await declare(connection, topology)
        channel = await connection.channel()
        exchange = await channel.get_exchange(topology.requests, ensure=False)
        log = folder / "soak.log"
        with Working(log, program=_COUNTED, PREFIX=ground.prefix, **settings) as worker:
            await _until(lambda: _consumed(channel, topology.start))
            for sent in range(step, requests + 1, step):
                for first in range(0, step, _BATCH):
                    batch = islice(load, min(_BATCH, step - first))
                    await asyncio.gather(*(_send(exchange, ask.copies[0].body) for ask in batch))
                    await _until(lambda: _fewer(channel, (topology.start,), _AHEAD))
                await _until(lambda: _fewer(channel, (topology.start, topology.tracking), 0))
                looks.append(await _looked(worker, log, sent))
                tell(f"{sent:7} requests  {looks[-1]}")
    return Soaked(tuple(looks))


async def _send(exchange: AbstractExchange, body: bytes) -> None:
    message = aio_pika.Message(
        body, content_type="application/json", delivery_mode=2, timestamp=datetime.now(UTC)
    )
    await exchange.publish(message, "job.start")


async def _until(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_WITHIN_S):
        while not await found():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)


async def _consumed(channel: AbstractChannel, name: str) -> bool:
    queue = await channel.declare_queue(name, passive=True)
    return bool(queue.declaration_result.consumer_count)


async def _fewer(channel: AbstractChannel, names: tuple[str, ...], most: int) -> bool:
    found = [await channel.declare_queue(name, passive=True) for name in names]
    return sum(queue.declaration_result.message_count or 0 for queue in found) <= most


async def _looked(worker: Working, log: Path, requests: int) -> Look:
    """Asks the system what the process holds, and the process itself how many tasks it has at rest."""
    tasks = min([await _tasks(worker, log) for _ in range(_TRIES)])
    here = f"/proc/{worker.pid}"
    (resident,) = re.findall(r"VmRSS:\s+(\d+) kB", _read(Path(here, "status")))
    return Look(requests, round(int(resident) / 1000, 1), len(os.listdir(f"{here}/fd")), tasks)  # noqa: PTH208


async def _tasks(worker: Working, log: Path) -> int:
    before = len(_TASKS.findall(_read(log)))
    os.kill(worker.pid, signal.SIGUSR1)
    await asyncio.sleep(_BETWEEN_S)
    async with asyncio.timeout(_WITHIN_S):
        while len(told := _TASKS.findall(_read(log))) == before:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
    return int(told[-1])


def _read(path: Path) -> str:
    return path.read_text()


_TASKS = re.compile(r"^tasks (\d+)$", re.MULTILINE)
