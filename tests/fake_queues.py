"""Queues in memory: keep their port's promises (`pipeline.items.ports`), and fail as a test tells them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from fake_orchestrator import Lost, Orchestrator

from worker.domain.failures import Answer, Code, Later, OutcomeUnknown, Rejected, Unavailable
from worker.domain.processes import Folder
from worker.domain.queues import Item, Queue

PLAIN, STRICT = Queue(31, "Invoices"), Queue(32, "Unique")


@dataclass
class Queues:
    """A tenant's queues; `STRICT` takes no Reference twice. Its script has `queues`, `add`, `find_items`.

    What *untold* is true for is added without an answer that names it.
    """

    tenant: Orchestrator
    marks: bool = True
    untold: bool = False
    known: list[Queue] = field(default_factory=lambda: [PLAIN, STRICT])
    items: list[tuple[float, int, Item]] = field(default_factory=list)

    async def queues(self, folder: Folder, *, fresh: bool = False) -> Sequence[Queue]:
        """Lists the queues."""
        await self.tenant._called("queues", (folder.id, fresh))
        return self.known

    async def add(
        self,
        folder: Folder,
        queue: Queue,
        item: Mapping[str, Any],
        *,
        may_send: Callable[[], bool],
        alone: bool = False,
    ) -> Item | None:
        """Adds an item, unless the script says otherwise."""
        if not may_send():
            raise Unavailable(Later.UNREACHABLE, "not sent")
        met = await self.tenant._called("add", dict(item))
        lost = isinstance(met, Lost)
        if lost and met.commits == 0:
            raise OutcomeUnknown("the answer was lost")
        taken = any(known.reference == item["Reference"] for known in self._in(folder, queue))
        if queue == STRICT and taken:
            raise Rejected(Code.ORCHESTRATOR_REFUSED, "taken", answer=Answer(409, 1016))
        added = self.commit(folder, queue, item, met.late if lost else 0.0)
        if lost:
            raise OutcomeUnknown("the answer was lost")
        return None if self.untold and not alone else added

    async def find(self, folder: Folder, reference: str, *, since: float) -> Sequence[Item]:
        """All items of a Reference that are committed by now."""
        await self.tenant._called("find_items", (folder.id, reference, since))
        now = self.tenant.clock()
        there = [item for at, where, item in self.items if where == folder.id and at <= now]
        return [item for item in there if item.reference == reference]

    def commit(self, folder: Folder, queue: Queue, item: Mapping[str, Any], late: float = 0.0) -> Item:
        """Adds an item, visible *late* seconds from now."""
        number = 48_001 + len(self.items)
        row = Item(
            id=number,
            key=item.get("Key") or str(uuid5(NAMESPACE_OID, f"item {number}")),
            reference=item["Reference"],
            queue_id=queue.id,
            created_at=item.get("CreationTime", "2026-12-01T10:00:00.12Z"),
            parent=item.get("ParentOperationId"),
            content=item.get("SpecificContent"),
        )
        self.items.append((self.tenant.clock() + late, folder.id, row))
        return row

    def _in(self, folder: Folder, queue: Queue) -> list[Item]:
        return [item for _, where, item in self.items if (where, item.queue_id) == (folder.id, queue.id)]
