"""Invariant 6, for queue items: a status is told once, in order, through retries, and none after the end."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from fake_orchestrator import MODERN
from item_post import APPLICATION, BEGAN, BUSINESS, FIRST, KEY, OTHER, REFERENCE, ItemPost, row
from post import EXPIRES, INTERVAL

from worker.contracts import violations
from worker.domain.failures import Code, Later, Rejected, Unavailable
from worker.domain.processes import Folder

AWAY = Unavailable(Later.UNREACHABLE, "away", outage=True)
DENIED = Rejected(Code.ORCHESTRATOR_REFUSED, "403")
RUNNING = row("InProgress", started_at=BEGAN)


async def test_an_item_is_followed_through_its_retries_to_the_end() -> None:
    """Each try's end is told with its reason, though the next one is there already; the last one ends it."""
    post = ItemPost()
    tried = row("Retried", exception=APPLICATION)
    again = row("InProgress", 1, started_at=BEGAN)
    post.sees(
        [FIRST], [RUNNING], [RUNNING], [tried, row("New", 1)], [tried, row("New", 1)], [tried, again],
        [tried, row("Successful", 1, output={"Id": "A-1"}, review_status="None")],
    )  # fmt: skip
    await post.follow_to_the_end()
    assert post.told() == [
        (0, "InProgress", False), (0, "Retried", False), (1, "InProgress", False), (1, "Successful", True),
    ]  # fmt: skip
    data = [event.data for event in post.outbox.events]
    assert [one["previousStatus"] for one in data] == ["New", "InProgress", "Retried", "InProgress"]
    assert (data[1]["exception"], data[3]["output"]) == (APPLICATION, {"Id": "A-1"})
    assert data[3]["item"] == {"id": FIRST.id + 1, "key": KEY, "reference": REFERENCE}
    assert len({event.id for event in post.outbox.events}) == 4
    assert post.journal == ["announce", "track", "ack"] * 3 + ["announce", "ack"]
    assert post.item_telemetry.statuses == ["InProgress", "Retried", "InProgress", "Successful"]


async def test_what_is_told_and_kept_keeps_to_its_schema() -> None:
    """The next tracker reads what this one wrote, and every event goes to who asked."""
    post = ItemPost(told=False)
    post.sees([], [RUNNING], [row("Failed", exception=BUSINESS)])
    await post.follow_to_the_end()
    assert post.outbox.keys() == ["queue-item.state.inprogress", "queue-item.state.failed"]
    for event in post.outbox.events:
        assert violations(event.schema, event.document()) == []
        assert (event.sender.reply_to, event.data["metadata"]) == ("answers", {"team": "a"})
    for document in post.outbox.tracked:
        assert violations("tracking-item.v1", document) == []
    assert [document["generation"] for document in post.outbox.tracked] == [1, 2]


async def test_several_tries_between_two_looks_are_told_one_after_the_other() -> None:
    """As they happened, however late the look."""
    post = ItemPost()
    tries = [row("Retried", number, exception=APPLICATION) for number in range(3)]
    post.sees([*tries, row("Successful", 3)])
    await post.follow_to_the_end()
    assert post.told() == [*((number, "Retried", False) for number in range(3)), (3, "Successful", True)]
    assert post.journal == ["announce"] * 4 + ["ack"]


@pytest.mark.parametrize("status", ["Failed", "Abandoned"])
async def test_an_end_that_may_be_tried_again_is_looked_at_once_more(status: str) -> None:
    """The next try may be there a moment later: then the first one was no end."""
    post = ItemPost()
    ended = row(status, exception=APPLICATION)
    post.sees([ended], [ended, row("New", 1)], [ended, row("Deleted", 1)])
    await post.follow_to_the_end()
    assert post.told() == [(0, status, False), (1, "Deleted", True)]
    post = ItemPost()
    post.sees([ended], [ended])
    await post.follow_to_the_end()
    assert post.told() == [(0, status, True)]


async def test_a_postponed_item_is_new_again() -> None:
    """It is told so, and that it was taken again is another fact than that it was taken before."""
    post = ItemPost()
    later = row("New", deferred_until="2026-11-23T08:00:00Z")
    post.sees([RUNNING], [later], [replace(RUNNING, started_at="2026-11-23T08:00:07Z")], [row("Successful")])
    await post.follow_to_the_end()
    assert [status for _, status, _ in post.told()] == ["InProgress", "New", "InProgress", "Successful"]
    assert len({event.id for event in post.outbox.events}) == 4


async def test_a_fact_has_one_name_whoever_tells_it() -> None:
    """Invariant 5: a tracker that tells again what one before it told repeats the event's id."""
    ids: list[str] = []
    for _ in range(2):
        post = ItemPost()
        post.sees([RUNNING])
        await post.follow(post.delivery(generation=len(ids)))
        ids.append(post.outbox.events[0].id)
    assert ids[0] == ids[1]


async def test_each_request_that_adopted_an_item_is_told_of_it() -> None:
    """Invariant 5: that one request's item runs is another fact than that another's does: none drops it."""
    post = ItemPost()
    post.sees([RUNNING])
    await post.follow(post.of("inv-1"), post.of("inv-2"))
    first, second = post.outbox.events
    assert (first.subject, second.subject) == ("inv-1", "inv-2")
    assert first.id != second.id


