"""A stop request that comes before the start: the request is put aside, once, and what may be sent is not."""

import asyncio
from collections.abc import Callable

import pytest
from fake_orchestrator import MODERN, Lost
from fakes import Delivery
from shop import REQUEST, WINDOW, Shop

from worker.domain.failures import Later, Unavailable
from worker.domain.messages import ATTEMPT
from worker.ledger.memory import MemoryLedger
from worker.pipeline.stopping.stop import REMEMBERED_S

_BUSY = Unavailable(Later.BUSY, "pending jobs")


async def _cancelled(shop: Shop) -> None:
    await shop.handle(shop.stop(), stops=True)
    (event,) = shop.outbox.events
    assert (event.routing_key, event.subject) == ("request.cancelled", "inc-1")
    shop.outbox.events.clear()
    shop.journal.clear()


async def test_a_request_that_is_cancelled_starts_nothing() -> None:
    """Its event is confirmed before the ack, and has the id by which the stop request told it already."""
    shop = Shop()
    stop = shop.stop()
    await shop.handle(stop, stops=True)
    (told,) = shop.outbox.events
    assert (shop.journal, stop.settled) == (["announce", "ack"], ["ack"])
    start = shop.delivery(REQUEST | {"metadata": {"team": "a"}}, correlation_id="c-1")
    await shop.handle(start)
    met = shop.outbox.events[1]
    assert (met.id, met.routing_key, met.subject) == (told.id, "request.cancelled", "inc-1")
    assert (met.data["correlationId"], met.data["metadata"]) == ("c-1", {"team": "a"})
    assert (met.data["kind"], met.data["stopRequestId"]) == ("job.start", "stop-1")
    assert shop.journal == ["announce", "ack"] * 2
    assert (shop.posts, shop.codes, start.settled) == (0, [], ["ack"])


async def test_the_event_is_confirmed_before_the_ack() -> None:
    """Invariant 1, for both: while the broker takes nothing the messages stay in hand."""
    shop = Shop()
    for delivery, stops in ((shop.stop(), True), (shop.delivery(), False)):
        confirmed = shop.outbox.hold("announce")
        confirmed.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(shop.handle(delivery, stops=stops))
            await asyncio.sleep(60)
            assert delivery.settled == []
            confirmed.set()
        assert delivery.settled == ["ack"]


async def test_an_id_that_was_cancelled_may_be_sent_again() -> None:
    """The tombstone meets its request once; from then on the id is as good as new."""
    shop = Shop()
    await _cancelled(shop)
    await shop.handle(shop.delivery())
    await shop.handle(shop.delivery(message_id="m-2"))
    assert shop.outbox.keys() == ["request.cancelled", "job.created"]
    assert shop.posts == 1


@pytest.mark.parametrize("again", [lambda d: d.again(), lambda d: d.again(headers={ATTEMPT: 1})])
async def test_a_copy_of_what_was_cancelled_is_not_started(again: Callable[[Delivery], Delivery]) -> None:
    """Its ack may have been lost: it is looked up, since it may have been sent, and put aside again."""
    shop = Shop()
    await _cancelled(shop)
    first = shop.delivery()
    await shop.handle(first)
    copy = again(first)
    shop.clock.now += 2 * WINDOW
    for _ in range(3):
        await shop.handle(copy)
        if not shop.outbox.deferred:
            break
        shop.clock.now += WINDOW
        copy = shop.outbox.comes_back()
    assert shop.posts == 0
    assert {event.id for event in shop.outbox.events if event.routing_key == "request.cancelled"} == {
        shop.outbox.events[0].id
    }


async def test_a_stop_that_comes_twice_cancels_once() -> None:
    """The second copy finds that its tombstone has met its request, and is in the way of nothing new."""
    shop = Shop()
    stop = shop.stop()
    await shop.handle(stop, stops=True)
    await shop.handle(shop.delivery())
    await shop.handle(stop.again(), stops=True)
    assert len({event.id for event in shop.outbox.events}) == 1
    await shop.handle(shop.delivery(message_id="m-2"))
    assert shop.posts == 1


