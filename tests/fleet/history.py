"""What was heard of each job, in the order in which it was heard; what is repeated is kept apart."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import time
from typing import Any, NamedTuple

TERMINAL = frozenset({"Faulted", "Successful", "Stopped"})


class Told(NamedTuple):
    """One event about a job."""

    id: str
    state: str
    previous: str
    resumed: int


@dataclass(slots=True)
class History:
    """All that was heard so far. Lags are seconds from the server's time of a change to its event.

    *surplus* are events that state a fact once more under another id.
    """

    courses: dict[int, list[Told]] = field(default_factory=dict)
    repeats: Counter[int] = field(default_factory=Counter)
    expired: list[str] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    heard_at: float = field(default_factory=time)

    def hear(self, event: Mapping[str, Any]) -> None:
        """An event came, now."""
        self.heard_at = time()
        data = event["data"]
        if "state" not in data:
            self.expired.append(f"job {data['job']['id']}: {event['type']}")
            return
        told = Told(event["id"], data["state"], data["previousState"], data["resumeVersion"])
        course = self.courses.setdefault(data["job"]["id"], [])
        if any(one.id == told.id for one in course):
            self.repeats[data["job"]["id"]] += 1
            return
        course.append(told)
        if told.state in TERMINAL:
            self.ends.append(self.heard_at - _epoch(data["endedAt"]))
        elif told.state == "Running":
            self.running.append(self.heard_at - _epoch(data["startedAt"]))


def _epoch(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
