"""Jobs in several hands: of copies the younger stays, what is lost is let go, shares are fair."""

import asyncio
from typing import Any
from zlib import crc32

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


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_of_one_age_in_one_hand_that_one_stays_which_would_in_two_hands(first: int) -> None:
    """Else one would be dropped here for the other, and that one for what was said of the first elsewhere."""
    fleet = Fleet(1)
    copies = [fleet.of(fleet.job), fleet.of(fleet.job, adopted=True)]
    async with fleet.at_work(copies[first], copies[1 - first]):
        await asyncio.sleep(SOON)
        dropped = min(copies, key=lambda copy: crc32(copy.message.body))
        assert [copy.settled == ["ack"] for copy in copies] == [copy is dropped for copy in copies]


async def test_a_copy_that_is_being_looked_at_is_dropped_when_the_younger_one_comes() -> None:
    """It leaves nothing in the queue: its message is acknowledged, whatever the look shows."""
    fleet = Fleet(1)
    answered = asyncio.Event()
    fleet.tenant.meets("job", answered)
    older, younger = (fleet.of(fleet.job, generation=generation) for generation in (0, 1))
    async with fleet.at_work(older) as bring:
        await asyncio.sleep(SOON)
        assert fleet.reads() == 1
        bring(younger)
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


@pytest.mark.parametrize(
    ("theirs", "mark", "then"),
    [
        (2, 0, "mine is dropped"),
        (1, +1, "mine is dropped"),
        (1, 0, "both are kept"),
        (1, -1, "they are told"),
        (0, 0, "they are told"),
        (2, None, "mine is dropped"),
        (1, None, "both are kept"),
        (0, None, "they are told"),
    ],
)
async def test_of_two_copies_in_two_hands_the_older_is_dropped(
    theirs: int, mark: int | None, then: str
) -> None:
    """Two that are the same may be one message, seen by who has lost it and by who has it now: it is kept.

    Of two of one generation that differ one is dropped as well. An older worker does not say how they differ.
    """
    fleet = Fleet(1)
    copy = fleet.of(fleet.job, generation=1)
    said: dict[str, Any] = {"jobs": [[fleet.job.key, theirs]]}
    if mark is not None:
        said["marks"] = [crc32(copy.message.body) + mark]
    async with fleet.at_work(copy):
        await asyncio.sleep(SOON)
        before = len(_asked(fleet))
        fleet.hints.hear({"kind": "generation", "tracker": "other", **said})
        await asyncio.sleep(SOON)
        assert copy.settled == (["ack"] if then == "mine is dropped" else [])
    assert _asked(fleet)[before:] == ([[fleet.job.key, 1]] if then == "they are told" else [])


def _asked(fleet: Fleet) -> list[Any]:
    """What a tracker has said of the copies that it holds."""
    return [job for sent in fleet.hints.sent if sent["kind"] == "generation" for job in sent["jobs"]]


@pytest.mark.parametrize("again", [True, False], ids=["delivered again", "fresh"])
async def test_what_is_taken_is_asked_about(again: bool) -> None:
    """A copy may be in another hand: an ack was lost, a confirm, or the answer to a start."""
    fleet = Fleet(1)
    (delivery,) = fleet.deliveries
    async with fleet.at_work(delivery.again() if again else delivery):
        await asyncio.sleep(SOON)
    assert _asked(fleet) == [[fleet.job.key, 0]]


@pytest.mark.parametrize("more", [{"generation": 1}, {"adopted": True}], ids=["confirm lost", "told again"])
async def test_of_two_messages_of_one_job_one_is_followed(more: dict[str, Any]) -> None:
    """Whatever has made them two, and though no broker says of either that it is not the first."""
    one, other = Fleet(1), Fleet(1)
    one.hints.others, other.hints.others = [other.hints], [one.hints]
    copies = one.of(one.job), other.of(other.job, **more)
    async with one.at_work(copies[0]), other.at_work(copies[1]):
        await asyncio.sleep(SOON)
        assert sorted(copy.settled for copy in copies) == [[], ["ack"]]
        kept = next(fleet for fleet, copy in zip((one, other), copies, strict=True) if not copy.settled)
        kept.tenant.becomes(kept.job.id, state="Stopped")
        await asyncio.sleep(2 * INTERVAL)
    assert one.outbox.keys() + other.outbox.keys() == ["job.state.stopped"]


async def test_a_copy_is_dropped_in_the_middle_of_a_look_too() -> None:
    """What it has read is not told, but by who has the younger one."""
    fleet = Fleet(1)
    confirm = fleet.outbox.hold("announce")
    fleet.tenant.becomes(fleet.job.id, state="Stopped")
    async with fleet.at_work():
        await asyncio.sleep(SOON)
        fleet.hints.hear({"kind": "generation", "tracker": "other", "jobs": [[fleet.job.key, 1]]})
        await asyncio.sleep(SOON)
        confirm.set()
        await asyncio.sleep(SOON)
    assert (fleet.outbox.keys(), fleet.deliveries[0].settled) == ([], ["ack"])


async def test_what_comes_again_while_it_is_held_stays_in_hand() -> None:
    """It comes by another channel: the broker has closed the one it came by, though that is not heard yet."""
    fleet = Fleet(1)
    (first,) = fleet.deliveries
    second = first.again()
    async with fleet.at_work(first, second):
        await asyncio.sleep(SOON)
        assert second.settled == []


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
