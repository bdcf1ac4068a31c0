"""The POSTs that add queue items: one, or many in one call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from worker.domain.failures import Answer, Failure, Later, Unavailable
from worker.domain.queues import DUPLICATE_REFERENCE, Item
from worker.orchestrator import refusals, wire
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.rows.items import item_of

_MANY = "BulkAddQueueItems"
_PERHAPS = "the items may have been added"
# A bulk names what was wrong with an item by the name of its code, not by its number.
_CODES = {
    "DuplicateReference": DUPLICATE_REFERENCE,
    "InvalidRequest": 1000,
    "ItemNotFound": 1002,
    "InvalidArgument": 1009,
    "ForbiddenOperation": 1017,
}
_PASSING = frozenset({"OptimisticConcurrency", "ServiceUnavailable"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where items go: a queue's *name*, in a folder."""

    folder_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """One item that is to be sent: its JSON, what it is found by, and whether it may still be sent.

    *alone*: not with others, so that its ids are told.
    """

    body: bytes
    reference: str
    may_send: Callable[[], bool]
    alone: bool = False


class Posts:
    """Each is sent once, and raises one of the three kinds of failure."""

    def __init__(self, transport: Transport, base: str) -> None:
        self._transport = transport
        path = f"{base}/odata/Queues/UiPathODataSvc"
        self._one = wire.Call("AddQueueItem", "POST", wire.url(path, ".AddQueueItem"))
        self._many = wire.Call(_MANY, "POST", wire.url(path, f".{_MANY}"))

    async def one(self, place: Place, item: Wanted) -> Item:
        """Adds an item."""
        body = orjson.dumps({"itemData": orjson.Fragment(item.body)})
        reply = await self._transport.post(self._one, place.folder_id, body, may_send=item.may_send)
        added = _item_in(reply, item.reference)
        if added is None:
            raise refusals.why_not_done(self._one.operation, reply, _PERHAPS)
        return added

    async def many(self, place: Place, items: Sequence[Wanted]) -> Mapping[int, Failure]:
        """Adds all of them that can be; tells, by their index, why the others were not."""
        listed = [orjson.Fragment(item.body) for item in items]
        how = {"queueName": place.name, "commitType": "ProcessAllIndependently", "queueItems": listed}
        body = orjson.dumps(how)

        def may_send() -> bool:
            return all(item.may_send() for item in items)

        reply = await self._transport.post(self._many, place.folder_id, body, may_send=may_send)
        failed = _failed_in(reply, len(items))
        if failed is None:
            raise refusals.why_not_done(self._many.operation, reply, _PERHAPS)
        return failed


def _item_in(reply: wire.Reply, reference: str) -> Item | None:
    """The item that an answer names; None where it names none or cannot be believed."""
    if not reply.ok:
        return None
    try:
        item = item_of(wire.mapping(orjson.loads(reply.body)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return item if item.reference == reference else None


def _failed_in(reply: wire.Reply, count: int) -> Mapping[int, Failure] | None:
    """What an answer to a bulk says of each that failed; None where it cannot be believed.

    Before API 20 the names begin with a small letter.
    """
    if not reply.ok:
        return None
    try:
        said = _in_small_letters(orjson.loads(reply.body))
        rows = [_in_small_letters(row) for row in said.get("faileditems") or ()]
        failed = {int(row["ordinal"]): _failure(reply, row) for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    all_told = said.get("success") is (not failed) and all(0 <= index < count for index in failed)
    return failed if all_told else None


def _in_small_letters(document: Any) -> dict[str, Any]:
    return {name.lower(): value for name, value in wire.mapping(document).items()}


def _failure(reply: wire.Reply, row: Mapping[str, Any]) -> Failure:
    name, message = str(row["errorcode"]), reply.conceal(str(row.get("errormessage") or ""))
    said = f"{name}: {message}"[: refusals.LONGEST_MESSAGE]
    answer = Answer(reply.status, _CODES.get(name), message=said)
    if name in _PASSING:
        return Unavailable(Later.BUSY, refusals.said(_MANY, answer), answer=answer)
    return refusals.refused(_MANY, answer)
