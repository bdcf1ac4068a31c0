"""What was told of a job's states or an item's statuses, in the order of hearing, and what is amiss. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple, Self

TERMINAL = frozenset({"Faulted", "Successful", "Stopped"})
_FIRST = frozenset({"Pending", "New"})
_JOBS = {"Pending": 0, "Resumed": 0, "Running": 1, "Suspended": 2, "Stopping": 2, "Terminating": 3}
_RANKS = _JOBS | {"New": 0, "InProgress": 1, "Retried": 2}


class Told(NamedTuple):
    """One event that told of a state; what is repeated under the same id is none."""

    id: str
    state: str
    previous: str
    resumed: int = 0

    @classmethod
    def by(cls, event: Mapping[str, Any]) -> Self:
        """Reads a `job-state`."""
        data = event["data"]
        return cls(str(event["id"]), data["state"], data["previousState"], data["resumeVersion"])

    @classmethod
    def of_item(cls, event: Mapping[str, Any]) -> Self:
        """Reads a `queue-item-state`."""
        data = event["data"]
        return cls(str(event["id"]), data["status"], data["previousStatus"], data["retryNumber"])

    @property
    def place(self) -> tuple[bool, int, int]:
        """How far it has come: nothing comes after an end; each resumption, or try, begins a round."""
        return self.state in TERMINAL, self.resumed, _RANKS.get(self.state, len(_RANKS))


class Amiss(StrEnum):
    """What must not be."""

    LOST = "its end was not told"
    TWICE = "a state was told under two ids"
    DISORDERED = "states were told out of order"
    GAP = "a state that others follow was not told"


def amiss(course: Sequence[Told]) -> list[Amiss]:
    """All that is wrong with a course. Skipped states are not: a job may pass them between two looks."""
    found = [] if any(told.state in TERMINAL for told in course) else [Amiss.LOST]
    if max(Counter((told.state, told.resumed) for told in course).values(), default=0) > 1:
        found.append(Amiss.TWICE)
    elif any(later.place <= told.place for told, later in pairwise(course)):
        found.append(Amiss.DISORDERED)
    if {told.previous for told in course} - _FIRST - {told.state for told in course}:
        found.append(Amiss.GAP)
    return found
