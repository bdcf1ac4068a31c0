"""The role of a tracker: its parts, joined."""

import asyncio
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from worker.domain.flight.steps import Patience
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.ports import Clock, Delivery, Orchestrator, Outbox
from worker.tracking.follow import Follower
from worker.tracking.hold import Hold
from worker.tracking.intake import Intake
from worker.tracking.items.copies import Copies
from worker.tracking.items.look import ItemFollower
from worker.tracking.items.ports import Items
from worker.tracking.items.ports import Telemetry as ItemTelemetry
from worker.tracking.items.slot import ItemSlot
from worker.tracking.items.track import ItemTracker
from worker.tracking.ports import Hints, Leases, Telemetry
from worker.tracking.scan import Scanner
from worker.tracking.share import Sharing
from worker.tracking.slots import Slots
from worker.tracking.track import Tracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What a tracker works with. *lists_a_minute* is for all trackers together."""

    orchestrator: Orchestrator
    items: Items
    outbox: Outbox
    hints: Hints
    leases: Leases
    telemetry: Telemetry
    item_telemetry: ItemTelemetry
    stopping: Stopping
    clock: Clock
    source: str
    patience: Patience
    lists_a_minute: int

    async def run(self, inboxes: Sequence[AsyncIterable[Delivery]]) -> None:
        """Follows the job or item of every delivery until the worker is to stop and all are given back."""
        me, interval_s = uuid4().hex, self.patience.poll_interval_s
        now = asyncio.get_running_loop().time()
        item_slots: Hold[ItemSlot] = Hold(self.patience.consumer_timeout_s, now)
        copies = Copies(self.hints, item_slots, me)
        items = self._item_tracker(item_slots, copies)
        slots = Slots(self.patience, now)
        follower = Follower(
            self.orchestrator, self.outbox, self.telemetry, self.source, self.patience, self.clock
        )
        sharing = Sharing(self.hints, self.leases, slots, me, interval_s)
        sharing.consumers, sharing.of_items = len(inboxes), copies.hear
        intake = Intake(self.outbox, self.clock, items.take)
        tracker = Tracker(intake, follower, sharing, slots, self.telemetry)
        scanner = Scanner(self.orchestrator, sharing, self.leases, interval_s, self.lists_a_minute)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scanner.run(self.stopping))
            tasks.create_task(items.run(self.stopping))
            await tracker.run(inboxes, self.stopping, interval_s)
        items.give_back()

    def _item_tracker(self, slots: Hold[ItemSlot], copies: Copies) -> ItemTracker:
        follower = ItemFollower(
            items=self.items,
            orchestrator=self.orchestrator,
            outbox=self.outbox,
            telemetry=self.item_telemetry,
            source=self.source,
            expire_after_s=self.patience.expire_after_s,
            clock=self.clock,
        )
        interval_s = self.patience.poll_interval_s
        return ItemTracker(follower, slots, copies, self.item_telemetry, interval_s, self.clock)
