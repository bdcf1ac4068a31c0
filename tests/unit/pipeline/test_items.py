"""A request to add a queue item adds it once, whatever its past, its queue and its server are like."""

from typing import Any

import pytest
from fake_orchestrator import MODERN, Lost
from fake_queues import PLAIN, STRICT
from fakes import NOW
from shop import SOURCE, WINDOW, Shop

from worker.domain.events import event_id, rfc3339
from worker.domain.failures import Answer, Code, Later, Rejected, Unavailable
from worker.domain.messages import ATTEMPT, FIRST_AT, WINDOW_UNTIL
from worker.domain.queues import Queue

MARK = "jobrelay:inc-1"
DEFERRED = {ATTEMPT: 1}
OVER = {ATTEMPT: 1, WINDOW_UNTIL: rfc3339(NOW - 1)}
GIVEN = {"reference": "invoice 1", "specificContent": {"Id": 1}}


def added(shop: Shop) -> list[tuple[Any, bool]]:
    """The item's id and whether it was adopted, of each event that tells of one."""
    told = [event for event in shop.outbox.events if event.routing_key == "queue-item.added"]
    return [(event.data["item"]["id"], event.data["adopted"]) for event in told]


async def test_an_item_is_added_and_told() -> None:
    """All that was asked goes to the queue as Orchestrator names it, and the event names the item."""
    shop = Shop()
    content = {"Id": 1, "Text": "ü", "Flag": True, "None": None, "Rate": 0.5}
    more = {"priority": "High", "dueDate": "2026-12-24T12:00:00Z", "progress": "new"}
    delivery = shop.item(specificContent=content, **more, metadata={"team": "a"})
    await shop.handle(delivery, adds=True)
    (item,) = shop.tenant.asked("add")
    details = {"Priority": "High", "DueDate": "2026-12-24T12:00:00Z", "Progress": "new"}
    assert item == {**details, "SpecificContent": content, "Reference": MARK}
    (event,) = shop.outbox.events
    assert event.id == event_id("queue-item-added.v1", SOURCE, "inc-1")
    assert event.data["queue"] == {"id": 31, "name": "Invoices"}
    assert event.data["item"] == {"id": 48001, "key": shop.queues.items[0][2].key, "reference": MARK}
    assert (shop.journal, event.data["metadata"]) == (["announce", "ack"], {"team": "a"})


async def test_a_start_and_an_item_may_have_one_id() -> None:
    """The kinds do not know of each other: neither is the other's duplicate, nor stopped with it."""
    shop = Shop()
    await shop.handle(shop.item(), adds=True)
    await shop.handle(shop.delivery(message_id="m-2"))
    assert shop.outbox.keys() == ["queue-item.added", "job.created"]


async def test_the_same_request_again_is_a_duplicate() -> None:
    """Also with other content: the first one's item is the request's."""
    shop = Shop()
    await shop.handle(shop.item(), adds=True)
    for message, content in (("m-2", {}), ("m-3", {"a": 1})):
        await shop.handle(shop.item(specificContent=content, message_id=message), adds=True)
    assert shop.outbox.keys() == ["queue-item.added", "request.duplicate", "request.duplicate"]
    assert len(shop.queues.items) == 1


@pytest.mark.parametrize("queue", ["Invoices", "Unique"])
@pytest.mark.parametrize(
    ("lost", "adopted"),
    [(Lost(), False), (Lost(1), True), (Lost(1, late=30), True)],
    ids=["no", "yes", "late"],
)
@pytest.mark.parametrize("asked", [{}, GIVEN], ids=["own", "given"])
async def test_a_lost_answer_is_looked_up(
    lost: Lost, adopted: bool, queue: str, asked: dict[str, Any]
) -> None:
    """Whether the item was added or not, and however late: it is there once, and told once."""
    shop = Shop()
    shop.tenant.meets("add", lost)
    await shop.handle_all_rounds(shop.item(queue=queue, **asked), adds=True)
    assert len(shop.queues.items) == 1
    assert added(shop) == [(48001, adopted)]
    assert shop.tenant.count("add") == (1 if adopted else 2)


