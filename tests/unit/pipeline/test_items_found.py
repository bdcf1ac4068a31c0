"""What was added for a request is found, whatever its message, its rights or its queue have become since."""

from typing import Any

import pytest
from fake_orchestrator import MODERN, Lost
from fake_queues import PLAIN, STRICT
from fakes import NOW
from shop import Ruled, Shop

from worker.domain.events import rfc3339
from worker.domain.failures import Later, Unavailable
from worker.domain.messages import ATTEMPT, FIRST_AT, WINDOW_UNTIL
from worker.domain.queues import Given, Queue

MARK = "jobrelay:inc-1"
GIVEN: dict[str, Any] = {"reference": "invoice 1", "specificContent": {"Id": 1}}
OVER = {ATTEMPT: 1, FIRST_AT: rfc3339(NOW), WINDOW_UNTIL: rfc3339(NOW - 1)}
ALICE = {"users": ["alice"], "folders": [MODERN.path], "add": ["*"]}


def told(shop: Shop) -> tuple[str, Any, Any]:
    """The last event's routing key, and the item and the queue that it names."""
    event = shop.outbox.events[-1]
    return event.routing_key, event.data.get("item", {}).get("id"), event.data.get("queue")


@pytest.mark.parametrize("marks", [True, False])
async def test_an_item_whose_sender_lost_its_rights_is_adopted(marks: bool) -> None:
    """It is there, by the Reference that its sender gave: a rejection would deny it (invariant 3)."""
    shop = Ruled(ALICE)
    shop.queues.marks = marks
    shop.tenant.meets("add", Lost(1, late=10))
    await shop.handle(shop.item(**GIVEN, user_id="alice"), adds=True)
    shop.rules = [ALICE | {"users": ["bob"]}]
    shop.clock.now += shop.outbox.deferred[-1][1]
    await shop.handle_all_rounds(shop.comes_back(), adds=True)
    assert told(shop)[:2] == ("queue-item.added", 48001)
    assert "request.rejected" not in [event.routing_key for event in shop.outbox.events]


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize(
    "wrong", [{"priority": 3}, {"queue": 5}, {"expiresAt": "soon"}, {"more": 1}], ids=str
)
async def test_an_item_is_looked_up_by_the_reference_of_a_document_that_is_refused(
    wrong: dict[str, Any], marks: bool
) -> None:
    """However little else in it is right by the rules of the worker that has it now."""
    shop = Shop()
    shop.queues.marks = marks
    shop.queues.commit(MODERN, PLAIN, _row(ParentOperationId=MARK if marks else None))
    await shop.handle(shop.item(OVER, **{**GIVEN, **wrong}), adds=True)
    assert told(shop)[:2] == ("queue-item.added", 48001)


DOCUMENTS: dict[str, tuple[dict[str, Any], Given]] = {
    "both": (GIVEN, Given("invoice 1", {"Id": 1})),
    "neither": ({}, Given(None, {})),
    "no texts": ({"reference": 3, "specificContent": "a"}, Given(None, None)),
    "empty": ({"reference": ""}, Given(None, {})),
    "longest": ({"reference": "r" * 128}, Given("r" * 128, {})),
    "too long": ({"reference": "r" * 129}, Given(None, {})),
    "too long in UTF-16": ({"reference": "\U0001f9fe" * 65}, Given(None, {})),
}


