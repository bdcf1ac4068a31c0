"""What was heard of each job, in the order in which it was heard; what is repeated is kept apart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import time
from typing import Any, NamedTuple

from chaos.ledger.course import TERMINAL, Amiss, Told, amiss


class Repeat(NamedTuple):
    """An event that came again, when so many jobs had *ended*, and how long after it was told first."""

    job: int
    state: str
    ended: int
    after_s: float


@dataclass(slots=True)
class History:
    """All that was heard so far. Lags are seconds from the server's time of a change to its event."""

    courses: dict[int, list[Told]] = field(default_factory=dict)
    repeats: list[Repeat] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    heard_at: float = field(default_factory=time)
    _first: dict[str, float] = field(default_factory=dict)

    def hear(self, event: Mapping[str, Any]) -> None:
        """An event came, now."""
        self.heard_at = time()
        data = event["data"]
        if "state" not in data:
            self.expired.append(f"job {data['job']['id']}: {event['type']}")
            return
        told = Told.by(event)
        first = self._first.setdefault(told.id, self.heard_at)
        if first != self.heard_at:
            self.repeats.append(Repeat(data["job"]["id"], told.state, len(self.ends), self.heard_at - first))
            return
        self.courses.setdefault(data["job"]["id"], []).append(told)
        if told.state in TERMINAL:
            self.ends.append(self.heard_at - _epoch(data["endedAt"]))
        elif told.state == "Running":
            self.running.append(self.heard_at - _epoch(data["startedAt"]))


def judged(started: Iterable[int], courses: Mapping[int, Sequence[Told]]) -> dict[str, list[int]]:
    """The jobs that each thing is amiss with; among them those told of that nobody started."""
    ids, wrong = set(started), {kind.value: list[int]() for kind in Amiss}
    for job in sorted(ids):
        for kind in amiss(courses.get(job, ())):
            wrong[kind.value].append(job)
    return wrong | {"never started": sorted(courses.keys() - ids)}


def _epoch(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