async def test_others_of_its_reference_are_not_its_own() -> None:
    """Where its key is told, by that; else the oldest of its queue is its own."""
    strange = [replace(FIRST, id=47_000, key=OTHER, queue_id=32, status="Failed")]
    younger = [replace(FIRST, id=49_000, key=OTHER, status="Successful")]
    for told in (True, False):
        post = ItemPost(told=told)
        post.sees([*strange, FIRST, *younger], [*strange, row("Deleted"), *younger])
        await post.follow_to_the_end()
        assert post.told() == [(0, "Deleted", True)]


@pytest.mark.parametrize("verb", ["announce", "track"])
async def test_no_item_is_acknowledged_before_it_is_kept(verb: str) -> None:
    """Invariant 1: the event, then the next message, then the ack."""
    post = ItemPost()
    post.sees([RUNNING])
    confirm, delivery = post.outbox.hold(verb), post.delivery()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(post.follow(delivery))
        await asyncio.sleep(30 * INTERVAL)
        assert delivery.settled == []
        confirm.set()
    assert delivery.settled == ["ack"]


async def test_a_status_that_could_not_be_told_in_time_is_left_to_whoever_has_the_item_now() -> None:
    """Invariant 6: he may have told its end while this tracker waited for the broker."""
    post = ItemPost()
    post.sees([RUNNING])
    confirm, delivery = post.outbox.hold("announce"), post.delivery()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(post.follow(delivery))
        await asyncio.sleep(3 * INTERVAL)
        delivery.lose()
        confirm.set()
    assert (post.outbox.events, post.outbox.tracked) == ([], [])


async def test_a_status_that_had_to_wait_is_looked_at_again_before_it_is_told() -> None:
    """Others may have had the item for a moment, and have told what comes after; an end may wait."""
    post = ItemPost()
    post.sees([RUNNING], [row("Successful")])
    confirm, delivery = post.outbox.hold("announce"), post.delivery()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(post.follow(delivery))
        await asyncio.sleep(3 * INTERVAL)
        confirm.set()
    assert post.told() == [(0, "Successful", True)]
    assert delivery.settled == ["ack"]


async def test_what_comes_before_an_end_is_not_told_late_beside_it() -> None:
    """Another tracker may have told that end meanwhile: of one look the end alone may wait."""
    post = ItemPost()
    tried = row("Retried", exception=APPLICATION)
    post.sees([tried, row("Successful", 1)], [tried, row("Deleted", 1)])
    confirm = post.outbox.hold("announce")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(post.follow(post.delivery()))
        await asyncio.sleep(3 * INTERVAL)
        confirm.set()
    assert post.told() == [(0, "Retried", False), (1, "Deleted", True)]


@pytest.mark.parametrize(
    ("second", "kept"), [("InProgress", ["Retried", "InProgress"]), ("Successful", [])], ids=str
)
async def test_what_was_told_before_the_broker_made_the_rest_wait_is_kept(
    second: str, kept: list[str]
) -> None:
    """What had to wait is looked at again, and nothing is told twice; an end is told at once."""
    post = ItemPost()
    tried, pauses, announce = row("Retried", exception=APPLICATION), iter([0.0, 60.0]), post.outbox.announce
    post.sees([tried, row(second, 1)], [tried, row(second, 1)], [tried, row("Successful", 1)])

    async def slowly(*event: Any) -> None:
        await asyncio.sleep(next(pauses, 0.0))
        await announce(*event)

    post.outbox.announce = slowly  # type: ignore[assignment,method-assign]
    await post.follow_to_the_end()
    assert [status for _, status, _ in post.told()] == [*(kept or ["Retried"]), "Successful"]
    assert [document["status"] for document in post.outbox.tracked] == kept
    assert post.outbox.events[-1].data["previousStatus"] == (kept or ["Retried"])[-1]


@pytest.mark.parametrize("met", [AWAY, Unavailable(Later.THROTTLED, "no turn")], ids=["away", "throttled"])
async def test_an_item_that_cannot_be_looked_up_is_looked_up_again(met: Any) -> None:
    """An outage proves nothing: however long it lasts, the item is not given up."""
    post = ItemPost()
    post.sees(*[met] * 32, [row("Successful")])
    await post.follow_to_the_end()
    assert post.outbox.keys() == ["queue-item.state.successful"]
    assert asyncio.get_running_loop().time() > EXPIRES


@pytest.mark.parametrize("told", [True, False], ids=["gone", "never seen"])
@pytest.mark.parametrize("met", [[], DENIED], ids=["not there", "refused"])
async def test_an_item_that_is_not_to_be_seen_is_given_up_after_a_while(told: bool, met: Any) -> None:
    """It is not asked for for ever; what was known of it is told, once."""
    post = ItemPost(told=told)
    post.sees(*[met] * 40)
    await post.follow_to_the_end()
    (event,) = post.outbox.events
    assert (event.routing_key, event.data["status"]) == ("queue-item.tracking-expired", "New")
    assert violations(event.schema, event.document()) == []
    assert EXPIRES <= asyncio.get_running_loop().time() < 2 * EXPIRES
    assert post.item_telemetry.given_up == 1


async def test_an_item_that_was_hidden_for_a_while_is_followed_on() -> None:
    """Its folder may have another id by then, and is asked for anew."""
    post = ItemPost()
    post.tenant.folders[0] = Folder(777, MODERN.key, "Shared", modern=True)
    post.sees(DENIED, [FIRST], [row("Successful")])
    await post.follow_to_the_end()
    assert [folder for folder, _, _ in post.tenant.asked("tries")] == [MODERN.id, 777, 777]
    assert post.outbox.keys() == ["queue-item.state.successful"]
    assert [doc["missingSince"] is None for doc in post.outbox.tracked] == [False, True]
