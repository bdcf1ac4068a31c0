"""Follows each queue item until it is over, and says each change of its status.

Orchestrator counts lists, and an item's retries are found by lists alone: so items are looked at together, by
their References, at common moments, and the rarer the longer nothing was new of them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import structlog

from worker.domain.failures import Overtaken
from worker.domain.queues.transactions import pause
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.ports import Clock, Delivery
from worker.tracking.hold import TICK_S, Hold
from worker.tracking.hold.moulds import Moulds
from worker.tracking.items.copies import Copies
from worker.tracking.items.look import ItemFollower
from worker.tracking.items.ports import Telemetry
from worker.tracking.items.slot import ItemSlot

TOGETHER = 50
"""Items that are looked at by one list."""
_LISTS_AT_ONCE = 2
_AFTER_DEFECT_S = 5.0

_log = structlog.get_logger(__name__)


class ItemTracker:
    """Keeps invariant 6 for items: statuses are announced one by one, in order, and none after the end."""

    def __init__(
        self,
        follower: ItemFollower,
        slots: Hold[ItemSlot],
        copies: Copies,
        telemetry: Telemetry,
        interval_s: float,
        clock: Clock,
    ) -> None:
        self._follower = follower
        self._slots = slots
        self._copies = copies
        self._telemetry = telemetry
        self._interval_s = interval_s
        self._clock = clock
        self._moulds = Moulds()
        self._batches: asyncio.Queue[Sequence[ItemSlot]] = asyncio.Queue()

    async def run(self, stopping: Stopping) -> None:
        """Follows what is taken until the worker is to stop and all looks are done."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick(stopping))
            for _ in range(_LISTS_AT_ONCE):
                tasks.create_task(self._look(stopping))

    def give_back(self) -> None:
        """Returns all items to the queue, once nothing is taken any more."""
        self._slots.give_back()
        self._telemetry.tracked(self._slots.states)

    def take(self, delivery: Delivery, document: Mapping[str, Any]) -> None:
        """Follows the item of *delivery*, whose document keeps to its schema."""
        slot = ItemSlot(delivery.receipt, self._moulds, delivery.message.body, document)
        if self._slots.hold(slot, _now()):
            self._copies.took(slot)
            self._later(slot)

    async def _tick(self, stopping: Stopping) -> None:
        swept = _now()
        while not stopping:
            if _now() - swept >= self._interval_s:
                self._slots.sweep()
                swept = _now()
            for batch in _batches(self._slots.due(_now())):
                self._batches.put_nowait(batch)
            self._copies.tell()
            self._telemetry.tracked(self._slots.states)
            await stopping.pause(TICK_S)
        for _ in range(_LISTS_AT_ONCE):
            self._batches.put_nowait(())

    async def _look(self, stopping: Stopping) -> None:
        while batch := await self._batches.get():
            if not stopping:
                await asyncio.gather(*(self._turn(slot) for slot in batch))

    async def _turn(self, slot: ItemSlot) -> None:
        if not slot.in_hand or await self._is_settled(slot):
            self._slots.drop(slot)

    async def _is_settled(self, slot: ItemSlot) -> bool:
        """One look; where it settles nothing the next one comes later. A defect costs this item a delay."""
        try:
            if _now() >= slot.renew_at:
                await self._follower.renew(slot)
                return True
            if await self._follower.look(slot):
                return True
            self._later(slot)
        except Overtaken:
            _log.info("item.overtaken", request_id=slot.key)
            return True
        except Exception:  # noqa: BLE001 - whatever it is, the other items must not pay for it
            _log.exception("item.unsettled", request_id=slot.key)
            self._telemetry.defect()
            self._slots.later(slot, _now() + _AFTER_DEFECT_S)
        return False

    def _later(self, slot: ItemSlot) -> None:
        """The next look comes at a moment common to all, and before the broker misses the ack."""
        at = _now() + pause(self._clock() - slot.changed_at, self._interval_s)
        common = round(at / self._interval_s) * self._interval_s
        self._slots.later(slot, min(max(common, _now()), slot.renew_at))


def _batches(slots: Iterable[ItemSlot]) -> Iterator[Sequence[ItemSlot]]:
    """What is looked at together: of one folder, and not too many."""
    by_folder: defaultdict[int, list[ItemSlot]] = defaultdict(list)
    for slot in slots:
        by_folder[slot.folder_id].append(slot)
    for those in by_folder.values():
        for first in range(0, len(those), TOGETHER):
            yield those[first : first + TOGETHER]


def _now() -> float:
    return asyncio.get_running_loop().time()
