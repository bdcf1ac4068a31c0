"""An event from its arrival to its settlement: requests confirmed, then the ack; nothing blocks the queue."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from eventful import PLACES, WINDOW_S, Room, template
from fakes import NOW, Delivery

from worker.broker.topology import Topology
from worker.broker.visits.letters import Letter
from worker.contracts import violations
from worker.domain.failures import Code, Overtaken
from worker.domain.messages import ATTEMPT, REPLAYS, WINDOW_UNTIL, past_of, replayed
from worker.domain.policy import Policy, Rule
from worker.domain.policy.custody import EVENT_EXCHANGE, EVENT_KEY, Custody
from worker.domain.requests import Kind
from worker.ledger.memory import MemoryLedger
from worker.pipeline.permission import Permission
from worker.templates.travel import ROUNDS


async def test_requests_are_confirmed_before_the_ack() -> None:
    """One event may be for several templates: each makes its request, and nothing is acked before."""
    room = Room(template("a"), template("b"), template("c", when="data.no"))
    event = room.event(key="all", headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    await room.take(event)
    assert room.out.journal == ["ask", "ask", "ack"]
    assert room.counted.events == ["made"]
    for request, kind in room.out.asked:
        document = json.loads(request.body)
        assert violations("start-job.v1", document) == []
        assert kind is Kind.START
        assert (request.user_id, request.correlation_id, request.reply_to) == ("worker", "m", None)
        assert request.fresh
        assert request.headers["traceparent"].startswith("00-1")
    first, second = (request for request, _ in room.out.asked)
    assert first.message_id != second.message_id


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.INVALID_JSON),
        (b"\xff", Code.INVALID_JSON),
        (b"[" * 100_000, Code.INVALID_JSON),
        (b'{"id": NaN}', Code.INVALID_JSON),
        (b'{"id": 1, "id": 2}', Code.INVALID_JSON),
        (b'"%s"' % (b"x" * 1_048_576), Code.TOO_LARGE),
        (b'{"id": ["%s"]}' % (b"x" * 900_000), Code.TEMPLATE_FAILED),
        (b'{"id": {"deep": %s}}' % (b"[" * 60 + b"]" * 60), Code.TEMPLATE_FAILED),
        (b'{"id": 4711}', Code.TEMPLATE_FAILED),
        (b"[1, 2]", Code.TEMPLATE_FAILED),
        (b"null", Code.TEMPLATE_FAILED),
    ],
)
async def test_a_hostile_event_never_blocks_the_queue(body: bytes, code: Code) -> None:
    """It is rejected, kept byte for byte, acked; and its neighbours are handled."""
    room = Room()
    hostile, neighbour = room.event(body), room.event({"id": "2"})
    await room.take(hostile, neighbour)
    assert hostile.settled == neighbour.settled == ["ack"]
    (event,) = room.out.events
    assert violations("request-rejected.v1", event.document()) == []
    assert (event.data["code"], event.data["kind"]) == (code, Kind.START)
    ((letter, headers),) = room.out.buried
    assert letter.body == body
    assert headers["jobrelay-routing-key"] == PLACES.queue
    assert len(room.out.asked) == 1


async def test_a_failure_names_template_place_and_expression() -> None:
    """What other templates make of the event is asked for all the same, before it is buried."""
    room = Room(template("a"), template("b", requestId="data.number"))
    await room.take(room.event({"id": "1", "number": 7}, key="all"))
    assert room.out.journal == ["ask", "bury", "announce", "ack"]
    (event,) = room.out.events
    assert event.data["code"] == Code.TEMPLATE_FAILED
    assert event.data["metadata"] == {"template": "b"}
    assert "template 'b': /requestId (data.number)" in event.data["detail"]
    assert event.data["violations"][0]["pointer"] == "/b/requestId"
    assert room.counted.by == ["a", "not b"]


@pytest.mark.parametrize(
    ("properties", "correlation"), [({}, "m"), ({"correlation_id": "c"}, "c"), ({"message_id": None}, None)]
)
@pytest.mark.parametrize(("body", "said"), [({"id": 7}, "template 'a': "), (b"no JSON", "")])
async def test_a_rejected_event_is_known_to_its_sender(
    properties: dict[str, Any], correlation: str | None, body: Any, said: str
) -> None:
    """By the correlation id that its requests would have had, and by exchange and routing key."""
    room = Room()
    await room.take(room.event(body, **properties))
    (event,) = room.out.events
    assert event.document()["data"]["correlationId"] == correlation
    assert event.data["detail"].startswith(f"an event of 'x' with key 'a': {said}")
    assert violations("request-rejected.v1", event.document()) == []


async def test_a_replayed_event_comes_to_its_templates_again() -> None:
    """It names its origin, and what it made before is looked up: that may be under way."""
    room = Room(template("a"), template("b", requestId="data.number"))
    await room.take(room.event({"id": "1", "number": 7}, key="all"))
    ((letter, headers),) = room.out.buried
    sent = replace(letter, headers={**letter.headers, **headers}, exchange="p.dead")
    assert Letter.of(sent, Topology("p")).place(Topology("p"), None) == ("", PLACES.queue)
    sent = replace(sent, exchange="")
    room.templates[1] = template("b")
    await room.take(Delivery(replayed(sent, NOW), room.out.journal))
    first, again, other = (request for request, _ in room.out.asked)
    assert (again.message_id, again.body) == (first.message_id, first.body)
    assert other.headers[ATTEMPT] == again.headers[ATTEMPT] == 0
    assert past_of(again, NOW, 0).safe_at == NOW + WINDOW_S


@pytest.mark.parametrize(
    ("properties", "fresh", "waits"),
    [
        ({}, True, False),
        ({"headers": {"x-death": [{}]}}, True, False),
        ({"redelivered": True}, False, True),
        ({"redelivered": True, "headers": {"x-delivery-count": 1}}, False, True),
        ({"headers": {REPLAYS: 1}}, False, True),
        ({"headers": {ATTEMPT: 1}}, False, False),
    ],
)
async def test_a_request_tells_of_its_events_past(
    properties: dict[str, Any], *, fresh: bool, waits: bool
) -> None:
    """Its twin may be on its way: then it is looked up first, when that one's POST is done."""
    room = Room()
    sent = datetime.fromtimestamp(NOW - 5000, UTC)
    await room.take(room.event(timestamp=sent, **properties))
    ((request, _),) = room.out.asked
    assert (request.fresh, WINDOW_UNTIL in request.headers) == (fresh, waits)
    assert fresh or past_of(request, NOW, 0).first_at == NOW - 5000


