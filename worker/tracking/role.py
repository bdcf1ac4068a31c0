"""The role of a tracker: its parts, joined."""

import asyncio
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from worker.domain.flight.steps import Patience
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.ports import Clock, Delivery, Orchestrator, Outbox
from worker.tracking.follow import Follower
from worker.tracking.intake import Intake
from worker.tracking.ports import Hints, Leases, Telemetry
from worker.tracking.scan import Scanner
from worker.tracking.share import Sharing
from worker.tracking.slots import Slots
from worker.tracking.track import Tracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What a tracker works with. *lists_a_minute* is for all trackers together."""

    orchestrator: Orchestrator
    outbox: Outbox
    hints: Hints
    leases: Leases
    telemetry: Telemetry
    stopping: Stopping
    clock: Clock
    source: str
    patience: Patience
    lists_a_minute: int

    async def run(self, inboxes: Sequence[AsyncIterable[Delivery]]) -> None:
        """Follows the job of every delivery until the worker is to stop and all are given back."""
        slots = Slots(self.patience, asyncio.get_running_loop().time())
        follower = Follower(
            self.orchestrator, self.outbox, self.telemetry, self.source, self.patience, self.clock
        )
        sharing = Sharing(self.hints, self.leases, slots, uuid4().hex, self.patience.poll_interval_s)
        sharing.consumers = len(inboxes)
        tracker = Tracker(Intake(self.outbox, self.clock), follower, sharing, slots, self.telemetry)
        interval_s = self.patience.poll_interval_s
        scanner = Scanner(self.orchestrator, sharing, self.leases, interval_s, self.lists_a_minute)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scanner.run(self.stopping))
            await tracker.run(inboxes, self.stopping, interval_s)
