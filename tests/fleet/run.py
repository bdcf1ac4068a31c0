"""One run: jobs are started and seen to run, they end one by one, a tracker is killed; and the results."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time

import aio_pika
import orjson
from aiormq.abc import DeliveredMessage
from chaos.stage import Ground

from fleet.history import History
from fleet.plan import Plan
from fleet.results import Results, results
from fleet.stage import Stage, Tracker, folder_of, process_of, staged
from worker.broker.topology import START_KEY, Topology

Tell = Callable[[str], None]
_LOOK_S = 0.1
_QUIET_S = 1.0
_ENDS_S = 60.0


def _silent(_line: str) -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Run:
    """A run in progress; *times* are the seconds that its parts took, *killed* the tracker that was."""

    plan: Plan
    stage: Stage
    history: History
    tell: Tell
    times: dict[str, float] = field(default_factory=dict)
    killed: Tracker | None = None
    ended_before_kill: int = 0
    troubles: list[str] = field(default_factory=list)
    others: dict[str, dict[str, float]] = field(default_factory=dict)
    load: dict[str, float] = field(default_factory=dict)

    async def fill(self) -> None:
        """Jobs are started by requests, as anybody's, and seen to run; then the starter stops."""
        began = monotonic()
        with self.stage.worker("starter", "start,web") as starter:
            await starter.ready()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask())
                await self._until(lambda: len(self.history.running), self.plan.jobs // 2, "running")
                self._look("half")
                await self._until(lambda: len(self.history.running), self.plan.jobs, "running")
            starter.terminate()
            self._ended("starter", await starter.ended())
        self.times["filling"] = monotonic() - began

    async def end(self) -> None:
        """All jobs end at the rate; in the middle a tracker is killed with all that it holds."""
        self._look("full")
        self._note("full")
        began, plan = monotonic(), self.plan
        outcomes = {"Successful": 1 - plan.faulted, "Faulted": plan.faulted}
        told = {
            "perSecond": plan.rate,
            "outcomes": {name: share for name, share in outcomes.items() if share},
        }
        await asyncio.to_thread(self.stage.simulator.tell, "POST", "ends", told)
        if plan.kill:
            await self._until(lambda: len(self.history.ends), plan.jobs // 2, "ended")
            self._kill(self.stage.trackers[0])
        await self._until(lambda: len(self.history.ends), plan.jobs, "ended")
        self.times["ending"] = monotonic() - began
        self._note("done")

    async def stop(self) -> None:
        """The trackers that are left are asked to stop; nothing may be left in flight."""
        while time() - self.history.heard_at < _QUIET_S:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        alive = [tracker for tracker in self.stage.trackers if tracker is not self.killed]
        for tracker in alive:
            tracker.look("done")
            tracker.process.terminate()
        for tracker in alive:
            self._ended(tracker.name, await tracker.process.ended())
        left = await self.stage.waiting()
        self.troubles += [f"{left} messages are left in {self.stage.topology.tracking}"] if left else []

    def _look(self, when: str) -> None:
        for tracker in self.stage.trackers:
            tracker.look(when)

    def _note(self, when: str) -> None:
        """What all else has cost by now, and how busy the machine is."""
        self.others[when] = self.stage.others()
        self.load[when] = os.getloadavg()[0]

    def _kill(self, tracker: Tracker) -> None:
        tracker.look("done")
        tracker.process.kill()
        self.killed, self.ended_before_kill = tracker, len(self.history.ends)

    def _ended(self, name: str, code: int) -> None:
        if code:
            self.troubles.append(f"{name} ended with {code} when asked to stop")

    async def _ask(self) -> None:
        """Sends the requests as they are due; the folders take turns."""
        due = monotonic()
        async with await aio_pika.connect(self.stage.ground.amqp_url) as connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange(self.stage.topology.requests, ensure=False)
            for number, count in enumerate(self.plan.requests):
                request = {
                    "requestId": f"r-{number}",
                    "process": {"name": process_of(number % self.plan.folders)},
                    "folder": {"path": folder_of(number % self.plan.folders)},
                    "jobsCount": count,
                }
                body, now = json.dumps(request).encode(), datetime.now(UTC)
                due += count / self.plan.begins
                await exchange.publish(aio_pika.Message(body, delivery_mode=2, timestamp=now), START_KEY)
                await asyncio.sleep(max(0.0, due - monotonic()))

    async def _until(self, count: Callable[[], int], wanted: int, what: str) -> None:
        """Returns when so many are counted, or nothing has been heard for too long: that is a trouble."""
        plan, history = self.plan, self.history
        history.heard_at = time()
        while count() < wanted:
            if time() - history.heard_at > plan.patience_s:
                self.troubles.append(f"given up at {count()} of {wanted} {what}: nothing more was heard")
                return
            repeats = len(history.repeats)
            self.tell(f"{count():7} of {wanted} {what}, {len(history.ends)} ended, {repeats} repeats")
            await asyncio.sleep(_LOOK_S)


async def run(plan: Plan, ground: Ground, folder: Path, tell: Tell = _silent) -> Results:
    """Plays *plan* on *ground*, with logs in *folder*, and says what came of it. No process is left."""
    history = History()
    async with staged(plan, ground, folder) as stage, _hearing(ground.amqp_url, stage.topology, history):
        running = Run(plan, stage, history, tell)
        await running.fill()
        await running.end()
        await running.stop()
        return _judged(running)


@asynccontextmanager
async def _hearing(url: str, topology: Topology, history: History) -> AsyncIterator[None]:
    """Everything that is said of jobs in flight goes into *history*, for the time of the block."""

    async def take(message: DeliveredMessage) -> None:
        history.hear(orjson.loads(message.body))

    async with await aio_pika.connect(url) as connection:
        channel = await (await connection.channel()).get_underlay_channel()
        queue = (await channel.queue_declare(exclusive=True)).queue or ""
        for pattern in ("job.state.*", "job.tracking-expired"):
            await channel.queue_bind(queue, topology.events, pattern)
        await channel.basic_consume(queue, take, no_ack=True)
        yield


def _judged(run: Run) -> Results:
    stage, ledger = run.stage, run.stage.simulator.ledger()
    if run.plan.webhooks:
        ledger["webhooks"] = stage.simulator.tell("GET", "webhooks")
    return results(
        run.plan,
        ledger,
        run.history,
        {
            "times": run.times,
            "others": run.others,
            "load": run.load,
            "trackers": {tracker.name: tracker.looks for tracker in stage.trackers},
            "killed": run.killed.name if run.killed else None,
            "ended before the kill": run.ended_before_kill,
            "troubles": [*run.troubles, *run.history.expired, *stage.defects()],
        },
    )
