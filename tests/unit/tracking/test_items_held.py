"""Queue items in hand: looked at together, ever more rarely, given back in time, and once in all hands."""

import asyncio
from typing import Any

import pytest
from fakes import Delivery
from item_post import BEGAN, FIRST, ItemPost, row
from post import INTERVAL, SOON

from worker.domain.queues.transactions import pause
from worker.pipeline.holding.pauses import Stopping

TIMEOUT = 1800.0


async def _for(post: ItemPost, seconds: float, *deliveries: Delivery) -> None:
    post.stopping = Stopping()
    async with post.at_work(*deliveries):
        await asyncio.sleep(seconds)


async def test_items_are_looked_at_together() -> None:
    """Whenever they came within an interval: their look-ups begin at one moment, so that they share lists."""
    post = ItemPost()
    moments: list[float] = []
    called = post.tenant._called

    async def noted(verb: str, what: object) -> object:
        moments.append(asyncio.get_running_loop().time())
        return await called(verb, what)

    post.tenant._called = noted  # type: ignore[method-assign]
    post.items.rows = [FIRST]
    async with post.at_work() as bring:
        for number in range(60):
            bring(post.of(f"inv-{number}"))
            await asyncio.sleep(INTERVAL / 60)
        await asyncio.sleep(2.5 * INTERVAL)
    assert len(moments) >= 120
    assert len({round(moment, 1) for moment in moments}) <= 3


async def test_the_longer_nothing_is_new_the_rarer_an_item_is_looked_at() -> None:
    """An item may wait for days, and lists are few."""
    post = ItemPost()
    post.items.rows = [FIRST]
    await _for(post, 60, post.delivery())
    young = post.tenant.count("tries")
    post.tenant.calls.clear()
    await _for(post, 60, post.delivery(changedAt=post.tenant.clock() - 1000))
    assert young in (5, 6, 7)
    assert post.tenant.count("tries") == 0


@pytest.mark.parametrize(
    ("quiet", "interval", "seconds"),
    [(0, 10, 10), (90, 10, 10), (600, 10, 60), (1e6, 10, 600), (1e6, 900, 900), (-5, 10, 10)],
)
def test_the_pause_after_a_look(quiet: float, interval: float, seconds: float) -> None:
    """Never shorter than the interval, and ten minutes at most, unless that is longer."""
    assert pause(quiet, interval) == seconds


async def test_an_item_is_published_anew_before_the_broker_misses_its_ack() -> None:
    """As it is, without a look, though its next one is far away; then the old message is acknowledged."""
    posts = [ItemPost() for _ in range(6)]
    moments: list[float] = []

    async def renewed(post: ItemPost) -> None:
        post.items.rows = [FIRST]
        delivery = post.delivery(changedAt=post.tenant.clock() - 1e6)
        await post.follow(delivery)
        moments.append(asyncio.get_running_loop().time())
        assert (post.outbox.tracked, delivery.settled) == ([{**post.known, **aged, "generation": 1}], ["ack"])

    aged = {"changedAt": posts[0].tenant.clock() - 1e6}
    await asyncio.gather(*map(renewed, posts))
    assert all(0.4 * TIMEOUT <= moment <= 0.7 * TIMEOUT + SOON for moment in moments)
    assert len({round(moment) for moment in moments}) > 1, "not at the moments of looks"


async def test_what_is_in_hand_at_a_stop_is_given_back() -> None:
    """Another tracker goes on with it."""
    post = ItemPost()
    post.items.rows = [FIRST]
    deliveries = [post.of(f"inv-{number}") for number in range(3)]
    await _for(post, SOON, *deliveries)
    assert [one.settled for one in deliveries] == [["give back"]] * 3
    assert post.item_telemetry.items_tracked == {}


