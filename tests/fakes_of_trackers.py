"""Stand-ins for what trackers have in common. Each keeps the promises of the real one."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fake_orchestrator import Orchestrator

from worker.domain.queues.transactions import Transaction


@dataclass(frozen=True)
class Hint:
    """One hint, and who asked."""

    document: Any
    reply_to: str | None = None


@dataclass
class Hints:
    """Hints of one tracker: what it sends reaches it and all *others*, unless they are deaf."""

    sent: list[Mapping[str, Any]] = field(default_factory=list)
    answers: list[tuple[Any, Mapping[str, Any]]] = field(default_factory=list)
    others: "list[Hints]" = field(default_factory=list)
    deaf: bool = False
    _heard: "asyncio.Queue[Hint]" = field(default_factory=asyncio.Queue)

    def __aiter__(self) -> AsyncIterator[Hint]:
        return self

    async def __anext__(self) -> Hint:
        """The next hint."""
        return await self._heard.get()

    def send(self, document: Mapping[str, Any]) -> None:
        """Tells all trackers, this one too."""
        self.sent.append(document)
        for one in (self, *self.others):
            one.hear(document)

    def hear(self, document: Any) -> None:
        """A hint comes."""
        if not self.deaf:
            self._heard.put_nowait(Hint(document))

    def reply(self, hint: Any, document: Mapping[str, Any]) -> None:
        """Answers who sent *hint*."""
        self.answers.append((hint, document))


@dataclass
class Leases:
    """Leases that somebody else may hold: *taken*, shared by all."""

    taken: dict[str, "Leases"] = field(default_factory=dict)

    def held(self, name: str) -> bool:
        """True while it is held here."""
        return self.taken.get(name) is self

    async def take(self, name: str) -> bool:
        """Takes it, unless somebody else holds it."""
        return self.taken.setdefault(name, self) is self

    async def release(self, name: str) -> None:
        """Gives it up."""
        if self.held(name):
            del self.taken[name]


class Telemetry:
    """Keeps what it is told of jobs in flight."""

    def __init__(self) -> None:
        self.jobs_tracked: list[dict[str, int]] = []
        self.late: list[float] = []
        self.states: list[tuple[str, float | None]] = []
        self.given_up = self.surplus_jobs = self.defects = 0

    def tracked(self, states: Mapping[str, int]) -> None:
        """How many jobs are tracked here now."""
        self.jobs_tracked.append({state: count for state, count in states.items() if count})

    def looked(self, seconds_late: float) -> None:
        """A job is looked at."""
        self.late.append(seconds_late)

    def told(self, state: str, seconds_since_end: float | None) -> None:
        """A state was announced."""
        self.states.append((state, seconds_since_end))

    def expired(self) -> None:
        """A job is followed no more."""
        self.given_up += 1

    def duplicates(self, jobs: int) -> None:
        """A request has *jobs* more than it should."""
        self.surplus_jobs += jobs

    def defect(self) -> None:
        """An error of ours put off a look."""
        self.defects += 1


@dataclass
class Items:
    """A tenant's queue items: *rows*. A list in its script of `tries` is what they are from then on."""

    tenant: Orchestrator
    rows: list[Transaction] = field(default_factory=list)

    async def tries(self, folder_id: int, reference: str, *, since: float) -> Sequence[Transaction]:
        """All rows of a Reference, the youngest first: no order is promised."""
        met = await self.tenant._called("tries", (folder_id, reference, since))
        if isinstance(met, list):
            self.rows = met
        return [row for row in reversed(self.rows) if row.reference == reference]


class ItemTelemetry:
    """Keeps what it is told of queue items."""

    def __init__(self) -> None:
        self.items_tracked: dict[str, int] = {}
        self.statuses: list[str] = []
        self.given_up = self.defects = 0

    def tracked(self, statuses: Mapping[str, int]) -> None:
        """How many items are followed here now."""
        self.items_tracked = {status: count for status, count in statuses.items() if count}

    def told(self, status: str) -> None:
        """A status was announced."""
        self.statuses.append(status)

    def expired(self) -> None:
        """An item is followed no more."""
        self.given_up += 1

    def defect(self) -> None:
        """An error of ours put off a look."""
        self.defects += 1
