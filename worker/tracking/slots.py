"""The jobs in this tracker's hands, and what is known of each."""

import math
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from worker.domain.flight.steps import Known, Patience
from worker.domain.jobs import JobState
from worker.pipeline.ports import Receipt
from worker.tracking.hold import Held, Hold
from worker.tracking.hold.moulds import Moulds


class Slot(Held):
    """A job in hand: its message's receipt and document, and what is known of it."""

    __slots__ = ("again", "job_id", "known", "queued", "read_at")

    def __init__(self, receipt: Receipt, moulds: Moulds, body: bytes, document: Mapping[str, Any]) -> None:
        job, process = document["job"], document["process"]
        kind = process["releaseKey"] or "", process["name"]
        mould = moulds.of(document["folder"]["id"], kind, body)
        super().__init__(receipt, job["key"].lower(), document["generation"], mould, body)
        self.job_id: int = job["id"]
        self.known = _known(document)
        self.read_at = float("-inf")
        self.queued = self.again = False

    @property
    def state(self) -> str:
        """The state that was announced last."""
        return self.known.state


class Slots(Hold[Slot]):
    """All jobs of one tracker."""

    def __init__(self, patience: Patience, now: float) -> None:
        super().__init__(patience.consumer_timeout_s, now)
        self._waiting: dict[Slot, float] = {}

    def wait(self, slot: Slot, now: float) -> None:
        """*slot* waits for a look from now on, until it is `seen`."""
        self._waiting[slot] = now

    def waits(self, slot: Slot, now: float) -> float:
        """For how many seconds *slot* has been waiting."""
        return now - self._waiting[slot]

    def seen(self, slot: Slot) -> None:
        """The look at *slot* is over."""
        self._waiting.pop(slot, None)

    def late(self, now: float) -> float:
        """For how many seconds the oldest look has been waiting."""
        return now - next(iter(self._waiting.values()), now)


def _known(document: Mapping[str, Any]) -> Known:
    pending = document["state"] == JobState.PENDING and not document.get("explained")
    since = math.ceil(datetime.fromisoformat(document["trackedSince"]).timestamp()) if pending else None
    return _one(document["state"], document["resumeVersion"], since, document.get("missingSince"))


@lru_cache(1024)
def _one(state: str, resume_version: int, pending_since: int | None, missing_since: float | None) -> Known:
    """One object for all of whom the same is known: nearly all, but for the seconds since which some wait."""
    return Known(state, resume_version, pending_since, missing_since)
