"""Queue items, to the domain. Pure: what does not fit raises a `ValueError`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from worker.domain.queues import Item
from worker.orchestrator.jobs import moment_of


def item_of(row: Mapping[str, Any]) -> Item:
    """A QueueItemDto: Id, Key, Reference and QueueDefinitionId have to fit; the rest may be missing."""
    number, queue_id, reference = row.get("Id"), row.get("QueueDefinitionId"), row.get("Reference")
    if type(number) is not int or type(queue_id) is not int or number < 1:
        raise ValueError("a queue item's Id or QueueDefinitionId is no number")
    if reference is not None and not isinstance(reference, str):
        raise ValueError("a queue item's Reference is no text")
    parent, content = row.get("ParentOperationId"), row.get("SpecificContent")
    return Item(
        id=number,
        key=str(UUID(row["Key"])),
        reference=reference or "",
        queue_id=queue_id,
        created_at=moment_of(row.get("CreationTime")),
        parent=parent if isinstance(parent, str) else None,
        content=content if isinstance(content, dict) else None,
    )
