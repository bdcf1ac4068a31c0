"""What a starter tells of its work, for metrics."""

from typing import Any

from shop import Shop


async def test_an_error_of_ours_that_leaves_a_request_unsettled_is_counted() -> None:
    """It is given back, and not in hand any more."""
    shop = Shop()

    async def fails(*_: Any) -> None:
        raise ZeroDivisionError("a defect")

    shop.outbox.announce = fails  # type: ignore[method-assign, assignment]
    delivery = shop.delivery()
    await shop.handle(delivery)
    assert delivery.settled == ["give back"]
    assert (shop.telemetry.defects, shop.telemetry.in_hand, shop.telemetry.outcomes) == (1, set(), [])
    assert shop.telemetry.ages == [], "nothing was announced"
