"""What is told of an event's end is told of that one, published then: of no other, and of none sent anew."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from eventful import Room, template
from fakes import NOW, Delivery

from worker.domain.events import Sender, rfc3339
from worker.domain.failures import Code, Overtaken
from worker.domain.messages import ATTEMPT, FIRST_AT, REPLAYS, Message, past_of
from worker.domain.outcomes import Duplicate, Repeated, Told, told_before
from worker.ledger.memory import MemoryLedger
from worker.pipeline.case import Case
from worker.templates.model import Template

AT_FAULT = {"requestId": "data.number"}


def _shared() -> MemoryLedger:
    ledger = MemoryLedger()
    ledger.shared = True
    return ledger


async def _killed_with(event: Delivery, *templates: Template, ledger: MemoryLedger) -> Delivery:
    """A worker of its own has it, and is gone before it asked for anything; the broker gives it out again."""
    room = Room(*templates, ledger=ledger)
    event.lose()
    await room.take(event)
    assert room.out.asked == []
    return event.again()


async def test_what_is_published_anew_is_not_taken_for_told() -> None:
    """Invariant 1: rejected once, it comes again for a mended template, whose worker is killed with it."""
    ledger = _shared()
    room = Room(template("a", **AT_FAULT), ledger=ledger)
    await room.take(room.event())
    again = await _killed_with(room.event(), template("a"), ledger=ledger)
    other = Room(template("a"), ledger=ledger)
    await other.take(again)
    assert (room.counted.events, other.counted.events) == (["failed"], ["made"])


@pytest.mark.parametrize(
    "other",
    [
        {"key": "b"},
        {"exchange": "y"},
        {"headers": {"h": 1}},
        {"message_id": "n"},
        {"correlation_id": "n"},
        {"type": "n"},
        {"app_id": "n"},
        {"content_type": "application/cloudevents+json"},
    ],
    ids=str,
)
async def test_the_end_of_one_event_is_not_anothers(other: dict[str, Any]) -> None:
    """The same bytes, in anything else that templates see of them another event."""
    ledger, keys = _shared(), {"routingKeys": ["#"]}
    listens = {"bindings": [{"exchange": "x"} | keys, {"exchange": "y"} | keys]}
    room = Room(template("a", **AT_FAULT, **listens), ledger=ledger)
    mine = room.event(**other).again()
    await room.take(room.event())
    room.templates = [template("a", **listens, requestId="'i'")]
    await room.take(mine)
    assert room.counted.events[1] != "repeated"


async def test_each_rejection_is_told_of_its_own_event() -> None:
    """Invariant 5: the same bytes without a message id, by another key, are another fact."""
    room = Room(template("a", **AT_FAULT), template("b", **AT_FAULT))
    events = [room.event(key=key, message_id=None) for key in ("a", "b", "a")]
    await room.take(*events)
    first, second, anew = room.out.events
    assert first.id != second.id
    assert first.id == anew.id
    for event, name in ((first, "a"), (second, "b")):
        assert event.data["metadata"] == {"template": name}
        assert f"template '{name}'" in event.data["detail"]


async def test_a_rejection_by_another_template_is_another_fact() -> None:
    """The very same event, published again after the template gave way to another."""
    room = Room(template("a", **AT_FAULT), ledger=_shared())
    await room.take(room.event(key="all"))
    room.templates = [template("b", **AT_FAULT)]
    await room.take(room.event(key="all"))
    first, second = room.out.events
    assert first.id != second.id
    assert "template 'b'" in second.data["detail"]


@pytest.mark.parametrize("by_now", [template("a"), template("b", **AT_FAULT)], ids=["mended", "another"])
async def test_what_was_being_told_is_told_by_the_next_owner_as_it_was(by_now: Template) -> None:
    """Invariant 3: a killed worker may have told it, though its template would take it by now, or is gone."""
    ledger = _shared()
    room = Room(template("a", **AT_FAULT), ledger=ledger)
    room.out.break_next("announce", Overtaken())
    await room.take(event := room.event(key="all"))
    other = Room(by_now, ledger=ledger)
    await other.take(again := event.again())
    (told,) = other.out.events
    assert told.data["detail"].startswith("an event of 'x' with key 'all': template 'a': /requestId")
    assert told.data["metadata"] == {"template": "a"}
    await other.take(once_more := again.again())
    assert (other.counted.events, once_more.settled) == (["failed", "repeated"], ["ack"])
    await room.take(room.event(key="all"))
    assert room.out.events[0].id == told.id


async def test_a_replayed_event_has_an_end_of_its_own() -> None:
    """Who replays it means it."""
    room = Room(template("a", **AT_FAULT), ledger=_shared())
    await room.take(event := room.event())
    sent = Delivery(replace(event.message, headers={REPLAYS: 1})).again()
    await room.take(sent)
    first, second = room.out.events
    assert first.id != second.id
    assert second.data["code"] == Code.TEMPLATE_FAILED


def _told(first: Message, second: Message) -> Told | None:
    """What *second* is where *first* was started."""
    cases = [
        Case(delivery=Delivery(one), past=past_of(one, NOW, 0), sender=Sender("a-1"))
        for one in (first, second)
    ]
    stands, mine = (case.entry() for case in cases)
    return told_before(replace(stands, settled=True), mine, copy=second.comes_again)


@pytest.mark.parametrize(("priority", "same"), [("Low", True), ("High", False)])
async def test_an_event_that_says_no_time_makes_no_other_request_when_it_comes_again(
    priority: str, *, same: bool
) -> None:
    """Its expiresAt is a later one then, and that alone is no duplicate with another body."""
    room = Room(template("a", expiresIn="PT1H", start={"process": {"name": "A"}, "priority": "Low"}))
    await room.take(event := room.event())
    room.templates = [template("a", expiresIn="PT1H", start={"process": {"name": "A"}, "priority": priority})]
    room.role = replace(room.role, clock=lambda: NOW + 60)
    await room.take(event.again())
    first, second = (request for request, _ in room.out.asked)
    assert first.body != second.body
    wanted = Repeated() if same else Duplicate(body_differs=True, first=first.message_id)
    assert _told(first, second) == wanted


async def test_an_event_that_went_round_expires_as_counted_from_the_first_time() -> None:
    """It says no time, and we know since when it is here."""
    room = Room(template("a", expiresIn="PT1H"))
    await room.take(room.event(headers={ATTEMPT: 1, FIRST_AT: rfc3339(NOW - 7)}), room.event(key="all"))
    bodies = [json.loads(request.body) for request, _ in room.out.asked]
    expires = [datetime.fromisoformat(body["expiresAt"]).timestamp() for body in bodies]
    assert expires == [NOW - 7 + 3600, NOW + 3600]
