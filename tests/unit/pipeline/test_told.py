"""What is told of a request stays so: the broker may give out its message again, because the ack was lost."""

import asyncio

import pytest
from fakes import Delivery
from shop import REQUEST, Shop

from worker.domain.failures import Answer, Candidate, Code, Later, Rejected, Unavailable, Violation
from worker.domain.messages import REPLAYS


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
    shop = Shop()
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
    shop = Shop()
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
    async with asyncio.TaskGroup() as tasks:
        going = tasks.create_task(shop.handle(delivery, stops=stops))
        await asyncio.sleep(1)
        going.cancel()
    delivery.lose()


@pytest.mark.parametrize("verb", ["bury", "announce"])
async def test_what_is_being_told_is_told_by_the_next_owner_too(verb: str) -> None:
    """Invariant 3: a killed worker may have told it, though Orchestrator would take it by now."""
    shop = Shop()
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
    shop = Shop()
    delivery = shop.stop(jobKey="0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0101")
    await _killed_while_telling(shop, delivery, "announce", stops=True)
    other, calls = Shop(beside=shop), len(shop.tenant.calls)
    await other.handle(delivery.again(), stops=True)
    assert other.codes == [Code.JOB_UNKNOWN]
    assert len(shop.tenant.calls) == calls


async def test_what_was_started_meanwhile_is_not_told_to_be_refused() -> None:
    """Invariant 3: whoever had it besides may have been given it before the refusal was entered."""
    shop = Shop()
    shop.tenant.meets("start", WORDY)
    delivery = shop.delivery()
    await _killed_while_telling(shop, delivery, "announce")
    twin = Shop(beside=shop)
    twin.outbox.hold("announce")
    async with asyncio.TaskGroup() as tasks:
        going = tasks.create_task(twin.handle(twin.delivery(REQUEST | {"priority": 5}, message_id="m-2")))
        await asyncio.sleep(1)
        going.cancel()
    other = Shop(beside=shop)
    await other.handle_all_rounds(delivery.again())
    told = other.outbox.keys()
    assert (shop.posts, told[-1], "request.rejected" in told) == (2, "job.created", False)
