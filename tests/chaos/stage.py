"""What a run plays on: a broker of its own, a simulated Orchestrator, and workers behind proxies."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
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
from worker.broker.topology import Topology, declare

PREFIX = "chaos"
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
}
WORKER = ("-m", "worker")
_ENDS_S = 20.0
_DEFECT = re.compile(r'"exception"|Traceback|"level": ?"(error|critical)"')


class Replica:
    """One place for a worker: its proxies stay, its process comes and goes."""

    def __init__(self, number: int, stage: "Stage") -> None:
        self.name = f"worker-{number}"
        self.amqp = Proxy(stage.broker_port)
        self.http = Proxy(URL(stage.simulator.url).port or 0)
        self._stage = stage
        self._lives = 0
        self.process: Working | None = None

    def start(self) -> None:
        """A new process, in place of the one that was."""
        stage, url = self._stage, URL(self._stage.node.url)
        settings = {
            **stage.settings,
            "AMQP_URL": str(url.with_port(self.amqp.port)),
            "ORCHESTRATOR_URL": f"http://127.0.0.1:{self.http.port}",
            "PREFIX": PREFIX,
        }
        self._lives += 1
        log = stage.folder / f"{self.name}.{self._lives}.log"
        self.process = Working(log, program=stage.program, **settings)
        self.process.__enter__()

    def kill(self) -> None:
        """SIGKILL; and nothing that is still on its way arrives."""
        if self.process is not None:
            self.process.kill()
        self.process = None
        for proxy in (self.amqp, self.http):
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
        self.kill()
        return code

    async def ready(self) -> None:
        """Returns when the process consumes; an outage around it does not matter."""
        process = self.process
        if process is not None:
            await until(lambda: process.said("worker.ready"), f"{self.name} is ready", within=40)


@dataclass(slots=True)
class Stage:
    """Everything that is there to be broken. *settings* are given to workers that start from now on."""

    node: PrivateNode
    simulator: Simulated
    folder: Path
    settings: dict[str, Any] = field(default_factory=lambda: dict(PACE))
    program: Sequence[str] = WORKER
    replicas: list[Replica] = field(default_factory=list)
    topology: Topology = field(default_factory=lambda: Topology(PREFIX))

    @property
    def window_s(self) -> float:
        """How long after a redelivery a former owner's POST may still take effect."""
        pace = self.settings
        return float(pace["HTTP_TIMEOUT_S"] + 3 * (pace["HEARTBEAT_S"] + 1) + pace["COMMIT_SLACK_S"])

    @property
    def broker_port(self) -> int:
        """Where the broker listens."""
        return URL(self.node.url).port or 0

    def defects(self) -> list[str]:
        """Lines of the workers' logs that tell of a defect of their own."""
        return [
            f"{log.stem}: {line[:500]}"
            for log in sorted(self.folder.glob("*.log"))
            for line in log.read_text(errors="replace").splitlines()
            if _DEFECT.search(line)
        ]

    async def left(self) -> dict[str, int]:
        """Messages that wait in queues where at the end none should be."""
        topology = self.topology
        queues = [queue.name for queue in topology.queues() if "dead" not in queue.name]
        found = {}
        async with await aio_pika.connect(self.node.url, timeout=5) as connection:
            channel = await connection.channel()
            for name in queues:
                if name != topology.audit:
                    declared = await channel.declare_queue(name, passive=True)
                    found[name] = declared.declaration_result.message_count or 0
        return {name: count for name, count in found.items() if count}


@asynccontextmanager
async def staged(folder: Path, workers: int, program: Sequence[str] = WORKER) -> AsyncIterator[Stage]:
    """Sets everything up, workers ready, and takes all of it down again, whatever happens."""
    async with AsyncExitStack() as stack:
        node = PrivateNode()
        await asyncio.to_thread(node.__enter__)
        stack.push_async_callback(asyncio.to_thread, node.__exit__, None, None, None)
        simulator = stack.enter_context(Simulated())
        simulator.seed(SEED)
        stage = Stage(node, simulator, folder, program=program)
        async with await aio_pika.connect(node.url) as connection:
            await declare(connection, stage.topology)
            await bind(connection, stage.topology)
        for number in range(1, workers + 1):
            replica = Replica(number, stage)
            await stack.enter_async_context(replica.amqp)
            await stack.enter_async_context(replica.http)
            stack.callback(replica.kill)
            replica.start()
            stage.replicas.append(replica)
        for replica in stage.replicas:
            await replica.ready()
        yield stage
