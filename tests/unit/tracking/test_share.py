"""Many jobs, several trackers: scans and hints spare looks."""

import asyncio
from typing import Any

import pytest
from fake_orchestrator import MODERN, Known
from post import INTERVAL, MANY, SOON, Fleet

from worker.domain.failures import Later, Unavailable
from worker.domain.flight.shown import SAFETY_S
from worker.domain.jobs import Changes


async def test_scans_spare_the_looks_at_jobs_that_do_not_change() -> None:
    """Each is read once when it is taken; then nobody reads it, until a scan shows that it has changed."""
    fleet = Fleet()
    async with fleet.at_work():
        await asyncio.sleep(3 * INTERVAL)
        before, lists = fleet.reads(), fleet.tenant.count("changes")
        await asyncio.sleep(20 * INTERVAL)
        assert fleet.reads() == before <= 2 * MANY
        assert 15 <= fleet.tenant.count("changes") - lists <= 25
        fleet.tenant.becomes(fleet.all[7].id, state="Running")
        await asyncio.sleep(INTERVAL + SOON)
        assert fleet.reads() == before + 1
    assert [event.data["job"]["id"] for event in fleet.outbox.events] == [fleet.all[7].id]


async def test_jobs_are_looked_at_one_by_one_again_when_scans_fail() -> None:
    """Three missed rounds are believed; after that nothing speaks for a job but a look at it."""
    fleet = Fleet()
    async with fleet.at_work():
        await asyncio.sleep(3 * INTERVAL)
        fleet.tenant.meets("changes", *[Unavailable(Later.THROTTLED, "429")] * 1000)
        await asyncio.sleep(4 * INTERVAL)
        before = fleet.reads()
        await asyncio.sleep(2 * INTERVAL)
        assert fleet.reads() >= before + MANY


async def test_scans_are_no_proof() -> None:
    """Changes that none has shown are seen from ten minutes on all the same, some sooner than others."""
    fleet = Fleet()
    nothing = Changes((), Known(frozenset()), more=False)
    fleet.tenant.meets("changes", *[nothing] * 1000)
    async with fleet.at_work():
        await asyncio.sleep(3 * INTERVAL)
        for job in fleet.all:
            fleet.tenant.becomes(job.id, state="Running")
        await asyncio.sleep(5 * INTERVAL)
        assert fleet.outbox.events == []
        await asyncio.sleep(SAFETY_S + INTERVAL)
    assert MANY / 20 <= len(fleet.outbox.events) <= MANY / 2


async def test_the_last_jobs_of_a_folder_are_looked_at_one_by_one() -> None:
    """As soon as scans are no longer worth their price, and not only when they are missed."""
    fleet = Fleet()
    async with fleet.at_work():
        await asyncio.sleep(3 * INTERVAL)
        for job in fleet.all[10:]:
            fleet.tenant.becomes(job.id, state="Stopped")
        await asyncio.sleep(2.5 * INTERVAL)
        before = fleet.reads()
        await asyncio.sleep(1.3 * INTERVAL)
        assert fleet.reads() >= before + 10


async def test_few_jobs_are_not_scanned() -> None:
    """Lists are counted by Orchestrator, reads by id are not."""
    fleet = Fleet(20)
    async with fleet.at_work():
        await asyncio.sleep(5 * INTERVAL)
    assert fleet.tenant.count("changes") == 0
    assert fleet.reads() >= 4 * 20


async def test_one_tracker_scans_a_folder_for_all() -> None:
    """The other one hears what it finds, and takes over when it is gone."""
    one, other = Fleet(), Fleet()
    other.tenant, other.leases.taken = one.tenant, one.leases.taken
    one.hints.others, other.hints.others = [other.hints], [one.hints]
    async with one.at_work(), other.at_work(*[other.of(job) for job in one.tenant.commit(MODERN, "x", MANY)]):
        await asyncio.sleep(3 * INTERVAL)
        before, lists = one.reads(), one.tenant.count("changes")
        await asyncio.sleep(20 * INTERVAL)
        assert one.reads() == before
        assert 15 <= one.tenant.count("changes") - lists <= 25
        holder, heir = (one, other) if one.leases.held("scan.101") else (other, one)
        holder.stopping.begin()
        await asyncio.sleep(2 * INTERVAL)
        assert heir.leases.held("scan.101")


@pytest.mark.parametrize(("deaf", "soon"), [(False, True), (True, False)])
async def test_a_hint_moves_a_look_forward(deaf: bool, soon: bool) -> None:
    """It is no more than that: without it the job's turn comes all the same."""
    fleet = Fleet(1)
    fleet.hints.deaf = deaf
    async with fleet.at_work():
        await asyncio.sleep(SOON)
        fleet.tenant.becomes(fleet.job.id, state="Running")
        before = fleet.reads()
        fleet.hints.send({"kind": "look", "jobs": [fleet.job.key.upper(), "unknown"]})
        await asyncio.sleep(1)
        assert (fleet.reads() > before) is soon
        await asyncio.sleep(2 * INTERVAL)
    assert fleet.outbox.keys() == ["job.state.running"]


@pytest.mark.parametrize(
    "hint",
    [
        None,
        [],
        {},
        {"kind": "rows"},
        {"kind": "held", "tracker": 1, "folders": []},
        {"kind": "look", "jobs": [1]},
    ],
)
async def test_a_hint_that_cannot_be_read_does_no_harm(hint: Any) -> None:
    """Anybody may publish one; the next is heard."""
    fleet = Fleet(1)
    async with fleet.at_work():
        fleet.hints.hear(hint)
        await asyncio.sleep(SOON)
        fleet.tenant.becomes(fleet.job.id, state="Stopped")
        fleet.hints.send({"kind": "look", "jobs": [fleet.job.key]})
        await asyncio.sleep(1)
    assert fleet.outbox.keys() == ["job.state.stopped"]


async def test_what_a_scan_has_shown_of_nobodys_job_is_looked_at_first() -> None:
    """A kill brings jobs by the thousand: those that have changed do not wait for all the others."""
    fleet = Fleet(2000)
    changed = fleet.all[-1]
    fleet.tenant.becomes(changed.id, state="Running")
    mine, *others = fleet.deliveries
    async with fleet.at_work(mine) as bring:
        await asyncio.sleep(SOON / 2)
        row = [changed.key, "Running", 0]
        fleet.hints.hear({"kind": "rows", "folder": 101, "chain": "x", "n": 1, "done": True, "jobs": [row]})
        await asyncio.sleep(SOON / 2)
        for delivery in others:
            bring(delivery)
        await asyncio.sleep(1.5 * SOON)
    assert changed.id in fleet.tenant.asked("job")[:20]


async def test_a_second_start_is_looked_for_once_it_cannot_come_any_more() -> None:
    """And before that at the end of each job: a thousand jobs of one request cost no thousand look-ups."""
    fleet, looked = Fleet(1), []
    jobs = fleet.tenant.commit(MODERN, "jobrelay:r", 4)
    async with fleet.at_work(*[fleet.of(job, doubted=True, reference="jobrelay:r") for job in jobs]):
        for job, moment in zip(jobs, (20, 40, 100, 120), strict=True):
            await asyncio.sleep(moment - asyncio.get_running_loop().time())
            fleet.tenant.becomes(job.id, state="Successful")
            await asyncio.sleep(1.3 * INTERVAL)
            looked.append(fleet.tenant.count("find"))
    assert looked == [1, 2, 3, 3]
    assert fleet.outbox.keys() == ["job.state.successful"] * 4
