"""An outage holds requests without counting attempts, and nobody who needs no Orchestrator (invariant 7)."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from fake_orchestrator import Lost
from fakes import NOW, Delivery
from shop import REQUEST, WINDOW, Shop

from worker.domain.events import rfc3339
from worker.domain.failures import Answer, Code, Later, Rejected, Unavailable
from worker.domain.messages import ATTEMPT, WINDOW_UNTIL

AWAY = Unavailable(Later.UNREACHABLE, "away", outage=True)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _many(shop: Shop, count: int) -> list[Delivery]:
    return [shop.delivery(REQUEST | {"requestId": f"r-{n}"}) for n in range(count)]


async def test_an_outage_holds_requests_and_counts_no_attempt() -> None:
    """An hour away, then back: nothing was deferred or rejected, and all are started once."""
    shop = Shop(max_attempts=1)
    deliveries = _many(shop, 20)
    shop.tenant.meets("processes", *[AWAY] * 140)
    await shop.handle(*deliveries)
    assert shop.clock() - shop.clock.now > 1000
    assert shop.outbox.keys() == ["job.created"] * 20
    assert {event.data["attempt"] for event in shop.outbox.events} == {1}
    assert (shop.posts, len(shop.tenant.jobs)) == (20, 20)
    assert (shop.outages[0], shop.outages[-1], shop.outages.count(False)) == (True, False, 1)


async def test_an_outage_is_asked_about_by_one_request_at_a_time() -> None:
    """Once it is known; whatever the prefetch."""
    shop = Shop()
    shop.tenant.meets("start", *[AWAY] * 30)
    start, at_once, most = shop.tenant.start, 0, list[int]()

    async def watched(*call: Any, **options: Any) -> Any:
        nonlocal at_once
        at_once += 1
        most.append(at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return await start(*call, **options)

    shop.tenant.start = watched  # type: ignore[method-assign]
    await shop.handle(*_many(shop, 10))
    assert most[:10] == list(range(1, 11))
    assert set(most[10:31]) == {1}
    assert len(shop.tenant.jobs) == 10


@pytest.mark.parametrize(
    "answered",
    [
        None,
        Rejected(Code.ORCHESTRATOR_REFUSED, "no", answer=Answer(409, 1671)),
        Unavailable(Later.BUSY, "busy", answer=Answer(409, 1678)),
        Unavailable(Later.THROTTLED, "slow", retry_after=60, answer=Answer(429)),
    ],
    ids=["a start", "a refusal", "pending jobs", "a 429"],
)
async def test_an_outage_ends_with(answered: Any) -> None:
    """Whatever Orchestrator answers as Orchestrator does."""
    shop = Shop()
    shop.tenant.meets("start", AWAY, answered)
    await shop.handle(shop.delivery())
    assert shop.outages == [True, False]


async def test_a_request_in_doubt_stays_in_doubt_through_an_outage() -> None:
    """It is held, looked up when Orchestrator is back, and found: one POST."""
    shop = Shop()
    shop.tenant.meets("find", *[AWAY] * 9)
    shop.tenant.commit(shop.tenant.folders[0], "jobrelay:inc-1")
    await shop.handle(shop.delivery(headers={ATTEMPT: 1}))
    assert (shop.posts, shop.outbox.keys()) == (0, ["job.created"])


@pytest.mark.parametrize("verb", ["start", "processes"])
async def test_a_stop_hands_over_what_is_held_in_an_outage(verb: str) -> None:
    """Invariant 11: no call, no event, every message round to somebody else, at once; it is no attempt."""
    shop = Shop()
    shop.tenant.meets(verb, *[AWAY] * 99)
    deliveries = _many(shop, 20)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(*deliveries))
        await asyncio.sleep(100)
        calls, shop.clock.now = len(shop.tenant.calls), -_now()
        shop.stopping.begin()
    assert shop.clock() < 1
    assert len(shop.tenant.calls) == calls
    assert shop.outbox.events == []
    assert all(delivery.settled == ["ack"] for delivery in deliveries)
    assert [seconds for _, seconds, _ in shop.outbox.deferred] == [5] * 20
    assert all(headers[ATTEMPT] == 0 for _, _, headers in shop.outbox.deferred)


async def test_a_stop_finishes_the_post_that_is_on_its_way() -> None:
    """What has been sent is told; what has not been is handed over, with no window to wait out."""
    shop = Shop()
    going = asyncio.Event()
    shop.tenant.meets("start", going)
    sent, waiting = shop.delivery(), shop.delivery(REQUEST | {"requestId": "inc-2"})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(sent))
        await asyncio.sleep(1)
        shop.stopping.begin()
        tasks.create_task(shop.handle(waiting))
        await asyncio.sleep(1)
        going.set()
    assert (sent.settled, waiting.settled, shop.posts) == (["ack"], ["ack"], 1)
    handed_over = shop.outbox.comes_back()
    assert WINDOW_UNTIL not in handed_over.message.headers
    heir = Shop(beside=shop)
    await heir.handle(handed_over)
    assert (heir.outbox.keys(), heir.tenant.count("find"), heir.posts) == (["job.created"], 1, 2)


async def test_a_stop_hands_over_the_doubt_as_well() -> None:
    """Whoever gets the request waits until the lost POST can no longer commit."""
    shop = Shop(slack=3.0)
    shop.tenant.meets("start", Lost(0))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(shop.delivery()))
        await asyncio.sleep(1)
        shop.stopping.begin()
    assert shop.outbox.comes_back().message.headers[WINDOW_UNTIL] == rfc3339(NOW + 3)


async def test_what_cannot_be_handed_over_in_time_is_given_back() -> None:
    """The broker takes no publishes: it gets its message back."""
    shop = Shop()
    shop.outbox.hold("defer")
    shop.stopping.begin()
    delivery = shop.delivery()
    await shop.handle(delivery)
    assert (delivery.settled, shop.posts) == (["give back"], 0)
    assert shop.clock() - NOW <= 6


async def test_what_is_invalid_is_refused_in_an_outage_too() -> None:
    """It needs no Orchestrator, and takes nobody's turn."""
    shop = Shop()
    shop.tenant.meets("processes", *[AWAY] * 1000)
    held = shop.delivery(REQUEST | {"requestId": "held"})
    async with asyncio.TaskGroup() as tasks:
        holding = tasks.create_task(shop.handle(held))
        await asyncio.sleep(5)
        began = _now()
        await shop.handle(
            *[shop.delivery(REQUEST | {"requestId": f"bad-{n}", "jobsCount": 0}) for n in range(20)]
        )
        assert _now() == began
        assert shop.codes == ["invalid_request"] * 20
        shop.stopping.begin()
    assert holding.done()


