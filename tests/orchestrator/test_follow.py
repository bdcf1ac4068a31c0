"""What tracking asks of Orchestrator: the client, over HTTP, and the one in memory promise the same."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import fake_orchestrator
import pytest
from seeded import client_of, shared, start_info
from simulated import Simulated

from worker.domain.jobs import Changes, Cursor, Job, Sighting
from worker.domain.processes import Folder
from worker.pipeline.ports import Orchestrator

STILL = {f"{state}Seconds": 600 for state in ("pending", "running", "suspended", "stopping")}
KINDS: dict[str, dict[str, Any] | None] = {
    "in memory": None,
    "of today": {},
    "that does not filter by LastModificationTime": {"notFilterable": ["LastModificationTime"]},
    "of 2020": {"apiVersion": 11},
}


class Tenant:
    """An Orchestrator, and how its jobs are moved."""

    def __init__(self, verbs: Orchestrator, folder: Folder, move: Callable[[int, str], None]) -> None:
        self.verbs = verbs
        self.folder = folder
        self.move = move
        self._cursor: Cursor | None = None

    async def start(self, reference: str, count: int = 1) -> list[Job]:
        return list(await self.verbs.start(self.folder, start_info(reference, JobsCount=count)))

    async def round(self) -> list[Sighting]:
        """All that is given until a round is over."""
        found: list[Sighting] = []
        while True:
            changes: Changes = await self.verbs.changes(self.folder.id, self._cursor)
            found += changes.sightings
            self._cursor = changes.cursor
            assert hash(changes.cursor) == hash(self._cursor)
            if not changes.more:
                return found


@pytest.fixture(params=KINDS)
async def tenant(request: pytest.FixtureRequest) -> AsyncIterator[Tenant]:
    """Every kind of Orchestrator."""
    behaviour = KINDS[request.param]
    if behaviour is None:
        memory = fake_orchestrator.Orchestrator()

        def become(number: int, state: str) -> None:
            memory.becomes(number, state=state)

        yield Tenant(memory, fake_orchestrator.MODERN, become)
        return
    simulator: Simulated = request.getfixturevalue("seeded")
    simulator.tell("PATCH", "behaviour", behaviour | {"jobs": STILL})
    async with _simulated(simulator) as tenant:
        yield tenant


@asynccontextmanager
async def _simulated(simulator: Simulated) -> AsyncIterator[Tenant]:
    async with client_of(simulator, http_timeout_s=10, poll_budget_per_min=600) as client:

        def move(number: int, state: str) -> None:
            simulator.tell("PATCH", f"jobs/{number}", {"state": state})

        yield Tenant(client, await shared(client), move)


async def test_a_scan_gives_what_changed_since_it_began(tenant: Tenant) -> None:
    """Not what was before, each state after that, and nothing of the folder beside."""
    (old, *jobs) = await tenant.start("jobrelay:r", 4)
    tenant.move(old.id, "Running")
    assert await tenant.round() == []
    for state in ("Running", "Suspended", "Resumed", "Stopping", "Successful"):
        tenant.move(jobs[0].id, state)
        assert _state_of(jobs[0], await tenant.round()) == state
    assert _state_of(jobs[2], await tenant.round()) in (None, "Pending")


def _state_of(job: Job, sightings: list[Sighting]) -> str | None:
    """The last state that a scan gave of a job."""
    return next((one.state for one in reversed(sightings) if one.key == job.key.lower()), None)


async def test_pages_of_one_instant_are_given_whole(tenant: Tenant) -> None:
    """More jobs than a page has rows end at once: all are given."""
    assert await tenant.round() == []
    jobs = await tenant.start("jobrelay:r", 1_100)
    await tenant.verbs.stop(tenant.folder, [job.id for job in jobs])
    ended = {one.key for one in await tenant.round() if one.state == "Stopped"}
    assert ended == {job.key.lower() for job in jobs}
