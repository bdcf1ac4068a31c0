"""How queue items are followed. Keeps the promises of `tracking.items.ports.Telemetry`."""

from collections.abc import Callable, Mapping

from worker.domain.words import ProcessingStatus
from worker.web.metrics.families import Counts, Levels

_OTHER = "other"
_STATUSES = tuple(map(str, ProcessingStatus))


class ItemMetrics:
    """Counts queue items that are followed. *defect* is told of errors of ours, as of those with jobs."""

    def __init__(self, defect: Callable[[], None]) -> None:
        self.defect = defect
        statuses = {"status": f"{', '.join(_STATUSES)}; {_OTHER}"}
        self._tracked = Levels("jobrelay_queue_items_tracked", "Queue items that are followed here", statuses)
        self._told = Counts(
            "jobrelay_queue_item_states",
            "Statuses of queue items announced",
            statuses,
            known=[(status,) for status in _STATUSES],
        )
        self._expired = Counts(
            "jobrelay_queue_items_expired",
            "Queue items followed no more, because nobody could see them for EXPIRE_AFTER_S",
        )
        self.tracked({})

    def tracked(self, statuses: Mapping[str, int]) -> None:
        """How many items are in each status, as it was announced last."""
        for status in _STATUSES:
            self._tracked.to(statuses.get(status, 0), status)
        known = sum(statuses.get(status, 0) for status in _STATUSES)
        self._tracked.to(sum(statuses.values()) - known, _OTHER)

    def told(self, status: str) -> None:
        """A status was announced."""
        self._told.up(status if status in _STATUSES else _OTHER)

    def expired(self) -> None:
        """An item is followed no more, and its end is not known."""
        self._expired.up()
