"""One request, several messages: it is started once, and each message is settled once."""

import asyncio
from typing import Any

import pytest
from fake_orchestrator import Lost
from fakes import NOW, Delivery
from shop import REQUEST, WINDOW, Shop

from worker.domain.events import rfc3339
from worker.domain.failures import Code, Later, Rejected, Unavailable
from worker.domain.messages import WINDOW_UNTIL

NO = Rejected(Code.ORCHESTRATOR_REFUSED, "no")
BUSY = Unavailable(Later.BUSY, "busy")


async def _in_the_middle_of_its_post(shop: Shop, first: Delivery, happens: Any, met: Any = None) -> None:
    """Handles *first*; while its POST is on the way *happens* tells which delivery comes beside it."""
    going = asyncio.Event()
    shop.tenant.meets("start", going, *([] if met is None else [met]))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(first))
        await asyncio.sleep(1)
        assert shop.posts == 1
        tasks.create_task(shop.handle(happens()))
        await asyncio.sleep(1)
        assert shop.posts == 1
        going.set()


async def test_a_redelivery_in_hand_joins_the_running_attempt() -> None:
    """The first channel was lost in the middle: one POST, told once, the second copy acknowledged."""
    shop = Shop()
    first = shop.delivery()
    second = first.again()

    def lost() -> Delivery:
        first.lose()
        return second

    await _in_the_middle_of_its_post(shop, first, lost)
    assert (shop.posts, shop.outbox.keys()) == (1, ["job.created"])
    assert (first.settled, second.settled) == ([], ["ack"])
    assert ("repeated", "") in shop.telemetry.outcomes


async def test_a_redelivery_of_what_could_not_be_told_is_not_settled_with_it() -> None:
    """The first one's jobs exist, but a publish failed: the second must not count as settled with it."""
    shop = Shop()
    first = shop.delivery()
    second = first.again()

    def lost() -> Delivery:
        first.lose()
        shop.outbox.break_next("announce", ConnectionError("gone"))
        return second

    await _in_the_middle_of_its_post(shop, first, lost)
    assert shop.journal == ["defer", "ack"]
    assert (shop.posts, shop.outbox.keys()) == (1, [])


async def test_a_redelivery_of_what_ended_without_an_outcome_has_its_own_try() -> None:
    """It is sent round, with the window of its own redelivery."""
    shop = Shop()
    first = shop.delivery()
    second = first.again()
    going = asyncio.Event()
    shop.tenant.meets("processes", going)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(first))
        await asyncio.sleep(1)
        first.lose()
        tasks.create_task(shop.handle(second))
        await asyncio.sleep(1)
        going.set()
    assert (shop.posts, shop.journal, second.settled) == (0, ["defer", "ack"], ["ack"])
    assert shop.outbox.comes_back().message.headers[WINDOW_UNTIL] == rfc3339(NOW + 1 + WINDOW)


@pytest.mark.parametrize("met", [NO, BUSY], ids=["refused", "busy"])
async def test_a_message_whose_channel_is_gone_is_neither_deferred_nor_rejected(met: Any) -> None:
    """Somebody else has it: to settle it as well would make two of it."""
    shop = Shop()
    first = shop.delivery()
    start = shop.tenant.start

    async def meanwhile(*call: Any, **options: Any) -> Any:
        first.lose()
        return await start(*call, **options)

    shop.tenant.start = meanwhile  # type: ignore[method-assign]
    shop.tenant.meets("start", met)
    await shop.handle(first)
    assert shop.journal == []
    assert shop.telemetry.outcomes == [("returned", "")]


async def test_what_cannot_be_settled_is_not_buried_by_two() -> None:
    """Nor is an unsettled request kept in the dead letters by one who lost it."""
    shop = Shop(max_attempts=1)
    first = shop.delivery(headers={"x-delivery-count": 5})
    find = shop.tenant.find

    async def meanwhile(*call: Any, **options: Any) -> Any:
        first.lose()
        return await find(*call, **options)

    shop.tenant.find = meanwhile  # type: ignore[method-assign]
    await shop.handle(first)
    assert shop.journal == []


async def test_a_publishers_duplicate_in_hand_waits_and_is_told_so() -> None:
    """One POST, two messages settled, one duplicate announced."""
    shop = Shop()
    second = shop.delivery(message_id="m-2")
    await _in_the_middle_of_its_post(shop, shop.delivery(), lambda: second)
    assert (shop.posts, shop.outbox.keys()) == (1, ["job.created", "request.duplicate"])
    assert shop.outbox.events[1].data["bodyDiffers"] is False
    assert second.settled == ["ack"]
    assert shop.telemetry.most_in_hand == 1


