"""A queue item in this tracker's hands."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from worker.domain.queues.transactions import Known
from worker.pipeline.ports import Receipt
from worker.tracking.slots import Hold, Mould, Rank, rank_of

_BEFORE_S = 24 * 3600.0  # an adopted item may be older than its request
_MOULDS_MOST = 1_000


class ItemSlot:
    """A queue item in hand: its message's receipt and document, and what is known of it."""

    __slots__ = (
        "_mould", "_packed", "changed_at", "due", "generation", "item_key", "key", "known", "let_go",
        "queue_id", "receipt", "reference", "renew_at", "since", "suspected",
    )  # fmt: skip

    def __init__(self, receipt: Receipt, mould: Mould, body: bytes, document: Mapping[str, Any]) -> None:
        item = document["item"]
        self.receipt = receipt
        self.key: str = document["requestId"]
        self.reference: str = item["reference"]
        self.item_key: str | None = item["key"]
        self.queue_id: int = document["queue"]["id"]
        self.generation: int = document["generation"]
        self.changed_at: float = document["changedAt"]
        self.since = datetime.fromisoformat(document["trackedSince"]).timestamp() - _BEFORE_S
        self.known = Known(
            document["tryId"], document["status"], document["moment"], document["missingSince"]
        )
        self.suspected: int | None = None
        self.due = -1
        self.renew_at = float("inf")
        self.let_go = False
        self._mould = mould
        self._packed = mould.packed(body)

    @property
    def folder_id(self) -> int:
        """The id of the item's folder."""
        return self._mould.folder_id

    @property
    def state(self) -> str:
        """The status that was announced last."""
        return self.known.status

    @property
    def in_hand(self) -> bool:
        """False once it was let go of, or its message was lost with its channel; then it stays so."""
        return not self.let_go and self.receipt.is_open

    @property
    def rank(self) -> Rank:
        """See `rank_of`."""
        return rank_of(self.generation, self._mould.unpacked(self._packed))

    @property
    def document(self) -> dict[str, Any]:
        """The tracking document as it came."""
        return dict(orjson.loads(self._mould.unpacked(self._packed)))


class ItemSlots(Hold[ItemSlot]):
    """All items of one tracker."""

    def __init__(self, consumer_timeout_s: float, now: float) -> None:
        super().__init__(consumer_timeout_s, now)
        self._moulds: dict[tuple[int, int], Mould] = {}

    def of(self, receipt: Receipt, body: bytes, document: Mapping[str, Any]) -> ItemSlot:
        """A slot; documents of one queue are packed against the first of them."""
        queue = document["folder"]["id"], document["queue"]["id"]
        if (mould := self._moulds.get(queue)) is None:
            if len(self._moulds) >= _MOULDS_MOST:
                self._moulds.clear()
            mould = self._moulds[queue] = Mould(queue[0], body)
        return ItemSlot(receipt, mould, body, document)
