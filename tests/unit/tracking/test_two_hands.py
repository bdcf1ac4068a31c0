"""Invariant 6, where two trackers follow one job: what one of them read is not told after the other's end."""

import asyncio
from collections.abc import Sequence

import pytest
from post import PENDING, SOON, Fleet, Post


def _pair() -> tuple[Fleet, Fleet]:
    """Two trackers of one tenant; their events are heard in one order."""
    one, other = Fleet(1), Fleet(1)
    other.tenant, other.outbox.events = one.tenant, one.outbox.events
    return one, other


async def test_a_state_that_had_to_wait_is_read_again_before_it_is_told() -> None:
    """The broker may have given the job to another tracker long before this one hears of it."""
    one, other = _pair()
    (mine,) = one.deliveries
    async with one.at_work(mine):
        reconnected = one.outbox.hold("announce")
        one.tenant.becomes(one.job.id, state="Running")
        await asyncio.sleep(SOON)
        one.tenant.becomes(one.job.id, state="Successful")
        async with other.at_work(mine.again()):
            await asyncio.sleep(SOON)
        assert mine.is_open, "nobody knows better here"
        reconnected.set()
        await asyncio.sleep(SOON)
    assert [event.data["state"] for event in one.outbox.events] == ["Successful"] * 2
    assert len({event.id for event in one.outbox.events}) == 1


async def test_a_state_is_told_however_slowly_orchestrator_answers() -> None:
    """It is read twice: what one answer takes, the next may take."""
    post = Post()
    post.answers_slowly(9)
    post.tenant.becomes(post.job.id, state="Running")
    await post.follow(post.delivery())
    assert (post.outbox.keys(), post.tenant.count("job")) == (["job.state.running"], 2)


async def test_an_end_is_told_however_long_it_had_to_wait() -> None:
    """Nothing comes after it, so nothing can have been told that comes after it."""
    post = Post()
    post.tenant.becomes(post.job.id, state="Stopped")
    reconnected, delivery = post.outbox.hold("announce"), post.delivery()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(post.follow(delivery))
        await asyncio.sleep(60)
        reconnected.set()
    assert (post.outbox.keys(), post.tenant.count("job")) == (["job.state.stopped"], 1)


@pytest.mark.parametrize("state", ["Pending", "Running"])
async def test_why_a_job_is_pending_is_told_only_while_it_is(state: str) -> None:
    """It may begin to run while Orchestrator thinks of its reasons; and it is asked for these once."""
    post = Post()
    asked, answered = [], asyncio.Event()

    async def thinking(folder_id: int, job_id: int) -> Sequence[str]:
        asked.append((folder_id, job_id))
        await answered.wait()
        return ["no runtime is connected"]

    post.tenant.pending_reasons = thinking  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(post.follow(post.delivery()))
        await asyncio.sleep(PENDING + 60)
        post.tenant.becomes(post.job.id, state=state)
        answered.set()
    assert post.outbox.keys() == [f"job.state.{state.lower()}"]
    assert len(asked) == 1


async def test_an_older_copy_tells_nothing_more_once_the_younger_one_has_come() -> None:
    """What it waits to tell, the younger one reads for itself."""
    fleet = Fleet(1)
    older, younger = (fleet.of(fleet.job, generation=generation) for generation in (0, 1))
    fleet.tenant.becomes(fleet.job.id, state="Stopped")
    reconnected = fleet.outbox.hold("announce")
    async with fleet.at_work(older) as bring:
        await asyncio.sleep(SOON)
        bring(younger)
        await asyncio.sleep(SOON)
        reconnected.set()
        await asyncio.sleep(SOON)
    assert fleet.outbox.keys() == ["job.state.stopped"]
    assert (older.settled, younger.settled) == (["ack"], ["ack"])
