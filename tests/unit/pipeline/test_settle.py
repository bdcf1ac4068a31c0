"""Invariant 1: what is to be said is confirmed, then the ack comes; what cannot be processed is kept."""

import asyncio
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from fake_orchestrator import Lost
from fakes import NOW, Delivery
from shop import REQUEST, SOURCE, WINDOW, Shop

from worker.domain.events import event_id, rfc3339
from worker.domain.failures import Code, Later, Rejected, Unavailable
from worker.domain.messages import ATTEMPT, FIRST_AT, HISTORY, REPLAYS, WINDOW_UNTIL

BUSY = Unavailable(Later.BUSY, "busy")
NO = Rejected(Code.ORCHESTRATOR_REFUSED, "no")


def _three(shop: Shop) -> Delivery:
    return shop.delivery(REQUEST | {"jobsCount": 3})


def _refused(shop: Shop) -> Delivery:
    shop.tenant.meets("start", NO)
    return shop.delivery()


def _put_off(shop: Shop) -> Delivery:
    shop.tenant.meets("start", BUSY)
    return shop.delivery()


def _unreadable(shop: Shop) -> Delivery:
    return shop.delivery(b"{")


def _unsettled(shop: Shop) -> Delivery:
    shop.tenant.meets("find", Unavailable(Later.FAILING, "proves nothing"))
    return shop.delivery(headers={ATTEMPT: 99})


@pytest.mark.parametrize(
    ("opened", "order"),
    [
        pytest.param(_three, ["announce"] * 3 + ["track"] * 3 + ["ack"], id="started"),
        pytest.param(_refused, ["bury", "announce", "ack"], id="rejected"),
        pytest.param(_put_off, ["announce", "defer", "ack"], id="deferred"),
        pytest.param(_unreadable, ["bury", "announce", "ack"], id="unreadable"),
        pytest.param(_unsettled, ["bury", "ack"], id="unsettled"),
    ],
)
async def test_the_order_of_a_settlement(opened: Any, order: list[str]) -> None:
    """Events, then tracking or the next message, then the ack; once each."""
    shop = Shop()
    await shop.handle(opened(shop))
    assert shop.journal == order


@pytest.mark.parametrize(
    ("opened", "verb", "before"),
    [
        pytest.param(_three, "announce", [], id="an event of a start"),
        pytest.param(_three, "track", ["announce"] * 3, id="a tracking message"),
        pytest.param(_refused, "bury", [], id="a dead letter"),
        pytest.param(_refused, "announce", ["bury"], id="the event of a rejection"),
        pytest.param(_put_off, "announce", [], id="the event of a deferral"),
        pytest.param(_put_off, "defer", ["announce"], id="a deferral"),
        pytest.param(_unsettled, "bury", [], id="an unsettled letter"),
    ],
)
async def test_nothing_is_acknowledged_while_a_confirm_is_missing(
    opened: Any, verb: str, before: list[str]
) -> None:
    """However long the broker takes; and then the rest follows."""
    shop = Shop()
    delivery = opened(shop)
    confirm = shop.outbox.hold(verb)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(delivery))
        await asyncio.sleep(3600)
        assert (shop.journal, delivery.settled) == (before, [])
        confirm.set()
    assert shop.journal[-1] == "ack"


@pytest.mark.parametrize(
    ("opened", "verb"),
    [
        (_three, "announce"),
        (_three, "track"),
        (_refused, "bury"),
        (_put_off, "announce"),
        (_put_off, "defer"),
    ],
)
async def test_what_cannot_be_said_is_never_acknowledged(opened: Any, verb: str) -> None:
    """A publish that fails for good costs its own message a delay: it goes back to the broker."""
    shop = Shop()
    delivery = opened(shop)
    shop.outbox.break_next(verb, ConnectionError("gone"))
    other = shop.delivery(REQUEST | {"requestId": "inc-2"})
    await shop.handle(delivery)
    await shop.handle(other)
    assert (delivery.settled, other.settled) == (["give back"], ["ack"])
    assert shop.clock() >= NOW + 5


async def test_every_job_is_announced_and_tracked() -> None:
    """Numbered, in Orchestrator's order, with the Reference of the request."""
    shop = Shop()
    await shop.handle(_three(shop))
    created = [event.data for event in shop.outbox.events]
    assert [(data["index"], data["count"], data["requested"]) for data in created] == [
        (1, 3, 3), (2, 3, 3), (3, 3, 3),
    ]  # fmt: skip
    assert {data["reference"] for data in created} == {"jobrelay:inc-1"}
    assert [doc["job"] for doc in shop.outbox.tracked] == [data["job"] for data in created]
    assert {event.source for event in shop.outbox.events} == {SOURCE}


@pytest.mark.parametrize("met", [2, Lost(2)], ids=["answered", "adopted"])
async def test_a_partial_start_says_what_was_asked_for(met: Any) -> None:
    """More were requested than the count, also where the answer was lost; none is topped up."""
    shop = Shop(slack=1.0)
    shop.tenant.meets("start", met)
    await shop.handle(_three(shop))
    assert shop.posts == 1
    assert [(event.data["count"], event.data["requested"]) for event in shop.outbox.events] == [(2, 3)] * 2


