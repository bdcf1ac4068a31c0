"""A tracking message becomes a job or an item in hand; what is none becomes a dead letter."""

import asyncio
import math
from collections.abc import Callable, Mapping
from socket import gethostname
from typing import Any

from worker.contracts import parse, violations
from worker.domain.failures import Code, Rejected
from worker.domain.flight.shown import LATELY_S
from worker.domain.messages import Message, letter, past_of
from worker.domain.requests import Kind
from worker.pipeline.ports import Clock, Delivery, Outbox
from worker.tracking.slots import Moulds, Slot

# So much the clocks of two workers may differ.
_CLOCKS_APART_S = 1.0


class Intake:
    """Reads tracking messages. Those of queue items are given to *take_item*, with their document."""

    def __init__(
        self, outbox: Outbox, clock: Clock, take_item: Callable[[Delivery, Mapping[str, Any]], None]
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._take_item = take_item
        self._moulds = Moulds()

    async def take(self, delivery: Delivery) -> Slot | None:
        """The job of *delivery*; None when it is an item's, or no tracking message, and a dead letter now."""
        document, wrong = _read(delivery.message)
        if wrong:
            await self._bury(delivery, wrong)
            return None
        if _is_of_item(document):
            self._take_item(delivery, document)
            return None
        body = delivery.message.body
        slot = Slot(delivery.receipt, self._moulds.of(body, document), body, document)
        slot.read_at = self._moment(document.get("seenAt"))
        return slot

    def _moment(self, seen_at: float | None) -> float:
        """When another tracker read the job, on this loop's clock; never, if that is too long ago to tell."""
        age = math.inf if seen_at is None else self._clock() - seen_at
        if not -_CLOCKS_APART_S <= age <= LATELY_S / 2:
            return -math.inf
        return asyncio.get_running_loop().time() - age - _CLOCKS_APART_S

    async def _bury(self, delivery: Delivery, wrong: str) -> None:
        message, now = delivery.message, self._clock()
        reason = (Code.INVALID_REQUEST, f"not a tracking message: {wrong}")
        headers = letter(message, past_of(message, now, 0), reason, gethostname(), now)
        await self._outbox.bury(message, headers)
        delivery.ack()


def _read(message: Message) -> tuple[Any, str]:
    """The document, and what is wrong with it."""
    try:
        document = parse(message.body)
    except Rejected as why:
        return None, why.detail
    schema = "tracking-item.v1" if _is_of_item(document) else "tracking.v1"
    return document, "; ".join(f"{v.pointer} {v.message}" for v in violations(schema, document))


def _is_of_item(document: Any) -> bool:
    return isinstance(document, dict) and document.get("kind") == Kind.QUEUE_ITEM
