"""One look at one queue item: what is new of its tries is told, kept and acknowledged, in that order."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from worker.domain.failures import Overtaken, Rejected, Unavailable
from worker.domain.flight.steps import anew
from worker.domain.queues.events import queue_item_state, queue_item_tracking_expired, told
from worker.domain.queues.transactions import Step, Transaction, is_settled, news, next_step, tries_of
from worker.pipeline.ports import Clock, Orchestrator, Outbox
from worker.tracking.follow import FRESH_S, moved
from worker.tracking.items.ports import Items, Telemetry
from worker.tracking.items.slot import ItemSlot

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFollower:
    """Looks at items. What it knows of one is in its message: who dies in a look loses nothing."""

    items: Items
    orchestrator: Orchestrator
    outbox: Outbox
    telemetry: Telemetry
    source: str
    expire_after_s: float
    clock: Clock

    async def look(self, slot: ItemSlot) -> bool:
        """Looks at *slot*. True where its message is settled: something was told, or is kept anew.

        What could not be told at once is looked at again first. Raises `Overtaken` where the message is
        somebody else's by now.
        """
        now = self.clock()
        try:
            tries = await self._tries(slot)
            step = next_step(slot.known, tries, now, self.expire_after_s)
            if step is Step.KEEP or not await self._take(step, slot, tries, now):
                return False
        except Unavailable as why:
            _log.info("item.unread", request_id=slot.key, reason=why.detail)
            return False
        except Overtaken:
            if not slot.in_hand:
                raise
            slot.changed_at = now
            return False
        slot.receipt.ack()
        return True

    async def renew(self, slot: ItemSlot) -> None:
        """Publishes the message again as it is, before the broker misses its ack."""
        await self._keep(slot, anew(slot.document))
        slot.receipt.ack()

    async def _keep(self, slot: ItemSlot, document: Mapping[str, Any]) -> None:
        await self.outbox.track(document, lambda: slot.in_hand)

    async def _tries(self, slot: ItemSlot) -> Sequence[Transaction]:
        try:
            found = await self.items.tries(slot.folder_id, slot.reference, since=slot.since)
        except Rejected as why:
            _log.info("item.refused", request_id=slot.key, reason=why.detail)
            return ()
        return tries_of(found, slot.item_key, slot.queue_id)

    async def _take(self, step: Step, slot: ItemSlot, tries: Sequence[Transaction], now: float) -> bool:
        document = slot.document
        match step:
            case Step.TELL:
                return await self._tell(slot, document, tries, now)
            case Step.MISS:
                folder = await moved(self.orchestrator, document["folder"])
                await self._keep(slot, anew(document, missingSince=now, folder=folder))
            case Step.FIND:
                await self._keep(slot, anew(document, missingSince=None))
            case Step.EXPIRE:
                event = queue_item_tracking_expired(self.source, document, now)
                await self.outbox.announce(event, lambda: slot.in_hand)
                self.telemetry.expired()
        return True

    async def _tell(
        self, slot: ItemSlot, document: Mapping[str, Any], tries: Sequence[Transaction], now: float
    ) -> bool:
        """Tells each news, the oldest first. An end that may be none is left to the next look.

        So is what had to wait; what was told before that is kept.
        """
        fresh_until, known = _now() + FRESH_S, document
        fresh, latest = news(slot.known, tries), tries[-1]
        ended = fresh[-1] is latest and latest.final
        if ended and not is_settled(latest, slot.suspected):
            slot.suspected, slot.changed_at = latest.id, now
            fresh, ended = fresh[:-1], False
        for one in fresh:
            try:
                await self._announce(slot, document, one, fresh_until, end=ended and one is latest)
            except Overtaken:
                if document is known or not slot.in_hand:
                    raise
                ended = False
                break
            document = told(document, one, now)
        if fresh and not ended:
            await self._keep(slot, document)
        return bool(fresh)

    async def _announce(
        self, slot: ItemSlot, document: Mapping[str, Any], one: Transaction, fresh_until: float, *, end: bool
    ) -> None:
        """Tells one status. Nothing comes after the end: it alone may be told late."""
        event = queue_item_state(self.source, document, one, self.clock(), terminal=end)
        await self.outbox.announce(event, lambda: slot.in_hand and (end or _now() <= fresh_until))
        self.telemetry.told(one.status)


def _now() -> float:
    return asyncio.get_running_loop().time()
