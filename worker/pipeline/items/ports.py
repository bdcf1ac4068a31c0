"""What adding queue items needs from outside, in its own words. Adapters keep these promises, unimported."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from worker.domain.processes import Folder
from worker.domain.queues import Item, Queue


class Queues(Protocol):
    """Orchestrator's queues. Verbs raise only `Rejected`, `Unavailable` or, add alone, `OutcomeUnknown`."""

    @property
    def marks(self) -> bool:
        """True where items keep a ParentOperationId, which tells whose they are beside their Reference."""

    async def queues(self, folder: Folder, *, fresh: bool = False) -> Sequence[Queue]:
        """Lists the queues of a folder, cached; *fresh* reads them again, unless they just were."""

    async def add(
        self,
        folder: Folder,
        queue: Queue,
        item: Mapping[str, Any],
        *,
        may_send: Callable[[], bool],
        alone: bool = False,
    ) -> Item | None:
        """Adds an item, sent once. A lost answer is `OutcomeUnknown`; None: added, and its id is not told.

        *alone*: its id is told. *item* has Orchestrator's own names. A Reference that is taken is `Rejected`
        with errorCode 1016. *may_send* is asked right before each exchange, and a no is `Unavailable`.
        """

    async def find(self, folder: Folder, reference: str, *, since: float) -> Sequence[Item]:
        """All items of a folder whose Reference equals *reference* to the byte, in any of its queues.

        Never raises `Rejected`: a look-up that is refused proves nothing. An empty answer means: asked in
        this folder, the filter was taken, every page read. *since*: as for jobs.
        """