async def test_an_event_that_is_for_nobody_goes_round_and_is_let_go() -> None:
    """While templates change, the next worker may know one that is for it; its origin is not forgotten."""
    room = Room()
    event = room.event(key="new")
    for seconds in ROUNDS:
        await room.take(event)
        assert (event.settled, room.out.deferred[-1][1]) == (["ack"], seconds)
        event = room.out.comes_back()
        event.message = replace(event.message, exchange=PLACES.back, routing_key="template.event")
    late = Delivery(event.message)
    await room.take(event)
    assert event.settled == ["ack"]
    assert room.counted.events == [*["round"] * len(ROUNDS), "unwanted"]
    room.templates.append(template("new"))
    await room.take(late)
    assert [kind for _, kind in room.out.asked] == [Kind.START]


async def test_an_event_of_unknown_origin_is_kept() -> None:
    """Nobody can tell which templates are for it, so that somebody must."""
    room = Room()
    event = room.event(exchange="", routing_key=PLACES.queue)
    await room.take(event)
    assert room.out.events[0].data["code"] == Code.INVALID_REQUEST
    assert event.settled == ["ack"]


async def test_under_a_policy_only_the_believed_say_where_an_event_was_published() -> None:
    """Else whoever may write to any queue could pass for an application."""
    policy = Policy([Rule(["worker"], ["**"], {"start": ["**"]})])
    room = Room(permission=Permission(lambda: policy, Custody("worker")))
    origin = {EVENT_EXCHANGE: "x", EVENT_KEY: "a"}
    here: dict[str, Any] = {"exchange": "", "routing_key": PLACES.queue, "headers": origin}
    await room.take(room.event(user_id="mallory", **here), room.event(user_id="worker", **here))
    assert room.counted.events == ["rejected", "made"]


@pytest.mark.parametrize(
    ("metadata", "kind", "outcome"),
    [
        ({"template": "a"}, "jobrelay.job-created.v1", "unmet"),
        ({"template": "of another installation"}, "jobrelay.request-rejected.v1", "unmet"),
        ({"mark": "m"}, "jobrelay.job-created.v1", "made"),
        ({"template": "a"}, "com.example.made", "made"),
    ],
)
async def test_no_template_goes_on_for_ever(metadata: dict[str, str], kind: str, outcome: str) -> None:
    """What Jobrelay tells of a template's request is no event for templates; what it tells of others is."""
    room = Room(template("a"), template("failing", bindings=[{"exchange": "x"}], requestId="data.no"))
    del room.templates[1 if outcome == "made" else 2 :]
    told = {"specversion": "1.0", "type": kind, "data": {"id": "1", "metadata": metadata}}
    await room.take(event := room.event(told, content_type="application/cloudevents+json"))
    assert (room.counted.events, event.settled) == ([outcome], ["ack"])
    assert len(room.out.asked) == (outcome == "made")


async def test_what_is_lost_meanwhile_is_somebody_elses() -> None:
    """Its next owner makes the same requests: this one makes no more, and acks nothing."""
    room = Room()
    event = room.event()
    event.lose()
    await room.take(event)
    assert (room.out.asked, event.settled, room.counted.events) == ([], [], [])


async def test_a_defect_costs_its_own_event_a_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given back, and the neighbours are handled."""
    monkeypatch.setattr("worker.templates.role._AFTER_DEFECT_S", 0.01)
    room = Room()
    room.out.break_next("ask", ZeroDivisionError())
    first, second = room.event(), room.event({"id": "2"})
    await room.take(first, second)
    assert sorted([*first.settled, *second.settled]) == ["ack", "give back"]
    room.out.break_next("ask", Overtaken())
    await room.take(third := room.event())
    assert third.settled == []


async def test_an_event_that_kills_workers_is_buried() -> None:
    """It has been delivered again and again, and nobody could settle it."""
    room = Room()
    event = room.event(redelivered=True, headers={"x-delivery-count": 11})
    await room.take(event)
    assert room.out.events[0].data["code"] == Code.ATTEMPTS_EXHAUSTED
    assert room.out.asked == []


@pytest.mark.parametrize(("shared", "told"), [(True, 1), (False, 2)])
async def test_a_rejection_is_told_once_where_all_share_a_ledger(*, shared: bool, told: int) -> None:
    """A worker with one of its own cannot know that its ack was lost, and the event not sent anew."""
    ledger = MemoryLedger()
    ledger.shared = shared
    room = Room(ledger=ledger)
    event = room.event(b"not JSON")
    await room.take(event)
    await room.take(again := event.again())
    assert (len(room.out.buried), len(room.out.events), again.settled) == (told, told, ["ack"])
