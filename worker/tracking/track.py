"""Follows each job until it is over, and says each change of its state.

Jobs in hand are looked at by id: when their time has come, when somebody hints that they have changed, and at
last because scans that would have shown it are no proof. What is known of a job is in its message: a tracker
that dies loses nothing, and the next one goes on where it was.
"""

import asyncio
import random
from collections.abc import AsyncIterable, Sequence
from itertools import count
from typing import NamedTuple

import structlog

from worker.domain.failures import Overtaken
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.ports import Delivery
from worker.tracking.follow import Follower
from worker.tracking.hold import TICK_S
from worker.tracking.intake import Intake
from worker.tracking.ports import Telemetry
from worker.tracking.share import Sharing
from worker.tracking.slots import Slot, Slots

_READS_AT_ONCE = 16
_FIRST_LOOK_S = 1.0
_AFTER_DEFECT_S = 5.0
_MOVED_AT_ONCE = 20
# Whoever is waited for by somebody goes first.
_HINTED, _DUE = 0, 1
_MOVED = float("-inf")
"""The `renew_at` of a slot that others should have: before any moment."""

_log = structlog.get_logger(__name__)


class _Turn(NamedTuple):
    """A place in the line of looks, by *priority* and then by *number*; without a slot, the looks end."""

    priority: int
    number: int
    slot: Slot | None


class Tracker:
    """Keeps invariant 6: a job's states are announced one by one, in order, and none after a terminal one."""

    def __init__(
        self, intake: Intake, follower: Follower, sharing: Sharing, slots: Slots, telemetry: Telemetry
    ) -> None:
        self._intake = intake
        self._follower = follower
        self._sharing = sharing
        self._slots = slots
        self._telemetry = telemetry
        self._turns: asyncio.PriorityQueue[_Turn] = asyncio.PriorityQueue()
        self._order = count()

    async def run(
        self, inboxes: Sequence[AsyncIterable[Delivery]], stopping: Stopping, interval_s: float
    ) -> None:
        """Follows the job of every delivery; at a stop it returns when looks are done and jobs given back."""
        async with asyncio.TaskGroup() as tasks:
            for inbox in inboxes:
                tasks.create_task(self._take(inbox))
            tasks.create_task(self._sharing.run(stopping, self._look_now))
            tasks.create_task(self._tick(stopping, interval_s))
            for _ in range(_READS_AT_ONCE):
                tasks.create_task(self._look(stopping, interval_s))
        self._slots.give_back()
        self._telemetry.tracked(self._slots.states)

    async def _take(self, inbox: AsyncIterable[Delivery]) -> None:
        async for delivery in inbox:
            slot = await self._intake.take(delivery)
            if slot is None or not self._slots.hold(slot, _now()):
                continue
            if self._sharing.took(slot, delivery.message):
                self._look_now(slot)  # before those of whom nothing is known: a kill brings thousands
            else:
                self._slots.later(slot, _now() + random.uniform(0, _FIRST_LOOK_S))  # noqa: S311 - spreads them

    async def _tick(self, stopping: Stopping, interval_s: float) -> None:
        """Gives a turn to whoever's time has come, unless scans speak for him."""
        while not stopping:
            now, moving = _now(), min(self._sharing.excess(), _MOVED_AT_ONCE)
            for slot in self._slots.due(now):
                if not slot.receipt.is_open:
                    self._slots.drop(slot)
                    continue
                if moving > 0:
                    slot.renew_at, moving = _MOVED, moving - 1
                if now < slot.renew_at and self._sharing.covers(slot):
                    self._slots.later(slot, now + _about(interval_s))
                else:
                    self._queue(slot, _DUE)
            self._telemetry.tracked(self._slots.states)
            await stopping.pause(TICK_S)
        for _ in range(_READS_AT_ONCE):
            self._turns.put_nowait(_Turn(_HINTED, -1, None))

    def _look_now(self, slot: Slot) -> None:
        slot.read_at = float("-inf")
        if slot.queued:
            slot.again = True
        else:
            self._queue(slot, _HINTED)

    def _queue(self, slot: Slot, priority: int) -> None:
        slot.queued, slot.due = True, -1  # its moment may come while it waits for its turn
        self._slots.wait(slot, _now())
        self._turns.put_nowait(_Turn(priority, next(self._order), slot))

    async def _look(self, stopping: Stopping, interval_s: float) -> None:
        while (turn := await self._turns.get()).slot is not None:
            if not stopping:
                self._telemetry.looked(self._slots.waits(turn.slot, _now()))
                await self._turn(turn.slot, interval_s)

    async def _turn(self, slot: Slot, interval_s: float) -> None:
        slot.again = False
        pause = await self._looked_at(slot, interval_s) if slot.in_hand else None
        slot.queued = False
        self._slots.seen(slot)
        if pause is None or not slot.in_hand:
            self._slots.drop(slot)
        elif slot.again:
            self._queue(slot, _HINTED)
        else:
            self._slots.later(slot, _now() + pause)

    async def _looked_at(self, slot: Slot, interval_s: float) -> float | None:
        """Seconds to the next look; None where the slot is settled. A defect costs this job a delay."""
        try:
            if _now() >= slot.renew_at:
                # Who is only renewed is read by whoever gets it: else scans would be believed for ever.
                moved = slot.renew_at == _MOVED
                await self._follower.renew(slot, covered=moved and self._sharing.covers(slot))
                return None
            return None if await self._follower.look(slot) else _about(interval_s)
        except Overtaken:
            _log.info("job.overtaken", job=slot.key)
            return None
        except Exception:  # noqa: BLE001 - whatever it is, the other jobs must not pay for it
            _log.exception("job.unsettled", job=slot.key)
            self._telemetry.defect()
            return _AFTER_DEFECT_S


def _about(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - keeps looks spread


def _now() -> float:
    return asyncio.get_running_loop().time()
