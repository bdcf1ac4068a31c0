"""An addition: AddQueueItem as what is done once, and its item as what a look-up by Reference finds of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from worker.domain.failures import Rejected, Unavailable
from worker.domain.outcomes import Deferred, Returned, Told
from worker.domain.processes import Folder
from worker.domain.queues import (
    DUPLICATE_REFERENCE,
    Added,
    Given,
    Item,
    ItemRequest,
    Place,
    Queue,
    own_and_surplus,
)
from worker.pipeline.items.ports import Queues
from worker.pipeline.once.claim import Claim
from worker.pipeline.once.once import Found, Once


class Adder:
    """Adds queue items once."""

    def __init__(self, queues: Queues, once: Once) -> None:
        self._queues = queues
        self._once = once

    async def look_up(
        self, claim: Claim, folder: Folder, queue: Queue | None, given: Given, *, track: bool
    ) -> Added | Deferred | Returned | None:
        """Finds out what became of earlier POSTs. None: nothing did, and nothing can any more.

        *track*: whoever asked wants to be told what becomes of the item.
        """
        addition = _Addition(self._queues, claim, folder, queue, given, track)
        return await self._once.look_up(claim, addition)

    async def add(self, claim: Claim, place: Place) -> Added | Deferred | Returned | Told:
        """Sends the POST, and settles a lost answer by looking up."""
        request = place.request
        addition = _Addition(
            self._queues, claim, place.folder, place.queue, request.given, request.track, request
        )
        return await self._once.do(claim, addition)


@dataclass(frozen=True, slots=True)
class _Addition:
    """The item of one request; see `Deed`. *queue* and *request* are there where it may be sent."""

    queues: Queues
    claim: Claim
    folder: Folder
    queue: Queue | None
    given: Given
    track: bool
    request: ItemRequest | None = None
    operation: str = "AddQueueItem"
    asked: int = 1

    @property
    def reference(self) -> str:
        return self.given.reference or self.claim.reference

    @property
    def _needs_ids(self) -> bool:
        """True where its Reference may be others', too, so that it could not be followed by that."""
        return self.track and self.request is not None and self.request.reference is not None

    async def find(self) -> Found[Item]:
        mark, since = self.claim.reference, self.claim.since
        # Its mark is its own in any queue: it may have been asked for with another one before.
        found = [item for item in await self._listed() if self._is_here(item) or item.bears(mark)]
        return Found(*own_and_surplus(found, mark, self.given, since, marked=self.queues.marks))

    async def send(self, may_send: Callable[[], bool]) -> Added:
        if self.queue is None or self.request is None:
            raise TypeError("an item is sent with its queue and its request")
        item = {**self.request.details, "SpecificContent": self.request.content, "Reference": self.reference}
        if self.request.reference is not None and self.queues.marks:
            item["ParentOperationId"] = self.claim.reference
        try:
            added = await self.queues.add(
                self.folder, self.queue, item, may_send=may_send, alone=self._needs_ids
            )
        except Rejected as why:
            if why.answer is None or why.answer.error_code != DUPLICATE_REFERENCE:
                raise
            return await self._there_already()
        return self._added([added] if added else [], adopted=False)

    async def adopt(self, found: Found[Item]) -> Added:
        return replace(self._added(found.own, adopted=True), surplus=found.surplus)

    async def still_alone(self, done: Added) -> Added:
        try:
            found = await self.find()
        except Unavailable:
            return done
        return replace(done, surplus=found.surplus)

    async def _there_already(self) -> Added:
        """Its Reference is taken: that is its item, whoever added it. It may have been deleted since."""
        found = [item for item in await self._listed() if self._is_here(item)]
        return self._added(sorted(found, key=lambda item: item.id), adopted=True)

    async def _listed(self) -> Sequence[Item]:
        return await self.queues.find(self.folder, self.reference, since=self.claim.since)

    def _is_here(self, item: Item) -> bool:
        return self.queue is None or item.queue_id == self.queue.id

    def _added(self, items: Sequence[Item], *, adopted: bool) -> Added:
        item = items[0] if items else None
        queue = self.queue
        if queue is None or (item and not self._is_here(item)):
            queue = Queue(item.queue_id if item else 0, "")
        return Added(self.folder, queue, self.reference, item, adopted, followed=self.track)
