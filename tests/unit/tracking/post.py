"""What the trackers' tests begin with: a tracker with one job, between fakes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
from fake_orchestrator import MODERN, Orchestrator
from fakes import Delivery, Outbox, feed
from fakes_of_trackers import Hints, Items, ItemTelemetry, Leases, Telemetry

from worker.domain.events import Sender, tracking_documents
from worker.domain.flight.steps import Patience
from worker.domain.jobs import Job
from worker.domain.messages import Message
from worker.otel import Off, Tracing
from worker.pipeline.holding.pauses import Stopping
from worker.tracking.role import Tracking
from worker.tracking.scan import FROM

SOURCE = "urn:jobrelay:jobrelay"
INTERVAL = 10.0
MANY = FROM + 50
SOON = 2.0
PENDING, EXPIRES = 300.0, 600.0
SHARED = {
    "process": {"name": "P", "packageId": "P", "version": "1", "releaseKey": None, "environment": None},
    "folder": {"id": MODERN.id, "key": MODERN.key, "path": MODERN.path},
    "requested": 1, "adopted": False, "reference": "jobrelay:inc-1", "strategy": "ModernJobsCount",
    "attempt": 1, "doubted": False,
}  # fmt: skip


class Post:
    """A tracker with one job, which it follows until its tracking messages end."""

    def __init__(self, tracing: Tracing | None = None) -> None:
        self.tracing = tracing or Off()
        self.journal: list[str] = []
        self.outbox = Outbox(self.journal)
        self.tenant = Orchestrator()
        self.telemetry = Telemetry()
        self.items, self.item_telemetry = Items(self.tenant), ItemTelemetry()
        self.stopping = Stopping()
        self.hints = Hints()
        self.leases = Leases()
        self.deliveries: list[Delivery] = []
        self.job = self.tenant.commit(MODERN, "jobrelay:inc-1")[0]
        self.known = tracking_documents(Sender("inc-1", "c-1"), SHARED, [self.job], self.tenant.clock())[0]

    def delivery(self, **known: Any) -> Delivery:
        """The tracking message of the job."""
        return Delivery(Message(body=orjson.dumps(self.known | known)), self.journal)

    def row(self, state: str, **more: Any) -> Job:
        """The job's row, in another state."""
        return replace(self.job, state=state, **more)

    def answers_slowly(self, seconds: float) -> None:
        """From now on each read of a job takes so long."""
        read = self.tenant.job

        async def slowly(folder_id: int, job_id: int) -> Job | None:
            await asyncio.sleep(seconds)
            return await read(folder_id, job_id)

        self.tenant.job = slowly  # type: ignore[method-assign]

    async def follow(self, *deliveries: Delivery) -> None:
        """Follows until each of *deliveries* is settled or lost, which comes within a day; then stops."""
        async with asyncio.timeout(24 * 3600), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.role().run([feed(deliveries)]))
            while not (self.stopping or all(one.settled or not one.is_open for one in deliveries)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            self.stopping.begin()
            await running

    @asynccontextmanager
    async def at_work(self, *deliveries: Delivery) -> AsyncIterator[Callable[[Delivery], None]]:
        """While it follows *deliveries*, by default its own; then it is told to stop.

        Gives what brings it another one.
        """
        inbox: asyncio.Queue[Delivery | None] = asyncio.Queue()
        for delivery in deliveries or self.deliveries:
            inbox.put_nowait(delivery)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.role().run([_until_none(inbox)]))
            tasks.create_task(self._close(inbox))
            yield inbox.put_nowait
            self.stopping.begin()

    async def _close(self, inbox: asyncio.Queue[Delivery | None]) -> None:
        await self.stopping.wait()
        inbox.put_nowait(None)

    def role(self) -> Tracking:
        """A tracker."""
        return Tracking(
            orchestrator=self.tenant,
            items=self.items,
            outbox=self.tracing.outbox(self.outbox),
            hints=self.hints,
            leases=self.leases,
            telemetry=self.telemetry,
            item_telemetry=self.item_telemetry,
            stopping=self.stopping,
            clock=self.tenant.clock,
            source=SOURCE,
            patience=Patience(INTERVAL, PENDING, EXPIRES, 1800),
            lists_a_minute=60,
        )

    async def follow_to_the_end(self) -> None:
        """Follows each message that the one before has led to."""
        delivery = self.delivery()
        while True:
            tracked = len(self.outbox.tracked)
            self.stopping = Stopping()
            await self.follow(delivery)
            if len(self.outbox.tracked) == tracked:
                return
            delivery = Delivery(Message(body=orjson.dumps(self.outbox.tracked[-1])), self.journal)


class Fleet(Post):
    """A tracker with many jobs of one folder."""

    def __init__(self, jobs: int = MANY) -> None:
        super().__init__()
        self.all = [self.job, *self.tenant.commit(MODERN, "jobrelay:inc-1", jobs - 1)]
        self.deliveries = [self.of(job) for job in self.all]

    def of(self, job: Any, *, redelivered: bool = False, **known: Any) -> Delivery:
        """A tracking message of *job*."""
        ids = {**self.known["job"], "id": job.id, "key": job.key}
        body = orjson.dumps({**self.known, "job": ids, "explained": True, **known})
        return Delivery(Message(body=body, redelivered=redelivered))

    def reads(self) -> int:
        """How many reads by id there were."""
        return self.tenant.count("job")


async def _until_none(inbox: asyncio.Queue[Delivery | None]) -> AsyncIterator[Delivery]:
    while (delivery := await inbox.get()) is not None:
        yield delivery
