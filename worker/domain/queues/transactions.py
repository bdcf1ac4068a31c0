"""What becomes of a queue item, decided: each try is a row of its own, and the latest counts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from worker.domain.words import ProcessingExceptionType, ProcessingStatus

FINAL = frozenset(
    {
        ProcessingStatus.SUCCESSFUL,
        ProcessingStatus.FAILED,
        ProcessingStatus.ABANDONED,
        ProcessingStatus.DELETED,
    }
)
# Orchestrator may try these again by itself, and its next row may be there a moment later.
_PERHAPS_TRIED_AGAIN = frozenset({ProcessingStatus.FAILED, ProcessingStatus.ABANDONED})
_RARELY_S = 600.0


@dataclass(frozen=True, slots=True)
class Transaction:
    """One try of a queue item, as its row tells. Times are the server's text (RFC 3339).

    *exception* has `type`, `reason` and `details`, any of them None; None where there was none.
    """

    id: int
    key: str
    reference: str
    queue_id: int
    status: str
    review_status: str | None = None
    retry_number: int = 0
    started_at: str | None = None
    ended_at: str | None = None
    deferred_until: str | None = None
    progress: str | None = None
    exception: Mapping[str, str | None] | None = None
    output: Any = None

    @property
    def moment(self) -> str | None:
        """What tells a status apart that comes again in one try, as where a robot has postponed it."""
        if self.status == ProcessingStatus.IN_PROGRESS:
            return self.started_at
        return self.deferred_until if self.status == ProcessingStatus.NEW else None

    @property
    def final(self) -> bool:
        """True where no other status follows in this try."""
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class Known:
    """What has been announced of an item: the try's *id* (None: none was seen), its status and moment.

    *missing_since* (epoch seconds): since when no try of it is to be seen.
    """

    id: int | None
    status: str
    moment: str | None = None
    missing_since: float | None = None


class Step(Enum):
    """What to do after a look at an item."""

    KEEP = auto()  # nothing new
    TELL = auto()  # there is news
    MISS = auto()  # it is not to be seen: from now on its time runs
    FIND = auto()  # it is there again
    EXPIRE = auto()  # it was not to be seen for too long


def tries_of(rows: Sequence[Transaction], key: str | None, queue_id: int) -> Sequence[Transaction]:
    """An item's tries among *rows* of its Reference, the oldest first.

    Without its *key* it is the oldest item of its queue: then nobody else has its Reference, and a younger
    one is a second addition.
    """
    ordered = sorted(rows, key=lambda row: row.id)
    if key is None:
        key = next((row.key for row in ordered if row.queue_id == queue_id), "")
    return [row for row in ordered if row.key.lower() == key.lower()]


def news(known: Known, tries: Sequence[Transaction]) -> Sequence[Transaction]:
    """The tries that tell what has not been announced, in the order of what happened."""
    return [row for row in tries if row.id >= (known.id or 0) and _is_news(known, row)]


def _is_news(known: Known, row: Transaction) -> bool:
    first_seen = row.id != known.id
    if row.status == ProcessingStatus.NEW and (first_seen or known.status == ProcessingStatus.NEW):
        return False  # every try begins so
    return first_seen or (row.status, row.moment) != (known.status, known.moment)


def next_step(known: Known, tries: Sequence[Transaction], now: float, expire_after_s: float) -> Step:
    """What follows from a look that showed *tries*."""
    if not tries:
        if known.missing_since is None:
            return Step.MISS
        return Step.EXPIRE if now - known.missing_since >= expire_after_s else Step.KEEP
    if news(known, tries):
        return Step.TELL
    return Step.FIND if known.missing_since is not None else Step.KEEP


def is_settled(latest: Transaction, suspected: int | None) -> bool:
    """False where the end that *latest* tells may be followed by another try: it is looked at once more.

    *suspected* is the id of the try that had ended so at the look before.
    """
    if latest.status not in _PERHAPS_TRIED_AGAIN or latest.id == suspected:
        return True
    return (latest.exception or {}).get("type") == ProcessingExceptionType.BUSINESS


def pause(quiet_s: float, interval_s: float) -> float:
    """Seconds to the next look at an item of which nothing new was seen for *quiet_s*.

    An item may wait for days, and lists are few: a tenth of the time that it has been quiet, and ten minutes
    at most.
    """
    return max(interval_s, min(quiet_s / 10, _RARELY_S))
