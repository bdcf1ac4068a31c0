"""Two messages of one request on two replicas that share a ledger start it once (invariant 2)."""

import asyncio

import pytest
from fake_orchestrator import CLASSIC, MODERN, Lost
from fakes import NOW, Delivery
from shop import REQUEST, WINDOW, Shop

from worker.domain.events import rfc3339
from worker.domain.failures import Code, Later, Rejected, Unavailable
from worker.domain.messages import ATTEMPT, WINDOW_UNTIL
from worker.domain.requests import Entry
from worker.ledger.memory import MemoryLedger

SLOW = Unavailable(Later.THROTTLED, "slow", retry_after=60.0)
NO = Rejected(Code.ORCHESTRATOR_REFUSED, "no")
DIED_BEFORE, DIED_AFTER = Lost(0), Lost(1)


def _replicas() -> tuple[Shop, Shop]:
    first = Shop()
    return first, Shop(beside=first)


async def _killed_while_sending(shop: Shop, delivery: Delivery, met: Lost) -> None:
    """The worker is gone with its POST under way: nothing is settled, nothing is said."""
    shop.tenant.meets("start", met)
    shop.tenant.meets("find", asyncio.Event())
    await shop.handle_until_killed(delivery)
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
    assert shop.tenant.asked("stop") == [(MODERN.id, [second.id], "SoftStop")]
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
    await shop.handle_until_killed(shop.delivery(redelivered=True))
    entry = await shop.ledger.known("inc-1")
    assert entry is not None
    assert (entry.settled, entry.safe_at) == (False, NOW + WINDOW)


OTHER_BODY = REQUEST | {"folder": {"path": CLASSIC.path}}
NO_FOLDER = {"requestId": "inc-1"}


@pytest.mark.parametrize("body", [OTHER_BODY, NO_FOLDER], ids=["another folder", "no folder at all"])
@pytest.mark.parametrize("late", [0, 30])
async def test_a_doubt_is_looked_up_where_its_post_went(body: dict[str, object], late: float) -> None:
    """Whatever folder a twin names: absence proves something only in the one that was sent to."""
    here, there = _replicas()
    here.tenant.meets("start", Lost(1, late=late))
    here.tenant.meets("find", SLOW)
    await here.handle(here.delivery())
    await there.handle_all_rounds(there.delivery(body, message_id="m-2"))
    await here.handle_all_rounds(here.outbox.comes_back())
    assert (here.posts, len(here.tenant.jobs)) == (1, 1)
    assert [where for where, *_ in here.tenant.asked("find")] == [MODERN.id] * here.tenant.count("find")
    told = here.outbox.keys() + there.outbox.keys()
    assert "request.rejected" not in told
    assert "job.created" in told


async def test_a_doubt_names_its_folder_to_the_next_attempt() -> None:
    """The default folder, or what a path leads to, may have changed in between."""
    first = Shop(folder="Shared")
    first.tenant.meets("start", Lost(1, late=1))
    first.tenant.meets("find", SLOW)
    await first.handle(first.delivery({name: REQUEST[name] for name in ("requestId", "process")}))
    heir = Shop(beside=first, folder="Old", ledger=MemoryLedger())
    first.clock.now += 100
    await heir.handle(first.outbox.comes_back())
    assert (first.posts, heir.outbox.keys()) == (1, ["job.created"])
    assert heir.outbox.events[0].data["folder"]["id"] == MODERN.id


async def test_a_copy_that_was_started_in_another_folder_is_told_as_well() -> None:
    """Two folders, two starts: they share no BatchExecutionKey, and neither may go untold."""
    shop = Shop()
    await shop.handle(shop.delivery(OTHER_BODY))
    own = shop.tenant.commit(MODERN, "jobrelay:inc-1")[0]
    await shop.handle(shop.delivery(message_id="m-2", redelivered=True))
    assert shop.outbox.keys() == ["job.created", "job.created"]
    assert shop.outbox.events[1].subject == own.key


async def test_what_is_disproved_and_does_not_give_way_is_not_asked_for_ever() -> None:
    """A ledger whose clock says otherwise: the request comes back later instead of spinning."""
    stands = Entry("other", "sha", None, settled=False, safe_at=NOW - 1, folder_id=MODERN.id)

    class Stubborn(MemoryLedger):
        async def claim(self, *_: object, **__: object) -> Entry | None:
            """Grants nothing."""
            return stands

    shop = Shop(ledger=Stubborn())
    await shop.handle(shop.delivery())
    assert shop.outbox.keys() == ["request.deferred"]
    assert shop.tenant.count("find") <= 3


async def test_a_redelivered_twin_does_not_share_the_others_end() -> None:
    """A corrected request waits for the refused one; a lost channel makes it no copy of that."""
    shop = Shop()
    wrong = shop.delivery(REQUEST | {"jobsCount": 0})
    right = shop.delivery(message_id="m-2")
    buried = shop.outbox.hold("bury")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(wrong))
        await asyncio.sleep(1)
        tasks.create_task(shop.handle(right))
        await asyncio.sleep(1)
        for delivery in (wrong, right):
            delivery.lose()
        tasks.create_task(shop.handle(right.again()))
        await asyncio.sleep(1)
        buried.set()
    assert not shop.outbox.buried
    await shop.handle_all_rounds(shop.outbox.comes_back())
    assert (shop.posts, shop.outbox.keys()[-1]) == (1, "job.created")


@pytest.mark.parametrize("ages", [0, 1, 1000], ids=["now", "a year", "a thousand years"])
async def test_a_window_without_end_ends(ages: int) -> None:
    """Anybody may write a header: what no worker of ours can have written lasts one window."""
    shop = Shop()
    until = rfc3339(NOW + ages * 31_536_000)
    await shop.handle_all_rounds(shop.delivery(headers={ATTEMPT: 1, WINDOW_UNTIL: until}))
    assert shop.outbox.keys()[-1] == "job.created"
    assert shop.clock() - NOW < 2 * WINDOW