async def test_one_503_holds_nobody_else_up() -> None:
    """A read that fails while others work is tried again in hand, and then put off: no outage."""
    shop = Shop()
    failing = Unavailable(Later.FAILING, "503", outage=True)
    shop.tenant.meets("folder", failing)
    await shop.handle(*_many(shop, 20))
    assert shop.outages == []
    assert shop.outbox.keys() == ["job.created"] * 20
    assert _now() <= 0.5


async def test_a_request_that_fails_alone_is_put_off() -> None:
    """Where the calls of others work in between, its own trouble is no outage, and its attempts count."""
    shop = Shop()
    failing = Unavailable(Later.FAILING, "503", outage=True)

    async def fails(*_: Any, **__: Any) -> Any:
        shop.outage.worked()
        raise failing

    shop.tenant.folder = fails  # type: ignore[method-assign]
    await shop.handle(shop.delivery())
    assert (shop.outages, shop.outbox.keys()) == ([], ["request.deferred"])
    assert shop.outbox.events[0].data["code"] == "orchestrator_failing"


async def test_what_expires_in_an_outage_is_told_so_then() -> None:
    """It needs no Orchestrator for that; but what may have been sent waits for a look-up (invariant 3)."""
    shop = Shop()
    shop.tenant.meets("folder", *[AWAY] * 999)
    shop.tenant.meets("probe", *[AWAY] * 999)
    soon = datetime.fromtimestamp(shop.clock() + 60, UTC).isoformat()
    fresh = shop.delivery(REQUEST | {"expiresAt": soon})
    doubtful = shop.delivery(REQUEST | {"requestId": "inc-2", "expiresAt": soon}, {ATTEMPT: 1})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(fresh, doubtful))
        await asyncio.sleep(59)
        assert shop.codes == []
        await asyncio.sleep(2)
        assert (shop.codes, doubtful.settled) == (["expired"], [])
        shop.stopping.begin()
    assert (fresh.settled, doubtful.settled, len(shop.outbox.deferred)) == (["ack"], ["ack"], 1)


@pytest.mark.parametrize("slow_s", [0.0, WINDOW + 1], ids=["at once", "when its window is over"])
async def test_deliveries_in_an_outage_do_not_use_a_request_up(slow_s: float) -> None:
    """Given out by the broker once too often, it becomes a new message of the same attempt, unannounced."""
    shop = Shop(max_attempts=5)
    slow = asyncio.Event()
    asyncio.get_running_loop().call_later(slow_s, slow.set)
    shop.tenant.meets("folder", slow, *[AWAY] * 999)
    shop.tenant.meets("processes", AWAY)
    worn = shop.delivery(headers={"x-delivery-count": 5}, redelivered=True)
    await shop.handle(worn)
    assert (worn.settled, shop.outbox.keys()) == (["ack"], [])
    shop.tenant.script.clear()
    shop.clock.now += 120
    back = shop.outbox.comes_back()
    back.message.headers.pop("x-delivery-count")  # type: ignore[attr-defined] # a new message has none
    await shop.handle(back)
    assert shop.outbox.keys() == ["job.created"]
    assert shop.outbox.events[0].data["attempt"] == 1
