"""What is told of a request stays so: the broker may give out its message again, because the ack was lost."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from fakes import Delivery
from shop import REQUEST, Shop

from worker.domain.failures import Answer, Candidate, Code, Later, Rejected, Unavailable, Violation
from worker.domain.messages import REPLAYS
from worker.ledger.memory import MemoryLedger


def _shop(*, common: bool = True) -> Shop:
    shop = Shop()
    shop.ledger.shared = common
    return shop


@pytest.mark.parametrize("replica", ["the same", "another, with a common ledger"])
@pytest.mark.parametrize(
    ("met", "told"),
    [
        (Rejected(Code.ORCHESTRATOR_REFUSED, "no"), "request.rejected"),
        (Unavailable(Later.BUSY, "pending jobs"), "request.deferred"),
    ],
    ids=["rejected", "deferred"],
)
async def test_an_end_that_is_told_stays_one_though_its_ack_is_lost(
    met: Exception, told: str, replica: str
) -> None:
    """Invariant 3: what the broker gives out again for it is not tried again, with another end."""
    shop = _shop()
    shop.tenant.meets("start", met)
    delivery = shop.delivery()
    await shop.handle(delivery)
    other = shop if replica == "the same" else Shop(beside=shop)
    again = delivery.again()
    await other.handle(again)
    assert again.settled == ["ack"]
    assert [*shop.outbox.keys(), *(other.outbox.keys() if other is not shop else ())] == [told]
    assert shop.posts == 1


@pytest.mark.parametrize("what", ["replayed", "sent again", "sent round"])
async def test_only_what_comes_again_by_the_broker_is_taken_for_told(what: str) -> None:
    """Who replays a rejected request, or sends it again, means it; and a deferred one goes on."""
    shop = _shop()
    met = Unavailable(Later.BUSY, "x") if what == "sent round" else Rejected(Code.EXPIRED, "no")
    shop.tenant.meets("start", met)
    await shop.handle(shop.delivery())
    match what:
        case "replayed":
            delivery = shop.delivery(headers={REPLAYS: 1}).again()
        case "sent again":
            delivery = shop.delivery()
        case _:
            delivery = shop.outbox.comes_back().again()
    await shop.handle_all_rounds(delivery)
    assert (shop.posts, shop.outbox.keys()[-1]) == (2, "job.created")


WORDY = Rejected(
    Code.PROCESS_AMBIGUOUS,
    "two \udcff",
    "name one",
    violations=(Violation("/process", "two"),),
    candidates=(Candidate("A", "key", "Shared", None),),
    answer=Answer(409, 1671, "trace", "no"),
)


async def _killed_while_telling(shop: Shop, delivery: Delivery, verb: str, *, stops: bool = False) -> None:
    shop.outbox.hold(verb)
    await shop.handle_until_killed(delivery, stops=stops)
    delivery.lose()


async def _killed_before_anything(shop: Shop, delivery: Delivery) -> None:
    """Its worker has it, waits for Orchestrator, and is gone."""
    shop.tenant.meets("folder", asyncio.Event())
    await shop.handle_until_killed(delivery)
    shop.tenant.script.clear()
    delivery.lose()


@pytest.mark.parametrize("verb", ["bury", "announce"])
async def test_what_is_being_told_is_told_by_the_next_owner_too(verb: str) -> None:
    """Invariant 3: a killed worker may have told it, though Orchestrator would take it by now."""
    shop = _shop()
    shop.tenant.meets("start", WORDY)
    delivery = shop.delivery()
    await _killed_while_telling(shop, delivery, verb)
    other, again = Shop(beside=shop), delivery.again()
    await other.handle(again)
    (event,) = other.outbox.events
    assert event.routing_key == "request.rejected"
    assert {name: event.data[name] for name in WORDY.document()} == WORDY.document()
    assert (shop.posts, again.settled, other.codes) == (1, ["ack"], [WORDY.code])
    once_more = delivery.again()
    await other.handle(once_more)
    assert (len(other.outbox.events), once_more.settled) == (1, ["ack"])


async def test_a_stop_request_keeps_its_refusal_too() -> None:
    """The job that it names may be there by now; its sender may have heard that it is not."""
    shop = _shop()
    delivery = shop.stop(jobKey="0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0101")
    await _killed_while_telling(shop, delivery, "announce", stops=True)
    other, calls = Shop(beside=shop), len(shop.tenant.calls)
    await other.handle(delivery.again(), stops=True)
    assert other.codes == [Code.JOB_UNKNOWN]
    assert len(shop.tenant.calls) == calls


async def test_what_was_started_meanwhile_is_not_told_to_be_refused() -> None:
    """Invariant 3: whoever had it besides may have been given it before the refusal was entered."""
    shop = _shop()
    shop.tenant.meets("start", WORDY)
    delivery = shop.delivery()
    await _killed_while_telling(shop, delivery, "announce")
    twin = Shop(beside=shop)
    twin.outbox.hold("announce")
    await twin.handle_until_killed(twin.delivery(REQUEST | {"priority": 5}, message_id="m-2"))
    other = Shop(beside=shop)
    await other.handle_all_rounds(delivery.again())
    told = other.outbox.keys()
    assert (shop.posts, told[-1], "request.rejected" in told) == (2, "job.created", False)


@pytest.mark.parametrize("common", [True, False], ids=["a common ledger", "its own"])
@pytest.mark.parametrize("met", [WORDY, Unavailable(Later.BUSY, "x")], ids=["rejected", "deferred"])
async def test_what_is_sent_anew_has_an_end_of_its_own(met: Exception, common: bool) -> None:
    """Invariant 1: the same bytes with the same id, taken once by a worker that is gone by then."""
    shop = _shop(common=common)
    shop.tenant.meets("start", met)
    await shop.handle(shop.delivery())
    anew = shop.delivery()
    await _killed_before_anything(shop, anew)
    before = len(shop.outbox.events)
    await shop.handle_all_rounds(anew.again())
    assert shop.outbox.keys()[-1] == "job.created"
    assert len(shop.outbox.events) > before


@pytest.mark.parametrize("met", [WORDY, Unavailable(Later.BUSY, "x")], ids=["rejected", "deferred"])
async def test_what_its_sender_dates_anew_is_not_taken_for_what_was_told(met: Exception) -> None:
    """Invariant 1: the worker that had it first was gone before it saw it."""
    shop = _shop()
    sent = datetime(2026, 11, 22, 8, tzinfo=UTC)
    shop.tenant.meets("start", met)
    first = shop.delivery(timestamp=sent)
    await shop.handle(first)
    same = first.again()
    await shop.handle(same)
    assert (shop.posts, len(shop.outbox.events), same.settled) == (1, 1, ["ack"])
    anew = shop.delivery(timestamp=sent + timedelta(seconds=1))
    await shop.handle_all_rounds(anew.again())
    assert (shop.posts, shop.outbox.keys()[-1]) == (2, "job.created")


@pytest.mark.parametrize("common", [True, False], ids=["a common ledger", "its own"])
async def test_what_was_started_anew_is_told(common: bool) -> None:
    """Invariants 1 and 3: its worker is killed before job.created; it was rejected when it came first."""
    shop = _shop(common=common)
    shop.tenant.meets("start", WORDY)
    await shop.handle(shop.delivery())
    anew = shop.delivery()
    await _killed_while_telling(Shop(beside=shop) if common else shop, anew, "announce")
    other = Shop(beside=shop) if common else shop
    other.outbox.hold("announce").set()
    await other.handle_all_rounds(anew.again())
    assert (shop.posts, other.outbox.keys()[-1]) == (2, "job.created")


async def test_without_a_common_ledger_nothing_is_acknowledged_in_silence() -> None:
    """Another worker may have been given what was sent anew: it is looked up, and told again at the least."""
    here, there = Shop(slack=1.0), Shop()
    here.tenant.meets("start", WORDY)
    await here.handle(here.delivery())
    anew = there.delivery()
    await _killed_before_anything(there, anew)
    told = len(here.outbox.events)
    await here.handle_all_rounds(anew.again())
    assert here.tenant.count("find") > 0
    assert len(here.outbox.events) > told


@pytest.mark.parametrize("other", ["kind", "user"])
async def test_the_end_of_one_is_not_anothers(other: str) -> None:
    """The same bytes and the same id, of another user or for another queue."""
    shop = _shop()
    mine = shop.delivery(user_id="alice")
    if other == "kind":
        await shop.handle(shop.delivery(user_id="alice"), adds=True)
    else:
        shop.tenant.meets("start", WORDY)
        await shop.handle(shop.delivery(user_id="eve"))
    await shop.handle_all_rounds(mine.again())
    assert shop.outbox.keys()[-1] == "job.created"


async def test_a_twins_end_is_not_that_of_what_was_started() -> None:
    """Two of the same bytes at once: one is rejected, the other started by a worker that is killed then."""
    there = _shop()
    here = Shop(beside=there)
    waits, twin = asyncio.Event(), there.delivery()
    there.tenant.meets("folder", waits)
    there.outbox.hold("announce")
    async with asyncio.TaskGroup() as tasks:
        going = tasks.create_task(there.handle(twin))
        await asyncio.sleep(1)
        there.tenant.meets("start", WORDY)
        await here.handle(here.delivery())
        waits.set()
        await asyncio.sleep(1)
        going.cancel()
    await here.handle_all_rounds(twin.again())
    told = here.outbox.keys()
    assert (there.posts, told.count("request.rejected"), told[-1]) == (2, 1, "job.created")


async def test_a_flood_of_rejections_makes_no_start_forgotten() -> None:
    """Anybody may send what is rejected; a duplicate is known all the same."""
    shop = Shop(ledger=MemoryLedger(most=100))
    await shop.handle(shop.delivery())
    await shop.handle(*(shop.delivery({"requestId": f"e-{n}"}) for n in range(200)))
    await shop.handle(shop.delivery(message_id="m-2"))
    assert (shop.posts, shop.outbox.keys()[-1]) == (1, "request.duplicate")
