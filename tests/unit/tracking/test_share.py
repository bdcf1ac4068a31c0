"""Many jobs, several trackers: scans and hints spare looks, copies are dropped, shares are fair."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from fake_orchestrator import MODERN, Known
from fakes import Delivery, feed
from post import INTERVAL, Post

from worker.domain.failures import Later, Unavailable
from worker.domain.flight.steps import SAFETY_S
from worker.domain.jobs import Changes
from worker.domain.messages import Message
from worker.tracking.scan import FROM

MANY = FROM + 50
SOON = 2.0


class Fleet(Post):
    """A tracker with many jobs of one folder."""

    def __init__(self, jobs: int = MANY) -> None:
        super().__init__()
        self.all = [self.job, *self.tenant.commit(MODERN, "jobrelay:inc-1", jobs - 1)]
        self.deliveries = [self.of(job) for job in self.all]

    def of(self, job: Any, **known: Any) -> Delivery:
        """A tracking message of *job*."""
        ids = {**self.known["job"], "id": job.id, "key": job.key}
        return Delivery(Message(body=orjson.dumps({**self.known, "job": ids, "explained": True, **known})))

    @asynccontextmanager
    async def at_work(self, *deliveries: Delivery) -> AsyncIterator[None]:
        """While it follows *deliveries*, by default those of all jobs; then it is told to stop."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.role().run([feed(deliveries or self.deliveries)]))
            yield
            self.stopping.begin()

    def reads(self) -> int:
        """How many reads by id there were."""
        return self.tenant.count("job")


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
    """A change that none has shown is seen after ten minutes all the same."""
    fleet = Fleet()
    nothing = Changes((), Known(frozenset()), more=False)
    fleet.tenant.meets("changes", *[nothing] * 1000)
    async with fleet.at_work():
        await asyncio.sleep(3 * INTERVAL)
        fleet.tenant.becomes(fleet.all[7].id, state="Running")
        await asyncio.sleep(5 * INTERVAL)
        assert fleet.outbox.events == []
        await asyncio.sleep(SAFETY_S)
    assert fleet.outbox.keys() == ["job.state.running"]


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


async def test_a_job_whose_time_comes_while_it_is_looked_at_is_not_looked_at_twice() -> None:
    """Two looks at once would tell one change twice."""
    fleet = Fleet(1)
    answered = asyncio.Event()
    async with fleet.at_work():
        await asyncio.sleep(SOON)
        fleet.tenant.meets("job", answered, answered)
        fleet.hints.send({"kind": "look", "jobs": [fleet.job.key]})
        before = fleet.reads()
        await asyncio.sleep(2 * INTERVAL)
        assert fleet.reads() == before + 1
        fleet.tenant.becomes(fleet.job.id, state="Stopped")
        answered.set()
        await asyncio.sleep(SOON)
    assert fleet.outbox.keys() == ["job.state.stopped"]


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


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_copies_in_one_hand_the_younger_is_followed(first: int) -> None:
    """The older one is acknowledged, in whatever order they come."""
    fleet = Fleet(1)
    copies = [fleet.of(fleet.job, generation=generation) for generation in (first, 1 - first)]
    async with fleet.at_work(*copies):
        await asyncio.sleep(SOON)
        older, younger = copies[first], copies[1 - first]
        assert (older.settled, younger.settled) == (["ack"], [])


@pytest.mark.parametrize(("mine", "theirs", "dropped"), [(0, 1, True), (1, 1, False), (2, 1, False)])
async def test_of_two_copies_in_two_hands_the_older_is_dropped(mine: int, theirs: int, dropped: bool) -> None:
    """Two of the same age may be one message, seen by who has lost it and by who has it now: it is kept."""
    fleet = Fleet(1)
    copy = fleet.of(fleet.job, generation=mine)
    async with fleet.at_work(copy):
        await asyncio.sleep(SOON)
        fleet.hints.hear({"kind": "generation", "tracker": "other", "jobs": [[fleet.job.key, theirs]]})
        await asyncio.sleep(SOON)
        assert copy.settled == (["ack"] if dropped else [])
    answers = [sent["jobs"] for sent in fleet.hints.sent if sent["kind"] == "generation"]
    assert answers == ([[[fleet.job.key, mine]]] if mine > theirs else [])


async def test_what_is_delivered_again_is_asked_about() -> None:
    """Its next generation may be in another hand, where the ack was lost."""
    fleet = Fleet(1)
    async with fleet.at_work(fleet.deliveries[0].again()):
        await asyncio.sleep(SOON)
    assert [s["jobs"] for s in fleet.hints.sent if s["kind"] == "generation"] == [[[fleet.job.key, 0]]]


async def test_a_tracker_with_more_than_its_share_leaves_some_to_others() -> None:
    """They are published again, bit by bit, and the broker spreads them."""
    fleet = Fleet(150)
    moved = 0
    async with fleet.at_work():
        for _ in range(int(6 * INTERVAL)):
            fleet.hints.hear({"kind": "held", "tracker": "other", "folders": {"101": moved}, "scans": []})
            await asyncio.sleep(1)
            moved = sum(one.settled == ["ack"] for one in fleet.deliveries)
    assert 20 <= moved <= 75, "half would be fair"
    assert len(fleet.outbox.tracked) == moved


async def test_what_another_tracker_has_just_read_is_not_read_again() -> None:
    """As long as scans speak for it, and have not shown it since."""
    fleet = Fleet()
    late = fleet.tenant.commit(MODERN, "late", 2)
    inbox: asyncio.Queue[Delivery] = asyncio.Queue()

    async def coming() -> AsyncIterator[Delivery]:
        for delivery in fleet.deliveries:
            yield delivery
        while not fleet.stopping:
            yield await inbox.get()

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(fleet.role().run([coming()]))
        await asyncio.sleep(3 * INTERVAL)
        before = fleet.reads()
        fleet.hints.hear({"kind": "rows", "folder": 999, "chain": "x", "n": 1, "done": True,
                          "jobs": [[late[1].key, "Running", 0]]})  # fmt: skip
        await asyncio.sleep(0)
        for job in late:
            inbox.put_nowait(fleet.of(job, seenAt=fleet.tenant.clock() - 0.1))
        await asyncio.sleep(2 * INTERVAL)
        assert fleet.tenant.asked("job")[before:] == [late[1].id]
        fleet.stopping.begin()
        inbox.put_nowait(fleet.of(fleet.job))
        await running