@pytest.mark.parametrize(
    "trouble", [{}, {"priority": 3}, {"queue": "Nobody"}, {"expiresAt": "2020-01-01T00:00:00Z"}]
)
@pytest.mark.parametrize(("headers", "redelivered"), [({}, True), (DEFERRED, False), (OVER, False)])
async def test_an_item_that_is_there_is_adopted(
    headers: Any, redelivered: bool, trouble: dict[str, Any]
) -> None:
    """What may have been sent is looked up before anything can end it, and then nothing is sent."""
    shop = Shop()
    shop.queues.commit(MODERN, PLAIN, {"Reference": MARK})
    await shop.handle(shop.item(headers, redelivered=redelivered, **trouble), adds=True)
    assert (added(shop), shop.tenant.count("add")) == ([(48001, True)], 0)


async def test_a_copy_waits_out_its_window() -> None:
    """Its former owner's POST may still commit: until then nothing is sent, and afterwards once."""
    shop = Shop()
    rounds = await shop.handle_all_rounds(shop.item(redelivered=True), adds=True)
    assert (rounds > 1, added(shop)) == (True, [(48001, False)])
    assert shop.clock() >= NOW + WINDOW


ROWS: dict[str, tuple[bool, dict[str, Any], bool]] = {
    "another request's": (True, {"ParentOperationId": "jobrelay:inc-2"}, False),
    "nobody's": (True, {}, False),
    "nobody's, and alike": (True, {"SpecificContent": {"Id": 1}}, False),
    "its own": (True, {"ParentOperationId": MARK, "SpecificContent": {"Id": 2}}, True),
    "alike, on an old server": (False, {"SpecificContent": {"Id": 1}}, True),
    "alike but for what is null": (False, {"SpecificContent": {"Id": 1, "Note": None}}, True),
    "other content, on an old server": (False, {"SpecificContent": {"Id": 2}}, False),
    "alike, but of old": (
        False,
        {"SpecificContent": {"Id": 1}, "CreationTime": "2020-01-01T00:00:00Z"},
        False,
    ),
}


@pytest.mark.parametrize(("marks", "row", "own"), ROWS.values(), ids=ROWS)
async def test_items_that_share_a_given_reference_are_told_apart(
    marks: bool, row: dict[str, Any], own: bool
) -> None:
    """By what the server keeps of whose they are, or, on an old one, by content and time."""
    shop = Shop()
    shop.queues.marks = marks
    shop.queues.commit(MODERN, PLAIN, {"Reference": "invoice 1", **row})
    await shop.handle(shop.item({**OVER, FIRST_AT: rfc3339(NOW)}, **GIVEN), adds=True)
    assert added(shop) == [(48001, True)] if own else [(48002, False)]
    assert shop.tenant.count("add") == (0 if own else 1)


async def test_only_a_given_reference_is_marked_and_only_where_that_is_kept() -> None:
    """An old server would refuse the property; with its own Reference a request needs none."""
    for marks, asked, parent in ((True, GIVEN, MARK), (True, {}, None), (False, GIVEN, None)):
        shop = Shop()
        shop.queues.marks = marks
        await shop.handle(shop.item(**asked), adds=True)
        (item,) = shop.tenant.asked("add")
        assert item.get("ParentOperationId") == parent


async def test_a_reference_that_is_taken_is_adopted() -> None:
    """1016 says that it is there: its first try is told, or, where that is deleted, that it was."""
    shop = Shop()
    for _ in range(2):
        shop.queues.commit(
            MODERN, STRICT, {"Reference": "invoice 1", "Key": "1f0c3b52-6f43-4b0e-9a3e-0d3d1c5a4801"}
        )
    shop.queues.commit(MODERN, PLAIN, {"Reference": "invoice 1"})
    await shop.handle(shop.item(queue="Unique", **GIVEN), adds=True)
    taken = Rejected(Code.ORCHESTRATOR_REFUSED, "taken", answer=Answer(409, 1016))
    shop.tenant.meets("add", taken)
    await shop.handle(shop.item(queue="Unique", requestId="inc-2"), adds=True)
    assert added(shop) == [(48001, True), (None, True)]
    assert len(shop.queues.items) == 3


async def test_a_retry_is_the_same_item_and_another_key_a_second_one() -> None:
    """The first try is told, whenever it is asked; two keys are two additions, which is counted."""
    shop = Shop()
    for key in ("1f0c3b52-6f43-4b0e-9a3e-0d3d1c5a4801", "1f0c3b52-6f43-4b0e-9a3e-0d3d1c5a4801", None):
        shop.queues.commit(MODERN, PLAIN, {"Reference": MARK, "Key": key})
    await shop.handle(shop.item(DEFERRED), adds=True)
    assert (added(shop), shop.telemetry.surplus_jobs) == ([(48001, True)], 1)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too much content": ({"specificContent": {"a": "ü" * 256_000}}, "/specificContent"),
    "too many UTF-16 units": ({"reference": "\U0001f9fe" * 65}, "/reference"),
    "a list": ({"specificContent": {"a": [1]}}, "/specificContent/a"),
    "another request's mark": ({"reference": "jobrelay:inc-2"}, "/reference"),
    "a mark in another case": ({"reference": "JobRelay:inc-2"}, "/reference"),
    "its own in another case": ({"reference": "jobrelay:INC-1"}, "/reference"),
    "a mark of nobody": ({"reference": "jobrelay:"}, "/reference"),
}