@pytest.mark.parametrize(("document", "given"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_only_what_may_have_been_sent_is_looked_for(document: dict[str, Any], given: Given) -> None:
    """What Orchestrator would never have been sent was not; its item then has the mark alone."""
    assert Given.of(document) == given


async def test_one_request_with_two_queues_adds_one_item() -> None:
    """Its mark is its own in any queue: what an earlier message has added is not added to another."""
    shop = Shop()
    shop.tenant.meets("add", Lost(1))
    shop.tenant.meets("find_items", Unavailable(Later.FAILING, "no"))
    await shop.handle(shop.item(), adds=True)
    first, seconds = shop.outbox.comes_back(), shop.outbox.deferred[-1][1]
    await shop.handle_all_rounds(shop.item(queue="Unique", message_id="m-2"), adds=True)
    shop.clock.now += seconds
    await shop.handle_all_rounds(first, adds=True)
    assert [item.queue_id for _, _, item in shop.queues.items] == [PLAIN.id]
    added = [event for event in shop.outbox.events if event.routing_key == "queue-item.added"]
    assert [event.data["queue"] for event in added] == [{"id": PLAIN.id, "name": None}]


@pytest.mark.parametrize("row", [{"Reference": MARK}, {"ParentOperationId": MARK}], ids=str)
async def test_own_items_in_two_queues_are_counted(row: dict[str, Any]) -> None:
    """One is told; the other is a second addition, wherever it is."""
    shop = Shop()
    for queue in (STRICT, PLAIN):
        shop.queues.commit(MODERN, queue, _row(**row))
    asked = {} if "Reference" in row else GIVEN
    await shop.handle(shop.item(OVER, **asked), adds=True)
    assert told(shop) == ("queue-item.added", 48001, {"id": STRICT.id, "name": None})
    assert (shop.telemetry.surplus_jobs, shop.tenant.count("add")) == (1, 0)


@pytest.mark.parametrize("marks", [True, False])
async def test_anothers_item_in_another_queue_is_nothing_to_a_request(marks: bool) -> None:
    """A Reference that requests share says nothing across queues, nor does the same content."""
    shop = Shop()
    shop.queues.marks = marks
    shop.queues.commit(MODERN, STRICT, _row())
    await shop.handle(shop.item(OVER, **GIVEN), adds=True)
    assert told(shop) == ("queue-item.added", 48002, {"id": PLAIN.id, "name": PLAIN.name})
    assert shop.telemetry.surplus_jobs == 0


@pytest.mark.parametrize("queue", [PLAIN, STRICT], ids=lambda queue: queue.name)
@pytest.mark.parametrize("parent", ["jobrelay:evil", "operation 7", None])
async def test_who_takes_anothers_mark_for_a_reference_does_not_take_its_item(
    parent: str | None, queue: Queue
) -> None:
    """Before that was refused: what an item keeps of whose it is counts more than its Reference."""
    shop = Shop()
    shop.queues.commit(MODERN, queue, _row(Reference=MARK, ParentOperationId=parent))
    shop.tenant.meets("add", Lost(0))
    await shop.handle_all_rounds(shop.item(OVER), adds=True)
    taken = parent == "jobrelay:evil"
    assert (told(shop)[:2], len(shop.queues.items)) == (("queue-item.added", 48001 + taken), 1 + taken)


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("there", [True, False])
async def test_what_was_added_under_a_reference_that_is_refused_now_is_adopted(
    there: bool, marks: bool
) -> None:
    """It may not be denied; where it is not there it is refused, once nothing can come any more."""
    shop = Shop()
    shop.queues.marks = marks
    given = GIVEN | {"reference": "jobrelay:inc-2"}
    if there:
        row = _row(Reference="jobrelay:inc-2", ParentOperationId=MARK if marks else None)
        shop.queues.commit(MODERN, PLAIN, row)
    await shop.handle(shop.item(OVER, **given), adds=True)
    assert told(shop)[0] == ("queue-item.added" if there else "request.rejected")
    assert (shop.tenant.count("add"), shop.codes) == (0, [] if there else ["invalid_request"])


@pytest.mark.parametrize("reference", [MARK, "jobrelay", "jobrelay-inc-2", "our jobrelay:inc-2"])
async def test_any_other_reference_is_the_senders_to_choose(reference: str) -> None:
    """Its own mark too: only by another's would another's item be looked up."""
    shop = Shop()
    await shop.handle(shop.item(reference=reference), adds=True)
    assert [item.reference for _, _, item in shop.queues.items] == [reference]
    assert told(shop)[:2] == ("queue-item.added", 48001)


@pytest.mark.parametrize(
    ("there", "asked", "own"),
    [
        (1, True, False),
        (True, 1, False),
        (0, False, False),
        ("1", 1, False),
        (1.0, 1, True),
        (True, True, True),
    ],
    ids=str,
)
async def test_contents_are_compared_with_their_types(there: Any, asked: Any, own: bool) -> None:
    """True is not 1, in JSON: on an old server another's item is not taken for the request's."""
    shop = Shop()
    shop.queues.marks = False
    shop.queues.commit(MODERN, PLAIN, _row(SpecificContent={"Paid": there}))
    delivery = shop.item(OVER, reference="invoice 1", specificContent={"Paid": asked})
    await shop.handle(delivery, adds=True)
    assert told(shop)[1] == (48001 if own else 48002)


def _row(**more: Any) -> dict[str, Any]:
    """An item's row, alike to what `GIVEN` asks for."""
    return {"Reference": "invoice 1", "SpecificContent": {"Id": 1}, **more}
