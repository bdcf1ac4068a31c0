"""Every fault of the simulator at every operation that a worker calls, each now and then."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

Rule = dict[str, Any]
_LATE_S = 2.0  # longer than the worker waits
_SOON_S = 0.3  # shorter than the time in which a lost POST may still commit
_AWAY: tuple[Rule, ...] = (
    {"do": "status", "status": 503},
    {"do": "status", "status": 500},
    {"do": "status", "status": 502},
    {"do": "status", "status": 429, "retryAfter": 1},
    {"do": "hang"},
    {"do": "reset"},
    {"do": "garbage"},
    {"do": "delay", "seconds": _SOON_S},
    {"do": "delay", "seconds": _LATE_S},
)
_ASKED: tuple[Rule, ...] = (*_AWAY, {"do": "html"}, {"do": "empty-400"}, {"do": "expire-token"})
# What a look-up or a read of a job is told proves nothing, whatever it is.
_LOOKED_UP: tuple[Rule, ...] = (*_ASKED, {"do": "status", "status": 403}, {"do": "status", "status": 404})
_DONE: tuple[Rule, ...] = (
    *_ASKED,
    *({"do": "commit-then-status", "status": status} for status in (500, 502, 503, 504, 524)),
    {"do": "commit-then-hang"},
    {"do": "commit-then-reset"},
    {"do": "commit-then-cut"},
    {"do": "commit-then-delay", "seconds": _SOON_S},
    {"do": "commit-then-delay", "seconds": _LATE_S},
    {"do": "reset-then-commit", "seconds": _SOON_S},
    {"do": "status-then-commit", "status": 502, "seconds": _SOON_S},
    {"do": "status-then-commit", "status": 504, "seconds": _SOON_S},
)
_STARTED: tuple[Rule, ...] = (
    *_DONE,
    {"do": "partial"},
    {"do": "status", "status": 409, "code": 1671, "message": "no robot"},
)
_OPERATIONS = {
    "StartJobs": _STARTED,
    "JobsList": _LOOKED_UP,
    "JobById": _LOOKED_UP,
    "Token": _AWAY,
    "Folders": _ASKED,
    "Releases": _ASKED,
    "AddQueueItem": _DONE,
    "BulkAddQueueItems": _DONE,
    "QueueItems": _LOOKED_UP,
    "QueueDefinitions": _ASKED,
}


def rules(share: float) -> list[Rule]:
    """Faults that strike about *share* of the calls of every operation, each kind as often as any other."""
    return [
        {**rule, "operation": operation, "probability": share / len(kinds)}
        for operation, kinds in _OPERATIONS.items()
        for rule in (*kinds, *_dated())
    ]


def kinds() -> set[str]:
    """All that a fault may do here."""
    return {rule["do"] for kinds in _OPERATIONS.values() for rule in kinds}


def _dated() -> list[Rule]:
    """A Retry-After in its other form; a date that soon has passed asks for no wait."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    return [{"do": "status", "status": 429, "retryAfter": soon}]
