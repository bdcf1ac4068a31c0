"""What the tests of followed queue items begin with: a tracker with one item, between fakes."""

from dataclasses import replace
from typing import Any

import orjson
from fake_orchestrator import MODERN
from fakes import Delivery
from post import Post

from worker.domain.events import Sender
from worker.domain.messages import Message
from worker.domain.queues import Added, Item, Queue
from worker.domain.queues.events import item_tracking
from worker.domain.queues.transactions import Transaction
from worker.domain.requests import Kind

REFERENCE = "jobrelay:inv-1"
KEY, OTHER = "1f0c3b52-6f43-4b0e-9a3e-0d3d1c5a4801", "1f0c3b52-6f43-4b0e-9a3e-0d3d1c5a4802"
QUEUE = Queue(31, "Invoices")
FIRST = Transaction(48001, KEY, REFERENCE, QUEUE.id, "New")
APPLICATION = {"type": "ApplicationException", "reason": "no answer", "details": None}
BUSINESS = {"type": "BusinessException", "reason": "no such order", "details": None}
BEGAN = "2026-11-22T08:21:02.1Z"


def row(status: str, number: int = 0, **more: Any) -> Transaction:
    """A try of the item: its first, or a later one by its *number*."""
    return replace(FIRST, id=FIRST.id + number, status=status, retry_number=number, **more)


class ItemPost(Post):
    """A tracker with one item, which it follows until its tracking messages end."""

    def __init__(self, *, told: bool = True, reference: str = REFERENCE) -> None:
        super().__init__()
        item = Item(FIRST.id, KEY, reference, QUEUE.id) if told else None
        added = Added(MODERN, QUEUE, reference, item, adopted=False, followed=True)
        sender = Sender("inv-1", "c-1", "answers", None, {"team": "a"}, Kind.QUEUE_ITEM)
        self.known = item_tracking(sender, added.document(), self.tenant.clock())

    def sees(self, *looks: Any) -> None:
        """What each of the next looks meets with: rows, or a failure."""
        self.tenant.meets("tries", *looks)

    def of(self, name: str, *, redelivered: bool = False, **known: Any) -> Delivery:
        """The tracking message of the item of another request."""
        body = orjson.dumps({**self.known, "requestId": name, **known})
        return Delivery(Message(body=body, redelivered=redelivered), self.journal)

    def told(self) -> list[tuple[int, str, bool]]:
        """Which try, its status, and whether it is the end: of all that was announced."""
        data = [event.data for event in self.outbox.events if ".state." in event.routing_key]
        return [(one["retryNumber"], one["status"], one["terminal"]) for one in data]
