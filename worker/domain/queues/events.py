"""What is told of a queue item that is followed, and what is kept of it meanwhile."""

from collections.abc import Mapping
from typing import Any

from worker.domain.events import Event, Sender, event_id, kept_of, rfc3339, sender_of
from worker.domain.queues.transactions import Transaction
from worker.domain.requests import Kind
from worker.domain.words import ProcessingStatus

_SHARED = ("requestId", "correlationId", "metadata", "kind", "item", "queue", "folder", "adopted")
_STATUSES = frozenset(ProcessingStatus)


def item_tracking(sender: Sender, added: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The tracking document (`schemas/internal/tracking-item.v1.json`) of an item: see `Added.document`.

    What is announced of it so far is New, whatever an adopted row says.
    """
    return {
        **kept_of(sender),
        "kind": Kind.QUEUE_ITEM,
        **added,
        "tryId": added["item"]["id"],
        "status": ProcessingStatus.NEW,
        "moment": None,
        "generation": 0,
        "trackedSince": rfc3339(now),
        "changedAt": now,
        "missingSince": None,
    }


def told(document: Mapping[str, Any], latest: Transaction, now: float) -> dict[str, Any]:
    """The tracking document after *latest* was announced."""
    return {
        **document,
        "item": _item(document, latest),
        "tryId": latest.id,
        "status": latest.status,
        "moment": latest.moment,
        "generation": document["generation"] + 1,
        "changedAt": now,
        "missingSince": None,
    }


def queue_item_state(
    source: str, tracking: Mapping[str, Any], seen: Transaction, now: float, *, terminal: bool
) -> Event:
    """A try of an item has come to another status; *tracking* tells the one announced before."""
    schema = "queue-item-state.v1"
    data = {name: tracking[name] for name in _SHARED} | {
        "item": _item(tracking, seen),
        "status": seen.status,
        "previousStatus": tracking["status"],
        "terminal": terminal,
        "reviewStatus": seen.review_status,
        "retryNumber": seen.retry_number,
        "startedAt": seen.started_at,
        "endedAt": seen.ended_at,
        "deferDate": seen.deferred_until,
        "progress": seen.progress,
        "exception": dict(seen.exception) if seen.exception else None,
        "output": seen.output,
    }
    word = seen.status.lower() if seen.status in _STATUSES else "unknown"
    # Two requests may have adopted one item, and each is told of it.
    fact = f"{tracking['requestId']}|{seen.key}|{seen.id}|{seen.status}|{seen.moment or ''}"
    began = seen.started_at if seen.status == ProcessingStatus.IN_PROGRESS else None
    time = (seen.ended_at if seen.final else began) or rfc3339(now)
    sender = sender_of(tracking, Kind.QUEUE_ITEM)
    identity = event_id(schema, source, fact)
    return Event(schema, f"queue-item.state.{word}", identity, source, sender.request_id, time, data, sender)


def queue_item_tracking_expired(source: str, tracking: Mapping[str, Any], now: float) -> Event:
    """No try of an item was to be seen for so long that it is followed no more; its end is not known."""
    schema, sender = "queue-item-tracking-expired.v1", sender_of(tracking, Kind.QUEUE_ITEM)
    data = {name: tracking[name] for name in (*_SHARED, "status")}
    data["missingSince"] = rfc3339(tracking["missingSince"])
    identity = event_id(schema, source, str(sender.request_id))
    key = "queue-item.tracking-expired"
    return Event(schema, key, identity, source, sender.request_id, rfc3339(now), data, sender)


def _item(tracking: Mapping[str, Any], seen: Transaction) -> dict[str, Any]:
    return {**tracking["item"], "id": seen.id, "key": seen.key}
