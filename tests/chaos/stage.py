"""What a run plays on: a broker of its own, a simulated Orchestrator, and workers behind proxies."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aio_pika
from simulated import Simulated
from tenant import SEED
from working import Working, until
from yarl import URL

from chaos.ledger.listener import bind
from chaos.proxies.tcp import Proxy
from simulator.rabbitmq import PrivateNode
from simulator.redis import PrivateRedis
from simulator.redis import installed_server as installed_redis
from worker.broker.topology import Topology, declare

# Short windows, so that seconds stand for hours: a message delivered again may be started after `window_s`.
PACE: Mapping[str, Any] = {
    "HTTP_TIMEOUT_S": 1.5,
    "GRACE_S": 12,
    "HEARTBEAT_S": 1,
    "COMMIT_SLACK_S": 1,
    "CACHE_TTL_S": 5,
    "POLL_INTERVAL_S": 0.5,
    "CONCURRENCY": 32,
    "LOG_FORMAT": "json",
    "SCOPE": "OR.Jobs OR.Execution OR.Folders OR.Robots OR.Machines OR.Queues",
}
# Long enough to be in a tracker's hands when it is killed, and to be seen in each of their states.
_LASTING: Mapping[str, Any] = SEED["behaviour"]["jobs"] | {
    "pendingSeconds": (0.05, 0.5), "runningSeconds": (0.05, 2.0),
}  # fmt: skip
WORKER = ("-m", "worker")
_ENDS_S = 20.0
_DEFECT = re.compile(r'"exception"|Traceback|"level": ?"(error|critical)"')


class Replica:
    """One place for a worker: its proxies stay, its process comes and goes."""

    def __init__(self, number: int, stage: "Stage") -> None:
        self.name = f"worker-{number}"
        ground = stage.ground
        self.amqp = Proxy(URL(ground.amqp_url).port or 0)
        self.http = Proxy(URL(ground.simulator.url).port or 0)
        self.redis = Proxy(ground.redis.port if ground.redis else 0)
        self._stage = stage
        self.proxies = (self.amqp, self.http, self.redis)
        self._lives = 0
        self.process: Working | None = None

    async def start(self) -> None:
        """A new process, in place of the one that was."""
        stage, url = self._stage, URL(self._stage.ground.amqp_url)
        settings = {
            **stage.settings,
            "AMQP_URL": str(url.with_port(self.amqp.port)),
            "ORCHESTRATOR_URL": f"http://127.0.0.1:{self.http.port}",
            "PREFIX": stage.ground.prefix,
        }
        if stage.shared:
            settings["REDIS_URL"] = f"redis://127.0.0.1:{self.redis.port}/0"
        self._lives += 1
        log = stage.folder / f"{self.name}.{self._lives}.log"
        process = Working(log, program=stage.program, **settings)
        # Nothing may block the loop: the proxies would stand still, and whoever talks through them.
        self.process = await asyncio.to_thread(process.__enter__)

    async def kill(self) -> None:
        """SIGKILL; and nothing that is still on its way arrives."""
        process, self.process = self.process, None
        if process is not None:
            await asyncio.to_thread(process.kill)
        for proxy in self.proxies:
            proxy.spring_nothing()
            proxy.cut()

    async def stop(self) -> int:
        """SIGTERM, and its exit code; -9 when it does not end in time and has to be killed."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            async with asyncio.timeout(_ENDS_S):
                code = await self.process.ended()
        except (TimeoutError, AssertionError):
            code = -9
        await self.kill()
        return code

    async def ready(self) -> None:
        """Returns when the process consumes; an outage around it does not matter."""
        process = self.process
        if process is not None:
            await until(lambda: process.said("worker.ready"), f"{self.name} is ready", within=40)


@dataclass(frozen=True, slots=True)
class Ground:
    """What workers stand on. Only a *node* and a *redis* of one's own can be broken."""

    amqp_url: str
    simulator: Simulated
    prefix: str = "chaos"
    node: PrivateNode | None = None
    redis: PrivateRedis | None = None


