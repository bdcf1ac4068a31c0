"""What tracking asks of Orchestrator: the client, over HTTP, and the one in memory promise the same."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from simulated import Simulated
from tenants import InMemory, Tenant, simulated

from worker.domain.jobs import Job, Sighting

KINDS: dict[str, dict[str, Any] | None] = {
    "in memory": None,
    "of today": {},
    "that does not filter by LastModificationTime": {"notFilterable": ["LastModificationTime"]},
    "of 2020": {"apiVersion": 11},
}


@pytest.fixture(params=KINDS)
async def tenant(request: pytest.FixtureRequest) -> AsyncIterator[Tenant]:
    """Every kind of Orchestrator."""
    behaviour = KINDS[request.param]
    if behaviour is None:
        yield InMemory()
        return
    simulator: Simulated = request.getfixturevalue("seeded")
    async with simulated(simulator, **behaviour) as tenant:
        yield tenant


async def test_a_scan_gives_what_changed_since_it_began(tenant: Tenant) -> None:
    """Not what was before, and each state after that; a job that nothing happens to may be given, too."""
    (old, job, other) = await tenant.start("jobrelay:r", 3)
    tenant.move(old, "Running")
    assert await tenant.round() == []
    for state in ("Running", "Suspended", "Resumed", "Stopping", "Successful"):
        tenant.move(job, state)
        assert _state_of(job, await tenant.round()) == state
    assert _state_of(other, await tenant.round()) in (None, "Pending")


async def test_a_scan_is_gone_on_with_by_its_word(tenant: Tenant) -> None:
    """Whoever has it gives what changed since the page that came with it; what is no word begins no scan."""
    (job,) = await tenant.start("jobrelay:r")
    assert await tenant.round() == []
    tenant.hand_over()
    tenant.move(job, "Running")
    assert _state_of(job, await tenant.round()) == "Running"
    tenant.move(job, "Suspended")
    tenant.hand_over()
    assert _state_of(job, await tenant.round()) == "Suspended"
    assert tenant.verbs.cursor("nobody's") is None


def _state_of(job: Job, sightings: list[Sighting]) -> str | None:
    """The last state that a scan gave of a job."""
    return next((one.state for one in reversed(sightings) if one.key == job.key.lower()), None)


async def test_a_page_and_more_of_one_instant_is_given_whole(tenant: Tenant) -> None:
    """More jobs than a page has rows end at once: all are given."""
    assert await tenant.round() == []
    jobs = await tenant.start("jobrelay:r", 1_100)
    await tenant.verbs.stop(tenant.folder, [job.id for job in jobs])
    ended = {one.key for one in await tenant.round() if one.state == "Stopped"}
    assert ended == {job.key.lower() for job in jobs}


async def test_a_job_that_waits_says_why(tenant: Tenant) -> None:
    """While it is Pending; a server of 2020 does not say, nor is there a reason for a job that is gone."""
    (job,) = await tenant.start("jobrelay:r")
    tenant.holds_up(job, "TemplateNoLicense")
    reasons = await tenant.verbs.pending_reasons(tenant.folder.id, job.id)
    assert list(reasons) == ["TemplateNoLicense"] * tenant.tells_why
    tenant.move(job, "Running")
    assert not await tenant.verbs.pending_reasons(tenant.folder.id, job.id)
    assert not await tenant.verbs.pending_reasons(tenant.folder.id, job.id + 1)


async def test_the_last_error_lines_of_a_job_are_given(tenant: Tenant) -> None:
    """Of level Error and Fatal, the oldest first, ten at most; none of a job that has logged none."""
    job, other = await tenant.start("jobrelay:r", 2)
    errors = [("Fatal" if number % 2 else "Error", f"e{number}") for number in range(12)]
    tenant.logs(job, [("Warn", "w"), *errors, ("Info", "i")])
    tenant.move(job, "Running")
    lines = await tenant.verbs.error_lines(tenant.folder.id, job.key)
    assert [(line["level"], line["message"]) for line in lines] == errors[2:]
    assert all(line.keys() == {"time", "level", "message"} and line["time"] for line in lines)
    assert list(await tenant.verbs.error_lines(tenant.folder.id, other.key)) == []