async def test_a_dead_letter_is_the_message_itself_with_its_reason() -> None:
    """Byte for byte, with all that is needed to find the cause and to replay it."""
    shop = Shop()
    body = b'{"requestId":"inc-1" , "process":\xff}'
    delivery = shop.delivery(
        body, {REPLAYS: 2, "x": 1}, exchange="jobrelay.requests", routing_key="job.start"
    )
    await shop.handle(delivery)
    (message, headers), event = shop.outbox.buried[0], shop.outbox.events[0]
    assert message is delivery.message
    assert headers == {
        "jobrelay-code": "invalid_json", "jobrelay-detail": event.data["detail"], "jobrelay-attempt": 1,
        "jobrelay-first-at": rfc3339(NOW), "jobrelay-last-at": rfc3339(NOW), "jobrelay-host": "host-1",
        "jobrelay-exchange": "jobrelay.requests", "jobrelay-routing-key": "job.start", "jobrelay-replays": 2,
        "jobrelay-dead-letter-id": event.data["deadLetterId"],
    }  # fmt: skip
    assert event.data["requestId"] is None
    assert event.id == event_id("request-rejected.v1", SOURCE, f"{sha256(body).hexdigest()}|2")


async def test_a_deferral_tells_the_next_attempt_all_about_the_last() -> None:
    """When, why, the how-many-eth; the body and the properties stay."""
    shop = Shop()
    delivery = _put_off(shop)
    await shop.handle(delivery)
    message, seconds, headers = shop.outbox.deferred[0]
    assert (message, seconds) == (delivery.message, 120)
    assert (headers[ATTEMPT], headers[FIRST_AT]) == (1, rfc3339(NOW))
    assert "orchestrator_busy" in headers[HISTORY]
    data = shop.outbox.events[0].data
    assert (data["attempt"], data["maxAttempts"], data["delaySeconds"]) == (1, 10, 120)
    assert data["notBefore"] == rfc3339(NOW + 120)


@pytest.mark.parametrize("expires", ["2026-11-21T18:00:00+01:00", "tomorrow", 5, None])
async def test_a_deferral_gives_a_moment_of_expiry_or_none(expires: Any) -> None:
    """Even of a request that may have been sent and would be refused for it."""
    shop = Shop()
    await shop.handle(shop.delivery(REQUEST | {"expiresAt": expires}, redelivered=True))
    given = shop.outbox.events[0].data["expiresAt"]
    assert given == (expires if str(expires).startswith("20") else None)


async def test_a_start_is_counted_with_its_age() -> None:
    """From the publisher's timestamp to the job, where there is one; the broker's tells milliseconds too."""
    shop = Shop()
    sent: dict[str, Any] = {"timestamp": datetime.fromtimestamp(NOW - 7, UTC)}
    stamped = {"timestamp_in_ms": int(NOW * 1000) - 6250}
    await shop.handle(shop.delivery(b"{", **sent), shop.delivery(**sent))
    await shop.handle(shop.delivery(REQUEST | {"requestId": "inc-2"}, stamped, **sent))
    await shop.handle(shop.delivery(REQUEST | {"requestId": "inc-3"}))
    outcomes = [("rejected", "invalid_json"), *[("started", "")] * 3]
    assert (sorted(shop.telemetry.outcomes), shop.telemetry.ages) == (outcomes, [7.0, 6.25, None])


async def test_an_adopted_start_says_so() -> None:
    """In every event, and in what is tracked."""
    shop = Shop(slack=1.0)
    shop.tenant.meets("start", Lost(None))
    await shop.handle(_three(shop))
    assert [event.data["adopted"] for event in shop.outbox.events] == [True] * 3


async def test_a_second_copy_of_a_deferral_waits_out_the_first() -> None:
    """Where the confirm was lost there may be two: the second is not started while the first still may be."""
    shop = Shop()
    shop.tenant.meets("start", Unavailable(Later.BUSY, "pending jobs"))
    await shop.handle(shop.delivery())
    (_, seconds, headers), again = shop.outbox.deferred[0], shop.outbox.again[0]
    assert WINDOW_UNTIL not in headers
    assert again == {**headers, WINDOW_UNTIL: rfc3339(NOW + seconds + WINDOW)}


@pytest.mark.parametrize("verb", ["announce", "track"])
async def test_a_start_is_remembered_as_told_only_when_all_of_it_is_confirmed(verb: str) -> None:
    """A copy that found it earlier would be acknowledged without a word, whatever became of this one."""
    shop = Shop()
    confirm = shop.outbox.hold(verb)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(_three(shop)))
        await asyncio.sleep(60)
        entered = await shop.ledger.known("inc-1")
        assert entered is not None
        assert not entered.settled
        confirm.set()
    told = await shop.ledger.known("inc-1")
    assert told is not None
    assert told.settled


@pytest.mark.parametrize("verb", ["bury", "announce"])
async def test_no_rejection_is_told_of_a_message_that_somebody_else_has(verb: str) -> None:
    """Invariant 3: he may have started it while this worker waited for the broker."""
    shop = Shop()
    shop.tenant.meets("start", Rejected(Code.ORCHESTRATOR_REFUSED, "no"))
    confirm, delivery = shop.outbox.hold(verb), shop.delivery()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(delivery))
        await asyncio.sleep(60)
        delivery.lose()
        confirm.set()
    assert shop.outbox.keys() == []
    assert len(shop.outbox.buried) == (verb == "announce")
    assert await shop.ledger.known("inc-1") is None
