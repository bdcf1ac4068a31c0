"""What following queue items needs from outside, in its own words."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from worker.domain.queues.transactions import Transaction


class Items(Protocol):
    """Orchestrator's queue items."""

    async def tries(self, folder_id: int, reference: str, *, since: float) -> Sequence[Transaction]:
        """All tries of the items of a folder whose Reference equals *reference* to the byte.

        Those of one moment share list calls, which give way to other lists. `Unavailable` where nothing is
        known now, also THROTTLED; `Rejected` where they may not be seen. *since*: see `Orchestrator.find`.
        """


class Telemetry(Protocol):
    """Counts what happens to items that are followed; never in the way."""

    def tracked(self, statuses: Mapping[str, int]) -> None:
        """How many items are followed here now, by the status that was announced last."""

    def told(self, status: str) -> None:
        """A status was announced."""

    def expired(self) -> None:
        """An item is followed no more, and its end is not known."""

    def defect(self) -> None:
        """An error of ours put off the look at an item."""
