"""Two messages of one request on two replicas that share a ledger start it once (invariant 2)."""

import asyncio

import pytest
from fake_orchestrator import MODERN, Lost
from fakes import NOW, Delivery
from shop import REQUEST, WINDOW, Shop

from worker.domain.failures import Code, Rejected

NO = Rejected(Code.ORCHESTRATOR_REFUSED, "no")
DIED_BEFORE, DIED_AFTER = Lost(0), Lost(1)


def _replicas() -> tuple[Shop, Shop]:
    first = Shop()
    return first, Shop(beside=first)


async def _killed_while_sending(shop: Shop, delivery: Delivery, met: Lost) -> None:
    """The worker is gone with its POST under way: nothing is settled, nothing is said."""
    shop.tenant.meets("start", met)
    shop.tenant.meets("find", asyncio.Event())
    async with asyncio.TaskGroup() as tasks:
        going = tasks.create_task(shop.handle(delivery))
        await asyncio.sleep(1)
        going.cancel()
    shop.tenant.script.clear()


@pytest.mark.parametrize("apart_s", [0.0, 1.0], ids=["at once", "a second later"])
@pytest.mark.parametrize("body", [REQUEST, REQUEST | {"priority": 5}], ids=["the same body", "another body"])
async def test_twins_start_one_job(body: dict[str, object], apart_s: float) -> None:
    """One is started, the other is told to be a duplicate; neither is looked up, be the POST under way."""
    here, there = _replicas()
    going = asyncio.Event()
    here.tenant.meets("start", going)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(here.handle(here.delivery(message_id="m-1")))
        await asyncio.sleep(apart_s)
        tasks.create_task(there.handle(there.delivery(body, message_id="m-2")))
        await asyncio.sleep(2)
        assert len(here.outbox.events + there.outbox.events) == 0
        going.set()
    assert (here.posts, here.tenant.count("find")) == (1, 0)
    assert here.outbox.keys() == ["job.created"]
    assert there.outbox.keys() == ["request.duplicate"]
    told = there.outbox.events[0].data
    assert (told["reference"], told["firstMessageId"]) == ("jobrelay:inc-1", "m-1")
    assert told["bodyDiffers"] == (body != REQUEST)


async def test_a_twin_of_what_was_refused_has_its_own_try() -> None:
    """Nothing was sent: the claim is given up."""
    here, there = _replicas()
    here.tenant.meets("start", NO)
    await here.handle(here.delivery())
    await there.handle(there.delivery(message_id="m-2"))
    assert (here.outbox.keys(), there.outbox.keys()) == (["request.rejected"], ["job.created"])


@pytest.mark.parametrize(("met", "posts"), [(DIED_AFTER, 1), (DIED_BEFORE, 2)], ids=["after", "before"])
async def test_a_twin_of_a_killed_workers_request_sends_no_post_before_its_window_is_over(
    met: Lost, posts: int
) -> None:
    """The killed worker's POST may commit until then: the twin adopts it, or else sends its own."""
    here, there = _replicas()
    await _killed_while_sending(here, here.delivery(), met)
    await there.handle_all_rounds(there.delivery(message_id="m-2"))
    assert (here.posts, len(here.tenant.jobs)) == (posts, 1)
    assert there.outbox.keys()[-1] == "job.created"
    assert [document["doubted"] for document in there.outbox.tracked] == [posts == 2]
    assert posts == 1 or here.tenant.clock() - NOW >= 40.0


async def test_a_copy_that_is_delivered_again_is_looked_up_at_once() -> None:
    """It does not wait for its dead former owner to say something."""
    here, there = _replicas()
    delivery = here.delivery()
    await _killed_while_sending(here, delivery, DIED_AFTER)
    began = here.tenant.clock()
    await there.handle(delivery.again())
    assert (here.posts, there.outbox.keys()) == (1, ["job.created"])
    assert here.tenant.clock() - began < 1


async def test_two_copies_that_disproved_the_same_post_do_not_both_send_one() -> None:
    """The second finds the first's claim in its way."""
    here, there = _replicas()
    delivery = here.delivery()
    await _killed_while_sending(here, delivery, DIED_BEFORE)
    here.clock.now += 1000
    here.tenant.meets("start", gate := asyncio.Event())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(here.handle(here.delivery(message_id="m-2")))
        tasks.create_task(there.handle(there.delivery(message_id="m-3")))
        await asyncio.sleep(2)
        assert here.posts == 2
        gate.set()
    assert sorted(here.outbox.keys() + there.outbox.keys()) == ["job.created", "request.duplicate"]


async def test_a_second_start_is_announced_and_called_off() -> None:
    """Two BatchExecutionKeys under one Reference: the older start is the request's own."""
    shop = Shop()
    first, second = (shop.tenant.commit(MODERN, "jobrelay:inc-1")[0] for _ in range(2))
    await shop.handle(shop.delivery(redelivered=True))
    assert shop.outbox.keys() == ["job.created", "job.duplicate"]
    data = shop.outbox.events[1].data
    assert (data["job"]["key"], data["kept"]["key"]) == (second.key, first.key)
    assert [document["job"]["key"] for document in shop.outbox.tracked] == [first.key, second.key]
    assert shop.tenant.asked("stop") == [(MODERN.id, [second.id])]
    assert shop.telemetry.surplus_jobs == 1


async def test_a_worker_that_was_frozen_finds_the_start_that_was_made_without_it() -> None:
    """Its delivery was lost while its POST was on the way: it looks whether it is alone."""
    shop = Shop()
    delivery = shop.delivery()
    shop.tenant.meets("start", gate := asyncio.Event())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(delivery))
        await asyncio.sleep(1)
        delivery.lose()
        kept = shop.tenant.commit(MODERN, "jobrelay:inc-1")[0]
        gate.set()
    assert shop.outbox.keys() == ["job.created", "job.duplicate"]
    assert shop.outbox.events[0].subject == kept.key


@pytest.mark.parametrize("doubled", [True, False])
async def test_a_copy_of_a_duplicate_is_looked_up_before_it_is_called_one(doubled: bool) -> None:
    """Without a common ledger its former owner may have started it, next to the one that is known here."""
    shop = Shop()
    await shop.handle(shop.delivery())
    if doubled:
        shop.tenant.commit(MODERN, "jobrelay:inc-1")
    await shop.handle(shop.delivery(message_id="m-2", redelivered=True))
    assert (shop.posts, shop.tenant.count("find")) == (1, 1)
    told = ["job.created", "job.duplicate"] if doubled else ["request.duplicate"]
    assert shop.outbox.keys() == ["job.created", *told]


async def test_a_doubt_outlives_the_attempt_that_is_torn_off() -> None:
    """In the ledger: a publisher's duplicate that comes next waits the same window out."""
    shop = Shop()
    shop.tenant.meets("find", asyncio.Event())
    async with asyncio.TaskGroup() as tasks:
        going = tasks.create_task(shop.handle(shop.delivery(redelivered=True)))
        await asyncio.sleep(1)
        going.cancel()
    entry = await shop.ledger.known("inc-1")
    assert entry is not None
    assert (entry.settled, entry.safe_at) == (False, NOW + WINDOW)
