"""What a run plays on: a simulated Orchestrator with the limits of Cloud, a broker, trackers, a starter."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
from chaos.stage import Ground
from simulated import Simulated
from tenant import key_of
from working import Working

from fleet.plan import Plan
from simulator.rabbitmq.loopback import free_ports
from worker.broker.topology import Topology, declare

_TICKS = os.sysconf("SC_CLK_TCK")
_SECRET = "signed-by-the-simulator"
# As in production: what is short in tests would hide what it costs.
_CALM: dict[str, Any] = {
    "HTTP_TIMEOUT_S": 30, "GRACE_S": 45, "HEARTBEAT_S": 5, "COMMIT_SLACK_S": 40, "LOG_LEVEL": "info",
    "LOG_FORMAT": "json",
}  # fmt: skip


def process_of(folder: int) -> str:
    """The process of a folder."""
    return f"Process {folder}"


def folder_of(folder: int) -> str:
    """The path of a folder."""
    return f"Area {folder}"


def seed(plan: Plan, webhook_port: int | None) -> dict[str, Any]:
    """A Cloud tenant whose jobs run until they are told to end."""
    begins_s = min(plan.batch, plan.jobs) / plan.begins
    url = f"http://127.0.0.1:{webhook_port}/webhooks/orchestrator"
    return {
        "folders": [
            {"Id": 700 + number, "Key": key_of(folder_of(number)), "FullyQualifiedName": folder_of(number)}
            for number in range(plan.folders)
        ],
        "releases": [
            {"Name": process_of(number), "ProcessKey": f"P{number}", "folder": folder_of(number)}
            for number in range(plan.folders)
        ],
        "webhooks": [{"Name": "fleet", "Url": url, "Secret": _SECRET}] if webhook_port else [],
        "behaviour": {
            "rateLimitPerMinute": 100,
            "randomSeed": plan.seed,
            "jobs": {"pendingSeconds": [0.5, 0.5 + begins_s], "outcomes": {"Running": 1}},
        },
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """What a tracker's process holds and has used."""

    held: int
    rss: int
    cpu_s: float


@dataclass(slots=True)
class Tracker:
    """A tracker's process, as it is looked at from outside; *empty* is how it was before any job."""

    name: str
    process: Working
    looks: dict[str, Look] = field(default_factory=dict)

    def look(self, when: str) -> Look:
        """How it is now, remembered as *when*."""
        held = round(self.process.metric("jobrelay_jobs_tracked"))
        self.looks[when] = Look(held, *resources(self.process.pid))
        return self.looks[when]


def resources(pid: int) -> tuple[int, float]:
    """Resident bytes and CPU seconds of a process."""
    status, stat = (Path(f"/proc/{pid}/{name}").read_text() for name in ("status", "stat"))
    (resident,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    user, system = stat.rpartition(")")[2].split()[11:13]
    return int(resident) * 1024, (int(user) + int(system)) / _TICKS


@dataclass(slots=True)
class Stage:
    """Everything that runs."""

    plan: Plan
    ground: Ground
    folder: Path
    trackers: list[Tracker] = field(default_factory=list)

    @property
    def simulator(self) -> Simulated:
        """The Orchestrator."""
        return self.ground.simulator

    @property
    def topology(self) -> Topology:
        """The names on the broker."""
        return Topology(self.ground.prefix)

    def worker(self, name: str, roles: str, **more: Any) -> Working:
        """A process of the product, not begun."""
        settings = {
            **_CALM,
            "AMQP_URL": self.ground.amqp_url,
            "PREFIX": self.ground.prefix,
            "ORCHESTRATOR_URL": self.simulator.cloud,
            "POLL_INTERVAL_S": self.plan.poll_s,
            "POLL_BUDGET_PER_MIN": self.plan.budget,
            **more,
        }
        return Working(self.folder / f"{name}.log", roles, **settings)

    def others(self) -> dict[str, float]:
        """CPU seconds of what a run costs beside the trackers, by name; the harness is this process."""
        node = {"broker": self.ground.node.pid} if self.ground.node else {}
        pids = {"simulator": self.simulator.pid, **node, "harness": os.getpid()}
        return {name: resources(pid)[1] for name, pid in pids.items()}

    async def waiting(self) -> int:
        """How many jobs in flight no tracker holds."""
        async with await aio_pika.connect(self.ground.amqp_url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(self.topology.tracking, passive=True)
            return queue.declaration_result.message_count or 0

    def defects(self) -> list[str]:
        """Lines of the logs that tell of a defect of the product's own."""
        return [
            f"{log.stem}: {line[:500]}"
            for log in sorted(self.folder.glob("*.log"))
            for line in log.read_text(errors="replace").splitlines()
            if re.search(r'"exception"|Traceback|"level": ?"(error|critical)"', line)
        ]


@asynccontextmanager
async def staged(plan: Plan, ground: Ground, folder: Path) -> AsyncIterator[Stage]:
    """Trackers on *ground*, ready, with their logs in *folder*; none is left."""
    port = free_ports(1)[0] if plan.webhooks else None
    ground.simulator.seed(seed(plan, port))
    stage = Stage(plan, ground, folder)
    async with AsyncExitStack() as stack:
        async with await aio_pika.connect(ground.amqp_url) as connection:
            await declare(connection, stage.topology)
        for number in range(1, plan.trackers + 1):
            # Notices go to the one tracker that is not killed.
            more = {"HTTP_PORT": port, "WEBHOOK_SECRET": _SECRET} if port and number == plan.trackers else {}
            process = stage.worker(f"tracker-{number}", "track,web", **more)
            await asyncio.to_thread(process.__enter__)
            stack.callback(process.kill)
            stage.trackers.append(Tracker(f"tracker-{number}", process))
        for tracker in stage.trackers:
            await tracker.process.ready()
            tracker.look("empty")
        yield stage