@asynccontextmanager
async def own_ground(*, shared: bool = True) -> AsyncIterator[Ground]:
    """A broker, an Orchestrator and, if *shared* and there is one, a Redis for this run alone."""
    async with AsyncExitStack() as stack:
        simulator = stack.enter_context(Simulated())
        redis = stack.enter_context(PrivateRedis()) if shared and installed_redis() else None
        node = PrivateNode()
        await asyncio.to_thread(node.__enter__)
        stack.push_async_callback(asyncio.to_thread, node.__exit__, None, None, None)
        yield Ground(node.url, simulator, node=node, redis=redis)


@dataclass(slots=True)
class Stage:
    """Everything that is there to be broken.

    Workers that start from now on are given *settings*; *shared*: the ledger in Redis is theirs, too.
    """

    ground: Ground
    folder: Path
    program: Sequence[str] = WORKER
    shared: bool = False
    settings: dict[str, Any] = field(default_factory=lambda: dict(PACE))
    replicas: list[Replica] = field(default_factory=list)

    @property
    def simulator(self) -> Simulated:
        """The Orchestrator."""
        return self.ground.simulator

    @property
    def node(self) -> PrivateNode:
        """The broker, which must be this run's own."""
        assert self.ground.node
        return self.ground.node

    @property
    def topology(self) -> Topology:
        """The names of the queues."""
        return Topology(self.ground.prefix)

    @property
    def window_s(self) -> float:
        """How long after a redelivery a former owner's POST may still take effect."""
        pace = self.settings
        return float(pace["HTTP_TIMEOUT_S"] + 3 * (pace["HEARTBEAT_S"] + 1) + pace["COMMIT_SLACK_S"])

    def defects(self) -> list[str]:
        """Lines of the workers' logs that tell of a defect of their own."""
        return [
            f"{log.stem}: {line[:500]}"
            for log in sorted(self.folder.glob("*.log"))
            for line in log.read_text(errors="replace").splitlines()
            if _DEFECT.search(line)
        ]

    def words(self, event: str) -> list[tuple[float, dict[str, Any]]]:
        """What workers have logged as *event*, with the moment (epoch seconds)."""
        lines = [
            json.loads(line)
            for log in sorted(self.folder.glob("*.log"))
            for line in log.read_text(errors="replace").splitlines()
            if f'"{event}"' in line and line.endswith("}")
        ]
        return [(datetime.fromisoformat(line["timestamp"]).timestamp(), line) for line in lines]

    async def left(self) -> dict[str, int]:
        """Messages that wait in queues where at the end none should be."""
        topology = self.topology
        queues = [queue.name for queue in topology.queues() if "dead" not in queue.name]
        found = {}
        async with await aio_pika.connect(self.ground.amqp_url, timeout=5) as connection:
            channel = await connection.channel()
            for name in queues:
                if name != topology.audit:
                    declared = await channel.declare_queue(name, passive=True)
                    found[name] = declared.declaration_result.message_count or 0
        return {name: count for name, count in found.items() if count}


@asynccontextmanager
async def staged(
    ground: Ground, folder: Path, workers: int, program: Sequence[str] = WORKER
) -> AsyncIterator[Stage]:
    """Workers on *ground*, ready, with logs in *folder*; none is left, whatever happens."""
    async with AsyncExitStack() as stack:
        ground.simulator.seed(SEED | {"behaviour": SEED["behaviour"] | {"jobs": _LASTING}})
        stage = Stage(ground, folder, program, shared=ground.redis is not None)
        for number in range(1, workers + 1):
            replica = Replica(number, stage)
            for proxy in replica.proxies:
                await stack.enter_async_context(proxy)
            stack.push_async_callback(replica.kill)
            await replica.start()
            stage.replicas.append(replica)
        async with await aio_pika.connect(ground.amqp_url) as connection:
            await declare(connection, stage.topology)
            await bind(connection, stage.topology)
        for replica in stage.replicas:
            await replica.ready()
        yield stage
