"""A queue item in this tracker's hands, and what is known of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from worker.domain.queues.transactions import Known
from worker.pipeline.ports import Receipt
from worker.tracking.hold import Held
from worker.tracking.hold.moulds import Moulds

_BEFORE_S = 24 * 3600.0  # an adopted item may be older than its request


class ItemSlot(Held):
    """A queue item in hand: its message's receipt and document, and what is known of it."""

    __slots__ = ("changed_at", "item_key", "known", "queue_id", "reference", "since", "suspected")

    def __init__(self, receipt: Receipt, moulds: Moulds, body: bytes, document: Mapping[str, Any]) -> None:
        item, queue_id = document["item"], document["queue"]["id"]
        mould = moulds.of(document["folder"]["id"], queue_id, body)
        super().__init__(receipt, document["requestId"], document["generation"], mould, body)
        self.reference: str = item["reference"]
        self.item_key: str | None = item["key"]
        self.queue_id: int = queue_id
        self.changed_at: float = document["changedAt"]
        self.since = datetime.fromisoformat(document["trackedSince"]).timestamp() - _BEFORE_S
        self.known = Known(
            document["tryId"], document["status"], document["moment"], document["missingSince"]
        )
        self.suspected: int | None = None

    @property
    def state(self) -> str:
        """The status that was announced last."""
        return self.known.status