@pytest.mark.parametrize(
    ("body", "message_id", "redelivered", "outcome"),
    [
        pytest.param(REQUEST, "m-1", True, "repeated", id="the same message again: its ack was lost"),
        pytest.param(REQUEST, "m-2", False, "duplicate", id="another message: a duplicate"),
        pytest.param(REQUEST, "m-2", True, "duplicate", id="another message, redelivered: a duplicate"),
        pytest.param(REQUEST, "m-1", False, "duplicate", id="published twice with one id: a duplicate"),
        pytest.param(REQUEST | {"priority": 5}, "m-1", True, "duplicate", id="another body: a duplicate"),
        pytest.param(REQUEST | {"jobsCount": 0}, "m-2", False, "duplicate", id="an invalid one: a duplicate"),
    ],
)  # fmt: skip
async def test_a_request_that_was_started_comes_again(
    body: Any, message_id: str, redelivered: bool, outcome: str
) -> None:
    """It is never started again, nor rejected; whoever sent it is told, but not of a mere redelivery."""
    shop = Shop()
    await shop.handle(shop.delivery())
    again = shop.delivery(body, message_id=message_id, redelivered=redelivered)
    await shop.handle(again)
    looked_up = int(redelivered and outcome == "duplicate")
    assert (shop.posts, shop.tenant.count("find"), again.settled) == (1, looked_up, ["ack"])
    assert shop.telemetry.outcomes[1] == (outcome, "")
    told = [event.data["bodyDiffers"] for event in shop.outbox.events[1:]]
    assert told == ([] if outcome == "repeated" else [body != REQUEST])


@pytest.mark.parametrize(
    "first", [REQUEST | {"jobsCount": 0}, REQUEST | {"expiresAt": "2020-01-01T00:00:00Z"}, REQUEST]
)
async def test_a_rejected_id_may_be_sent_again(first: Any) -> None:
    """Only a start is final."""
    shop = Shop()
    if first is REQUEST:
        shop.tenant.meets("start", NO)
    await shop.handle(shop.delivery(first))
    await shop.handle(shop.delivery(message_id="m-2"))
    assert shop.outbox.keys() == ["request.rejected", "job.created"]


async def test_a_duplicate_of_what_is_being_rejected_has_its_own_try() -> None:
    """It waits for the first, then goes by itself."""
    shop = Shop()
    second = shop.delivery(message_id="m-2")
    going = asyncio.Event()
    shop.tenant.meets("processes", going, NO)
    shop.tenant.meets("start", NO)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(shop.delivery(), second))
        await asyncio.sleep(1)
        going.set()
    assert sorted(shop.telemetry.outcomes) == [("rejected", "orchestrator_refused")] * 2
    assert second.settled == ["ack"]


@pytest.mark.parametrize("late", [0, 30])
async def test_a_duplicate_of_a_request_in_doubt_sends_no_post(late: float) -> None:
    """Invariant 2: its first copy's POST may still commit, so absence is waited for by the second too."""
    shop = Shop()
    shop.tenant.meets("start", Lost(1, late=late))
    await shop.handle(shop.delivery())
    assert shop.outbox.keys() == ["request.deferred"] if late else ["job.created"]
    await shop.handle_all_rounds(shop.delivery(message_id="m-2"))
    assert (shop.posts, len(shop.tenant.jobs)) == (1, 1)


async def test_a_request_without_an_id_is_refused_although_redelivered() -> None:
    """Nothing can have been sent for it: no call is made."""
    shop = Shop()
    await shop.handle(shop.delivery({"process": {"name": "x"}}, redelivered=True))
    assert (shop.tenant.calls, shop.codes) == ([], ["request_id_missing"])


@pytest.mark.parametrize("traceparent", ["garbage", "00-0-0-0", 5, b"x", "", "00-" + "0" * 99])
async def test_a_foreign_traceparent_is_not_carried_on(traceparent: Any) -> None:
    """Events and tracking messages keep to their schemas whatever a header holds."""
    shop = Shop()
    await shop.handle(shop.delivery(headers={"traceparent": traceparent}))
    assert shop.outbox.tracked[0]["traceparent"] is None


async def test_a_request_names_its_sender_in_every_event() -> None:
    """Correlation id, metadata, trace and reply address come from the message."""
    shop = Shop()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = REQUEST | {"metadata": {"team": "support"}}
    await shop.handle(shop.delivery(body, {"traceparent": trace}, correlation_id="c-1", reply_to="replies"))
    document = shop.outbox.tracked[0]
    assert (document["correlationId"], document["replyTo"], document["traceparent"]) == (
        "c-1",
        "replies",
        trace,
    )
    assert document["metadata"] == {"team": "support"}
    assert shop.outbox.events[0].sender.reply_to == "replies"


async def test_a_reply_address_of_jobrelay_itself_is_refused() -> None:
    """Nobody writes into its queues; the refusal does not go there either."""
    shop = Shop()
    await shop.handle(shop.delivery(reply_to="jobrelay.tracking"))
    assert (shop.posts, shop.codes) == (0, ["invalid_request"])
    assert shop.outbox.events[0].sender.reply_to is None


async def test_many_requests_are_handled_beside_each_other() -> None:
    """Invariant 8: the prefetch alone bounds how many; each is settled once."""
    shop = Shop()
    bodies = [REQUEST | {"requestId": f"r-{n}"} for n in range(50)]
    deliveries = [shop.delivery(body) for body in bodies]
    await shop.handle(*deliveries)
    assert (shop.telemetry.most_in_hand, shop.telemetry.in_hand) == (50, set())
    assert all(delivery.settled == ["ack"] for delivery in deliveries)
    assert len(shop.tenant.jobs) == 50
