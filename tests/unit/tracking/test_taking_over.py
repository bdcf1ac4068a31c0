"""A tracker is gone: others go on with what it scanned and what it held, and read no more than they must."""

import asyncio
from typing import Any

import orjson
import pytest
from fake_orchestrator import MODERN
from fakes import Delivery
from post import INTERVAL, MANY, SOON, Fleet

from worker.domain.messages import Message
from worker.tracking.share import HELD_EVERY_S


async def test_a_scan_is_gone_on_with_where_its_tracker_is_gone() -> None:
    """Nothing that it was to show is skipped, and no job has to be read again for that."""
    one, other = Fleet(), Fleet()
    other.tenant, other.leases.taken = one.tenant, one.leases.taken
    one.hints.others, other.hints.others = [other.hints], [one.hints]
    strangers = one.tenant.commit(MODERN, "x", MANY)
    async with one.at_work(), other.at_work(*[other.of(job) for job in strangers]):
        await asyncio.sleep(3 * INTERVAL)
        holder, heir = (one, other) if one.leases.held("scan.101") else (other, one)
        theirs = one.all if heir is one else strangers
        before = one.reads()
        holder.stopping.begin()
        one.tenant.becomes(theirs[7].id, state="Running")
        await asyncio.sleep(3 * INTERVAL)
        assert heir.leases.held("scan.101")
        assert one.tenant.asked("job")[before:] == [theirs[7].id]
    assert heir.outbox.keys() == ["job.state.running"]


@pytest.mark.parametrize(
    ("late", "since", "shown", "known", "is_read"),
    [
        (0.0, 0.0, False, {}, False),
        (50.0, 0.0, False, {}, True),
        (0.0, 50.0, False, {}, True),
        (None, 0.0, False, {}, True),
        (0.0, 0.0, True, {}, True),
        (0.0, 0.0, False, {"missingSince": 1.0}, True),
    ],
    ids=["prompt", "late", "gone for long", "says nothing", "shown since", "missing"],
)
async def test_a_job_of_a_tracker_that_is_gone_is_read_unless_all_is_known_of_it(
    late: float | None, since: float, shown: bool, known: dict[str, Any], is_read: bool
) -> None:
    """It had looked at all that was shown until it last spoke; what was shown later is known to all."""
    fleet = Fleet()
    job = fleet.tenant.commit(MODERN, "theirs")[0]
    async with fleet.at_work() as bring:
        await asyncio.sleep(7 * INTERVAL)
        said = {"late": late} if late is not None else {}
        fleet.hints.hear({"kind": "held", "tracker": "x", "folders": {"101": MANY}, "scans": [], **said})
        if shown:
            fleet.tenant.becomes(job.id, state="Running")
            await asyncio.sleep(INTERVAL + SOON)
        await asyncio.sleep(since + 0.1)
        before = fleet.reads()
        bring(fleet.of(job, redelivered=True, **known))
        await asyncio.sleep(2 * INTERVAL)
        assert (job.id in fleet.tenant.asked("job")[before:]) is is_read


async def test_a_tracker_says_for_how_long_its_oldest_look_has_been_waiting() -> None:
    """For its turn or for an answer; nothing, as soon as all are over."""
    fleet, answered = Fleet(30), asyncio.Event()
    fleet.tenant.meets("job", *[answered] * 30)
    async with fleet.at_work():
        await asyncio.sleep(HELD_EVERY_S + 4)
        fleet.hints.send({"kind": "look", "jobs": [fleet.job.key]})
        await asyncio.sleep(HELD_EVERY_S)
        answered.set()
        await asyncio.sleep(HELD_EVERY_S)
    late = [said["late"] for said in fleet.hints.sent if said["kind"] == "held"]
    assert late == [0, pytest.approx(4.5, abs=1), pytest.approx(9.5, abs=1), 0]


async def test_what_another_tracker_has_just_read_is_not_read_again() -> None:
    """As long as scans speak for it, and have not shown it since."""
    fleet = Fleet()
    late = fleet.tenant.commit(MODERN, "late", 2)
    async with fleet.at_work() as bring:
        await asyncio.sleep(3 * INTERVAL)
        before = fleet.reads()
        fleet.hints.hear({"kind": "rows", "folder": 999, "chain": "x", "n": 1, "done": True,
                          "jobs": [[late[1].key, "Running", 0]]})  # fmt: skip
        await asyncio.sleep(0)
        for job in late:
            bring(fleet.of(job, seenAt=fleet.tenant.clock() - 0.1))
        await asyncio.sleep(2 * INTERVAL)
        assert fleet.tenant.asked("job")[before:] == [late[1].id]


async def test_what_is_shown_while_a_state_is_told_is_looked_at_when_the_next_message_comes_back() -> None:
    """The look that was under way knew nothing of it, and nobody else has the job."""
    fleet = Fleet()
    job = fleet.tenant.commit(MODERN, "brief")[0]
    async with fleet.at_work() as bring:
        await asyncio.sleep(3 * INTERVAL)
        kept = fleet.outbox.hold("track")
        fleet.tenant.becomes(job.id, state="Running")
        bring(fleet.of(job))
        await asyncio.sleep(SOON)
        fleet.tenant.becomes(job.id, state="Successful")
        await asyncio.sleep(INTERVAL)
        kept.set()
        await asyncio.sleep(1)
        bring(Delivery(Message(body=orjson.dumps(fleet.outbox.tracked[-1]))))
        await asyncio.sleep(SOON)
        assert fleet.outbox.keys() == ["job.state.running", "job.state.successful"]