async def test_a_tombstone_is_forgotten_after_a_day() -> None:
    """Until when is said in the event."""
    shop = Shop()
    await _cancelled(shop)
    shop.clock.now += REMEMBERED_S
    await shop.handle(shop.delivery())
    assert shop.outbox.keys() == ["job.created"]


async def test_a_deferred_request_is_cancelled_when_it_comes_back() -> None:
    """It was tried, and nothing was started: looked up, then put aside."""
    shop = Shop()
    shop.tenant.meets("start", _BUSY)
    await shop.handle(shop.delivery())
    await shop.handle(shop.stop(), stops=True)
    await shop.handle(shop.outbox.comes_back())
    assert shop.outbox.keys() == ["request.deferred", "request.cancelled", "request.cancelled"]
    assert (shop.posts, shop.tenant.count("find")) == (1, 2)


async def test_a_request_in_hand_is_cancelled_up_to_its_post() -> None:
    """The claim before the POST meets the tombstone, also of a stop that came while names were resolved."""
    shop = Shop()
    resolved = asyncio.Event()
    shop.tenant.meets("processes", resolved)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(shop.delivery()))
        await asyncio.sleep(1)
        await shop.handle(shop.stop(), stops=True)
        resolved.set()
    assert shop.outbox.keys() == ["request.cancelled"] * 2
    assert shop.posts == 0


async def test_a_stop_waits_for_a_post_that_is_under_way() -> None:
    """What it starts is stopped a moment later; nothing is cancelled."""
    shop = Shop()
    answered = asyncio.Event()
    shop.tenant.meets("start", answered)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(shop.delivery()))
        await asyncio.sleep(1)
        tasks.create_task(shop.handle(shop.stop(), stops=True))
        await asyncio.sleep(2)
        assert (shop.outbox.events, shop.tenant.count("stop")) == ([], 0)
        answered.set()
    assert shop.outbox.keys() == ["job.created", "job.stop-requested"]


@pytest.mark.parametrize("commits", [0, 1], ids=["it did not happen", "it happened"])
async def test_a_doubted_start_is_not_cancelled(commits: int) -> None:
    """Invariant 3: the stop comes back until it is known what became of the POST, and does what is left."""
    shop = Shop()
    shop.tenant.meets("start", Lost(commits, late=30.0))
    await shop.handle(shop.delivery())
    start = shop.outbox.comes_back()
    await shop.handle(shop.stop(), stops=True)
    assert shop.outbox.keys() == ["request.deferred"] * 2
    told = shop.outbox.events[1].data
    assert (told["kind"], told["code"]) == ("job.stop", "not_yet_visible")
    stop = shop.outbox.comes_back()
    shop.clock.now += 60
    await shop.handle(stop, stops=True)
    await shop.handle(start)
    ends = ["job.stop-requested", "job.created"] if commits else ["request.cancelled"] * 2
    assert shop.outbox.keys()[2:] == ends
    assert shop.posts == 1


async def test_what_was_sent_and_then_cancelled_is_called_off() -> None:
    """Nobody here knew of its POST: it is looked up first, told, and stopped where it does not run yet."""
    shop = Shop()
    await _cancelled(shop)
    (job,) = shop.tenant.commit(MODERN, "jobrelay:inc-1")
    await shop.handle(shop.delivery(redelivered=True))
    assert shop.outbox.keys() == ["job.created"]
    assert shop.tenant.asked("stop") == [(MODERN.id, [job.id], "SoftStop")]


@pytest.mark.parametrize("common", [True, False], ids=["a common ledger", "each its own"])
async def test_another_replica_knows_of_it_where_the_ledger_is_common(common: bool) -> None:
    """Else a stop is best effort, and its event says so."""
    shop = Shop()
    shop.ledger.shared = common
    other = Shop(beside=shop, ledger=None if common else MemoryLedger(clock=shop.clock))
    await shop.handle(shop.stop(), stops=True)
    assert shop.outbox.events[0].data["certain"] is common
    await other.handle(other.delivery())
    assert other.outbox.keys() == ["request.cancelled" if common else "job.created"]
