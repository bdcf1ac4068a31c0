"""A tracking message becomes a job or an item in hand; what is none becomes a dead letter."""

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from socket import gethostname
from typing import Any

import structlog

from worker.contracts import parse, schema, violations
from worker.contracts.words import at
from worker.domain.failures import Code, Rejected, Violation
from worker.domain.flight.shown import LATELY_S
from worker.domain.messages import LAST_DAY, Message, epoch_of, letter, past_of
from worker.domain.requests import Kind
from worker.pipeline.ports import Clock, Delivery, Outbox
from worker.tracking.hold.moulds import Moulds
from worker.tracking.slots import Slot

# So much the clocks of two workers may differ.
_CLOCKS_APART_S = 1.0
_EPOCHS = frozenset({"seenAt", "changedAt", "missingSince"})
# Each time a message is published again it is one more, and JSON's readers keep no more digits.
_GENERATION_MOST = 2**53

_log = structlog.get_logger(__name__)


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
        """The job of *delivery*; None when it is an item's, or no tracking message, and a dead letter now.

        Whatever a message is: it is that, and no exception of its reading comes from here.
        """
        try:
            document, wrong = _read(delivery.message)
            if not wrong:
                return self._taken(delivery, document)
        except Exception as why:  # noqa: BLE001 - else it would end one tracker after the other
            _log.exception("tracking.unread")
            wrong = f"it cannot be read: {why!r}"
        await self._bury(delivery, wrong)
        return None

    def _taken(self, delivery: Delivery, document: Mapping[str, Any]) -> Slot | None:
        if _is_of_item(document):
            self._take_item(delivery, document)
            return None
        slot = Slot(delivery.receipt, self._moulds, delivery.message.body, document)
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
    name = "tracking-item.v1" if _is_of_item(document) else "tracking.v1"
    found = violations(name, document) or list(_unreadable(document, name))
    return document, "; ".join(f"{one.pointer} {one.message}" for one in found)


def _unreadable(document: Mapping[str, Any], name: str) -> Iterator[Violation]:
    """What the schema *name* takes, and nobody can follow or publish again. No tracker writes it."""
    for path in _whole_numbers(name):
        if isinstance(_found(document, path), float):
            yield at(path, "must be written as a whole number, without point and exponent")
    if document["generation"] >= _GENERATION_MOST:
        yield at(["generation"], "is too large to be counted on")
    if epoch_of(document["trackedSince"]) is None:
        yield at(["trackedSince"], "is no moment from 1970 to 9999, in capitals, without leap seconds")
    if not _is_moment(document["createdAt"]):
        yield at(["createdAt"], "is no moment in capitals, without leap seconds")
    for epoch in _EPOCHS & schema(name)["properties"].keys():
        if not 0 <= (document.get(epoch) or 0) < LAST_DAY:
            yield at([epoch], "is no moment from 1970 to 9999 in epoch seconds")


@cache
def _whole_numbers(name: str) -> tuple[tuple[str, ...], ...]:
    """Where they are. To a schema 1.0 and 1e300 are such too, which neither an address nor a name takes."""

    def places(node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if "integer" in node.get("type", ()):
            yield path
        for inner, its in node.get("properties", {}).items():
            yield from places(its, (*path, inner))

    return tuple(places(schema(name), ()))


def _found(document: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = document
    for name in path:
        value = value.get(name)
    return value


def _is_moment(text: str | None) -> bool:
    try:
        return text is None or bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def _is_of_item(document: Any) -> bool:
    return isinstance(document, dict) and document.get("kind") == Kind.QUEUE_ITEM
