"""Adds queue items, each by one POST."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from worker.domain.queues import Item, Queue
from worker.orchestrator import refusals, wire
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.queues.rows import item_of

_PERHAPS = "the item may have been added"


class Adding:
    """The POSTs that add items."""

    def __init__(self, transport: Transport, base: str) -> None:
        self._transport = transport
        url = wire.url(base, "/odata/Queues/UiPathODataSvc.AddQueueItem")
        self._one = wire.Call("AddQueueItem", "POST", url)

    async def add(
        self, folder_id: int, queue: Queue, item: Mapping[str, Any], may_send: Callable[[], bool]
    ) -> Item:
        """Adds one; raises one of the three kinds of failure."""
        body = orjson.dumps({"itemData": {"Name": queue.name, **item}})
        reply = await self._transport.post(self._one, folder_id, body, may_send=may_send)
        added = _item_in(reply, item["Reference"])
        if added is None:
            raise refusals.why_not_done(self._one.operation, reply, _PERHAPS)
        return added


def _item_in(reply: wire.Reply, reference: str) -> Item | None:
    """The item that an answer names; None where it names none or cannot be believed."""
    if not reply.ok:
        return None
    try:
        item = item_of(wire.mapping(orjson.loads(reply.body)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return item if item.reference == reference else None
