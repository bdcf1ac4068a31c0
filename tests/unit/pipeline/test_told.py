"""What is told of a request stays so: the broker may give out its message again, because the ack was lost."""

import pytest
from shop import Shop

from worker.domain.failures import Code, Later, Rejected, Unavailable
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
