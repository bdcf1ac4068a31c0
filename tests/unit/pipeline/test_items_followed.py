"""Who asks to be told what becomes of an item has it put into the set of what is followed."""

from typing import Any

import pytest
from fake_orchestrator import MODERN, Lost
from fake_queues import PLAIN
from shop import Shop

from worker.domain.messages import ATTEMPT

GIVEN = {"reference": "invoice 1", "specificContent": {"Id": 1}}


@pytest.mark.parametrize("track", [True, False, None])
async def test_an_item_is_followed_where_that_is_asked_for(track: bool | None) -> None:
    """Invariant 6: the event that it is there, then its tracking message, then the ack."""
    shop = Shop()
    await shop.handle(shop.item(**{} if track is None else {"track": track}), adds=True)
    assert shop.journal == ["announce", *["track"] * bool(track), "ack"]
    for document in shop.outbox.tracked:
        (event,) = shop.outbox.events
        assert document["tryId"] == document["item"]["id"] == 48001
        shared = ("requestId", "item", "queue", "folder", "adopted", "metadata", "kind")
        assert {name: document[name] for name in shared} == {name: event.data[name] for name in shared}


@pytest.mark.parametrize("past", [None, {ATTEMPT: 1}], ids=["answer lost", "worker lost"])
async def test_an_item_that_is_found_is_followed_too(past: dict[str, Any] | None) -> None:
    """Its worker may have been lost after the answer: who looks it up puts it into the set."""
    shop = Shop()
    if past:
        shop.queues.commit(MODERN, PLAIN, {"Reference": "jobrelay:inc-1"})
    else:
        shop.tenant.meets("add", Lost(1))
    await shop.handle_all_rounds(shop.item(past, track=True), adds=True)
    (document,) = shop.outbox.tracked
    assert (document["adopted"], document["status"], document["tryId"]) == (True, "New", 48001)


async def test_the_ids_are_asked_for_where_the_reference_may_be_others_too() -> None:
    """An item with a Reference of its sender's is sent alone if it is to be followed: its answer names it."""
    shop = Shop()
    shop.queues.untold = True
    await shop.handle(shop.item(track=True, **GIVEN), adds=True)
    await shop.handle(shop.item(requestId="inc-2", track=True), adds=True)
    assert [document["tryId"] is None for document in shop.outbox.tracked] == [False, True]
