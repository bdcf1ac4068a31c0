"""Queue items, to the domain. Pure: what does not fit raises a `ValueError`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from worker.domain.queues import Item
from worker.domain.queues.transactions import Transaction
from worker.domain.words import ProcessingExceptionType, ProcessingStatus, ReviewStatus, read
from worker.orchestrator.rows import LONGEST_TEXT, LONGEST_WORD, moment_of, number_of, output_of, text_of


def item_of(row: Mapping[str, Any]) -> Item:
    """A QueueItemDto: Id, Key, Reference and QueueDefinitionId have to fit; the rest may be missing."""
    number, key, reference, queue_id = _names(row)
    parent, content = row.get("ParentOperationId"), row.get("SpecificContent")
    return Item(
        id=number,
        key=key,
        reference=reference,
        queue_id=queue_id,
        created_at=moment_of(row.get("CreationTime")),
        parent=parent if isinstance(parent, str) else None,
        content=content if isinstance(content, dict) else None,
    )


def transaction_of(row: Mapping[str, Any]) -> Transaction:
    """A QueueItemDto as a try: what `item_of` wants and Status have to fit; the rest may be missing."""
    number, key, reference, queue_id = _names(row)
    status = read(ProcessingStatus, row.get("Status"))
    if status is None or len(status) > LONGEST_WORD:
        raise ValueError("a queue item's Status is no word")
    return Transaction(
        id=number,
        key=key,
        reference=reference,
        queue_id=queue_id,
        status=status,
        review_status=text_of(read(ReviewStatus, row.get("ReviewStatus")), LONGEST_WORD),
        retry_number=number_of(row.get("RetryNumber")) or 0,
        started_at=moment_of(row.get("StartProcessing")),
        ended_at=moment_of(row.get("EndProcessing")),
        deferred_until=moment_of(row.get("DeferDate")),
        progress=text_of(row.get("Progress")),
        exception=_exception(row),
        output=output_of(row.get("Output")),
    )


def _names(row: Mapping[str, Any]) -> tuple[int, str, str, int]:
    """Id, Key, Reference and QueueDefinitionId."""
    number, queue_id, reference = row.get("Id"), row.get("QueueDefinitionId"), row.get("Reference")
    if type(number) is not int or type(queue_id) is not int or number < 1:
        raise ValueError("a queue item's Id or QueueDefinitionId is no number")
    if reference is not None and not isinstance(reference, str):
        raise ValueError("a queue item's Reference is no text")
    return number, str(UUID(row["Key"])), reference or "", queue_id


def _exception(row: Mapping[str, Any]) -> dict[str, str | None] | None:
    """What went wrong in a try; its type may stand beside it."""
    told = row.get("ProcessingException")
    told = told if isinstance(told, dict) else {}
    kind = read(ProcessingExceptionType, told.get("Type") or row.get("ProcessingExceptionType"))
    texts = {name.lower(): text_of(told.get(name), LONGEST_TEXT) for name in ("Reason", "Details")}
    found = {"type": text_of(kind, LONGEST_WORD), **texts}
    return found if any(value is not None for value in found.values()) else None