async def test_an_item_that_is_lost_with_its_channel_is_let_go_though_its_next_look_is_far_away() -> None:
    """Somebody else has it now, and it counts as his."""
    post = ItemPost()
    post.items.rows = [FIRST]
    held = post.delivery(changedAt=post.tenant.clock() - 100_000)
    async with post.at_work(held):
        await asyncio.sleep(INTERVAL)
        assert post.item_telemetry.items_tracked == {"New": 1}
        held.lose()
        await asyncio.sleep(2 * INTERVAL)
        assert post.item_telemetry.items_tracked == {}


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_copies_of_an_item_in_one_hand_the_younger_is_followed(first: int) -> None:
    """The older one is acknowledged, in whatever order they come."""
    post = ItemPost()
    copies = [post.delivery(generation=generation) for generation in (first, 1 - first)]
    await _for(post, SOON, *copies)
    older, younger = copies[first], copies[1 - first]
    assert (older.settled, younger.settled) == (["ack"], ["give back"])


async def _in_two_hands(*of: dict[str, Any]) -> list[list[str]]:
    """How the messages of one item end that two trackers hold."""
    posts = ItemPost(), ItemPost()
    held = [post.of("inv-1", **more) for post, more in zip(posts, of, strict=True)]
    for post, other in zip(posts, reversed(posts), strict=True):
        post.hints.others = [other.hints]
        post.hints.hear({"kind": "item-generation", "tracker": "who?", "items": 7})
    async with posts[0].at_work(held[0]), posts[1].at_work(held[1]):
        await asyncio.sleep(SOON)
    return [copy.settled for copy in held]


@pytest.mark.parametrize(("mine", "theirs"), [(0, 1), (1, 1), (2, 1)])
async def test_of_two_copies_of_an_item_in_two_hands_one_is_followed(mine: int, theirs: int) -> None:
    """The younger one, and of two that are as old one of them."""
    settled = await _in_two_hands({"generation": mine}, {"generation": theirs, "moment": "another"})
    assert sorted(settled) == [["ack"], ["give back"]]
    if mine != theirs:
        assert settled[mine > theirs] == ["ack"]


async def test_one_message_that_two_have_seen_is_followed() -> None:
    """By who has lost it, without knowing, and by who has it now: neither drops it."""
    assert await _in_two_hands({}, {"redelivered": True}) == [["give back"], ["give back"]]


async def test_a_copy_that_is_dropped_in_the_middle_of_a_look_tells_nothing() -> None:
    """Invariant 6: who has the younger one looks as well, and tells what comes after."""
    post, answered = ItemPost(), asyncio.Event()
    post.sees(answered)
    post.items.rows = [row("InProgress", started_at=BEGAN)]
    copy = post.of("inv-1")
    async with post.at_work(copy):
        await asyncio.sleep(2 * INTERVAL)
        post.hints.hear({"kind": "item-generation", "tracker": "other", "items": [["inv-1", 1, 0]]})
        await asyncio.sleep(SOON)
        answered.set()
        await asyncio.sleep(SOON)
    assert (copy.settled, post.outbox.keys()) == (["ack"], [])


async def test_a_defect_costs_one_item_a_delay() -> None:
    """Whatever it is, the others do not pay for it."""
    post = ItemPost()
    post.sees(RuntimeError("a defect"))
    post.items.rows = [row("Successful")]
    deliveries = [post.of("inv-1"), post.of("inv-2")]
    await post.follow(*deliveries)
    assert [one.settled for one in deliveries] == [["ack"], ["ack"]]
    assert post.item_telemetry.defects == 1


async def test_a_message_that_is_half_an_items_is_a_dead_letter() -> None:
    """What cannot be read is kept, byte for byte, and can be replayed."""
    post = ItemPost()
    broken = post.delivery(status=7)
    await post.follow(broken)
    ((message, headers),) = post.outbox.buried
    assert (message.body, headers["jobrelay-code"]) == (broken.message.body, "invalid_request")
    assert "/status" in headers["jobrelay-detail"]
