"""Jobs in several hands: of copies the younger stays, what is lost is let go, shares are fair."""

import asyncio

import pytest
from post import INTERVAL, MANY, SOON, Fleet


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


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_copies_in_one_hand_the_younger_is_followed(first: int) -> None:
    """The older one is acknowledged, in whatever order they come."""
    fleet = Fleet(1)
    copies = [fleet.of(fleet.job, generation=generation) for generation in (first, 1 - first)]
    async with fleet.at_work(*copies):
        await asyncio.sleep(SOON)
        older, younger = copies[first], copies[1 - first]
        assert (older.settled, younger.settled) == (["ack"], [])


async def test_a_copy_that_is_being_looked_at_is_dropped_when_the_younger_one_comes() -> None:
    """It leaves nothing in the queue: after the look its message is acknowledged, whatever was seen."""
    fleet = Fleet(1)
    answered = asyncio.Event()
    fleet.tenant.meets("job", answered)
    older, younger = (fleet.of(fleet.job, generation=generation) for generation in (0, 1))
    async with fleet.at_work(older) as take:
        await asyncio.sleep(SOON)
        assert fleet.reads() == 1
        take(younger)
        await asyncio.sleep(SOON)
        answered.set()
        await asyncio.sleep(2 * SOON)
        assert (older.settled, younger.settled) == (["ack"], [])


async def test_what_is_lost_with_its_channel_is_let_go_though_scans_speak_for_it() -> None:
    """Somebody else has it now, and it counts as his."""
    fleet = Fleet()
    async with fleet.at_work():
        await asyncio.sleep(3 * INTERVAL)
        for delivery in fleet.deliveries:
            delivery.lose()
        await asyncio.sleep(2 * INTERVAL)
        assert fleet.telemetry.jobs_tracked[-1] == {}


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


@pytest.mark.parametrize(("scans", "says"), [(True, True), (False, False)], ids=["scanned", "not scanned"])
async def test_who_gets_a_job_for_which_scans_speak_is_told_when_all_was_known_of_it(
    scans: bool, says: bool
) -> None:
    """He need not read it then; where none speak for it, he must."""
    fleet = Fleet(MANY if scans else 150)
    async with fleet.at_work():
        await asyncio.sleep(3 * INTERVAL)
        fleet.hints.hear({"kind": "held", "tracker": "other", "folders": {"102": 1}, "scans": []})
        await asyncio.sleep(SOON)
        now = fleet.tenant.clock()
    moments = [doc["seenAt"] for doc in fleet.outbox.tracked]
    assert moments
    assert all((at is not None and now - SOON <= at <= now) is says for at in moments)


async def test_who_gets_a_job_that_is_only_renewed_reads_it() -> None:
    """Though scans speak for it: else they would be believed for ever."""
    fleet = Fleet()
    async with fleet.at_work():
        await asyncio.sleep(800)
    assert fleet.outbox.tracked
    assert {doc["seenAt"] for doc in fleet.outbox.tracked} == {None}
