"""Orchestrators whose jobs a test moves as it likes: one in memory, and the simulator behind our client."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import fake_orchestrator
from seeded import client_of, shared, start_info
from simulated import Simulated

from worker.domain.jobs import Cursor, Job, Sighting
from worker.domain.processes import Folder
from worker.pipeline.ports import Orchestrator

STILL = {f"{state}Seconds": 600 for state in ("pending", "running", "suspended", "stopping")}
Line = tuple[str, str]


class Tenant:
    """One folder of an Orchestrator, and what goes on in it. *tells_why*: as servers of API 15 do."""

    def __init__(self, verbs: Orchestrator, folder: Folder, *, tells_why: bool = True) -> None:
        self.verbs = verbs
        self.folder = folder
        self.tells_why = tells_why
        self._cursor: Cursor | None = None

    async def start(self, reference: str, count: int = 1) -> list[Job]:
        """Starts jobs, which stay Pending."""
        return list(await self.verbs.start(self.folder, start_info(reference, JobsCount=count)))

    async def round(self) -> list[Sighting]:
        """All that a scan gives until its round is over; the first one gives nothing."""
        found: list[Sighting] = []
        while True:
            changes = await self.verbs.changes(self.folder.id, self._cursor)
            found += changes.sightings
            self._cursor = changes.cursor
            if not changes.more:
                return found

    def hand_over(self) -> None:
        """Another process goes on with the scan."""
        assert self._cursor is not None
        self._cursor = self.verbs.cursor(self._cursor.word)
        assert self._cursor is not None

    def move(self, job: Job, state: str) -> None:
        """Puts a job into a state."""
        raise NotImplementedError

    def holds_up(self, job: Job, reason: str) -> None:
        """Why a job stays Pending."""
        raise NotImplementedError

    def logs(self, job: Job, lines: Sequence[Line]) -> None:
        """What a job logs when it runs: level and message of each line."""
        raise NotImplementedError


class InMemory(Tenant):
    """The one that the worker's own tests use."""

    def __init__(self) -> None:
        self._memory = fake_orchestrator.Orchestrator()
        super().__init__(self._memory, fake_orchestrator.MODERN)

    def move(self, job: Job, state: str) -> None:
        self._memory.becomes(job.id, state=state)

    def holds_up(self, job: Job, reason: str) -> None:
        self._memory.reasons[job.id] = [reason]

    def logs(self, job: Job, lines: Sequence[Line]) -> None:
        self._memory.lines[job.key] = [
            {"time": "2026-11-21T10:00:00Z", "level": level, "message": message}
            for level, message in lines
            if level in ("Error", "Fatal")
        ]


class Simulator(Tenant):
    """The simulator, over HTTP."""

    def __init__(self, simulator: Simulated, verbs: Orchestrator, folder: Folder, *, tells_why: bool) -> None:
        self._simulator = simulator
        super().__init__(verbs, folder, tells_why=tells_why)

    def move(self, job: Job, state: str) -> None:
        self._simulator.tell("PATCH", f"jobs/{job.id}", {"state": state})

    def holds_up(self, job: Job, reason: str) -> None:
        assert job.state == "Pending"
        self._behave(pendingReasons=[reason])

    def logs(self, job: Job, lines: Sequence[Line]) -> None:
        assert job.state == "Pending", "all jobs that run log the like"
        self._behave(logs=[{"Level": level, "Message": message} for level, message in lines])

    def _behave(self, **jobs: Any) -> None:
        self._simulator.tell("PATCH", "behaviour", {"jobs": jobs})


@asynccontextmanager
async def simulated(simulator: Simulated, **behaviour: Any) -> AsyncIterator[Tenant]:
    """The simulator, whose jobs stay as they are until they are moved, and a client of it."""
    still = {"jobs": {**STILL, "outcomes": {"Pending": 1}}}
    simulator.tell("PATCH", "behaviour", behaviour | still)
    scope = "OR.Jobs OR.Folders.Read OR.Monitoring.Read"
    async with client_of(simulator, http_timeout_s=10, poll_budget_per_min=600, scope=scope) as client:
        tells_why = behaviour.get("apiVersion", 20) >= 15
        yield Simulator(simulator, client, await shared(client), tells_why=tells_why)
