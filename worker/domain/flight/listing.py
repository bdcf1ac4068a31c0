"""What is told of jobs in flight to those who ask which there are."""

from collections.abc import Callable, Mapping
from typing import Any

from worker.domain.flight.heard import text, whole

Document = Mapping[str, Any]

ROWS_MOST = 10_000
"""So many rows can be asked for."""
_STATES_MOST = 100


def wanted(question: Document) -> Callable[[Document], bool]:
    """Whether a tracking document is asked for. What *question* leaves out or null does not matter.

    *question* has `states` (any of them), `process` (name or package id), `folder` (`path`, `id` or `key`)
    and `requestId`. Names are the same in any case. Anybody may ask: what is neither text nor a whole number
    within bounds raises `AttributeError`, `TypeError` or `ValueError`.
    """
    if len(asked_states := question.get("states") or ()) > _STATES_MOST:
        raise ValueError("too many states")
    states = frozenset(text(state).lower() for state in asked_states)
    process, request = _folded(_asked(question.get("process"))), _asked(question.get("requestId"))
    folder = {name: _folded(_asked(value)) for name, value in (question.get("folder") or {}).items()}

    def is_wanted(document: Document) -> bool:
        at, of = document["folder"], document["process"]
        return (
            (not states or document["state"].lower() in states)
            and (not process or process in (_folded(of["name"]), _folded(of["packageId"])))
            and (not request or document["requestId"] == request)
            and all(_folded(at.get(name)) == value for name, value in folder.items())
        )

    return is_wanted


def limit_of(question: Document) -> int:
    """How many rows are asked for; raises `KeyError` or `ValueError` where that cannot be."""
    return whole(question["limit"], ROWS_MOST)


def row(document: Document) -> dict[str, Any]:
    """What is told of a job: its ids, the state announced last, and since when it is followed."""
    shown = ("requestId", "job", "state", "resumeVersion", "createdAt", "trackedSince", "index", "count")
    return {
        **{name: document[name] for name in shown},
        "process": document["process"]["name"],
        "folder": document["folder"],
    }


def age_order(shown: Document) -> tuple[str, int]:
    """Sorts rows: the oldest first, and those of one moment by their ids."""
    return shown["createdAt"] or shown["trackedSince"], shown["job"]["id"]


def _asked(value: Any) -> str | int | None:
    return value if value is None else text(value) if isinstance(value, str) else whole(value)


def _folded(value: Any) -> str | None:
    return None if value is None else str(value).lower()