@pytest.mark.parametrize(("asked", "pointer"), REFUSED.values(), ids=REFUSED)
async def test_what_orchestrator_would_not_take_is_not_sent(asked: dict[str, Any], pointer: str) -> None:
    """The limits are known before a call is spent."""
    shop = Shop()
    await shop.handle(shop.item(**asked), adds=True)
    (event,) = shop.outbox.events
    assert (event.data["kind"], event.data["code"]) == ("queue-item.add", "invalid_request")
    assert [violation["pointer"] for violation in event.data["violations"]] == [pointer]
    assert (shop.tenant.calls, len(shop.outbox.buried)) == ([], 1)


async def test_content_of_the_greatest_size_is_sent() -> None:
    """The limit is on what the server keeps, with the name that it wraps the content in."""
    shop = Shop()
    room = 256_000 - len('{"DynamicProperties":{"a":""}}')
    await shop.handle(shop.item(specificContent={"a": "x" * room}), adds=True)
    await shop.handle(shop.item(requestId="inc-2", specificContent={"a": "x" * (room + 1)}), adds=True)
    assert shop.outbox.keys() == ["queue-item.added", "request.rejected"]


async def test_a_queue_may_appear_within_minutes() -> None:
    """An unknown one is waited for like an unknown process, and refused with those that are like it."""
    shop = Shop()
    assert await shop.handle_all_rounds(shop.item(queue="Invoice"), adds=True) == 4
    (*deferred, rejected) = shop.outbox.events
    assert {event.data["code"] for event in deferred} == {"not_yet_visible"}
    assert (rejected.data["code"], "Invoices" in rejected.data["detail"]) == ("queue_unknown", True)
    shop.queues.known.append(Queue(33, "Invoice"))
    await shop.handle(shop.item(queue="INVOICE"), adds=True)
    assert shop.outbox.keys()[-1] == "queue-item.added"


async def test_a_queue_that_is_gone_is_read_anew() -> None:
    """The name may mean another queue by now."""
    shop = Shop()
    gone = Rejected(Code.ORCHESTRATOR_REFUSED, "gone", answer=Answer(404, 1002))
    shop.tenant.meets("add", gone)
    await shop.handle(shop.item(), adds=True)
    assert ([fresh for _, fresh in shop.tenant.asked("queues")], added(shop)) == (
        [False, True],
        [(48001, False)],
    )


async def test_a_refusal_ends_it_and_throttling_does_not() -> None:
    """Permanent: told, with the server's words. A 429: sent again by itself."""
    shop = Shop()
    shop.tenant.meets("add", Rejected(Code.ORCHESTRATOR_REFUSED, "no", answer=Answer(403)))
    shop.tenant.meets("add", Unavailable(Later.THROTTLED, "slow", retry_after=3.0))
    await shop.handle(shop.item(), adds=True)
    await shop.handle(shop.item(requestId="inc-2"), adds=True)
    assert shop.outbox.keys() == ["request.rejected", "queue-item.added"]


async def test_who_is_never_answered_ends_unsettled_and_not_rejected() -> None:
    """After all attempts a lost item that cannot be looked up is a dead letter that nobody is told of."""
    shop = Shop(max_attempts=2)
    shop.tenant.meets("add", Lost(1))
    shop.tenant.meets("find_items", *[Unavailable(Later.FAILING, "no")] * 50)
    await shop.handle_all_rounds(shop.item(), adds=True)
    assert shop.codes == ["outcome_unknown"]
    assert "request.rejected" not in [event.routing_key for event in shop.outbox.events]


async def test_two_replicas_with_one_ledger_add_one_item() -> None:
    """A publisher's duplicate on another replica at the same moment is a duplicate."""
    shop = Shop()
    other = Shop(beside=shop)
    await shop.handle(shop.item(), adds=True)
    await other.handle(other.item(message_id="m-2"), adds=True)
    assert (len(shop.queues.items), other.outbox.keys()) == (1, ["request.duplicate"])
