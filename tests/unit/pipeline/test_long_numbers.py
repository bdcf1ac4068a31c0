"""A whole number of more than 64 bits is not passed on: most programs, Orchestrator's too, would round it."""

import json
from typing import Any

import pytest
from shop import REQUEST, Shop

LONG = 12_345_678_901_234_567_890_123
ITEM = {"requestId": "inc-1", "queue": "Invoices", "folder": {"path": "Shared"}}


def body(document: dict[str, Any]) -> bytes:
    """The document as its sender writes it, to the digit."""
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("document", "adds", "pointer"),
    [
        (REQUEST | {"inputArguments": {"ids": [1, {"of/it": LONG}]}}, False, "/inputArguments/ids/1/of~1it"),
        (ITEM | {"specificContent": {"Id": -LONG}}, True, "/specificContent/Id"),
    ],
    ids=["start", "item"],
)
async def test_a_number_that_would_be_rounded_is_refused(
    document: dict[str, Any], adds: bool, pointer: str
) -> None:
    """By the name of its request, with the place and the remedy; before anything is asked or sent."""
    shop = Shop()
    await shop.handle(shop.delivery(body(document)), adds=adds)
    (event,) = shop.outbox.events
    assert (event.data["code"], event.data["requestId"]) == ("invalid_request", "inc-1")
    (violation,) = event.data["violations"]
    assert violation["pointer"] == pointer
    assert "send it as text" in violation["message"]
    assert str(LONG) not in json.dumps(event.document())
    assert (shop.tenant.calls, shop.codes) == ([], ["invalid_request"])


async def test_the_same_number_as_text_is_sent_to_the_digit() -> None:
    """The remedy works."""
    shop = Shop()
    await shop.handle(shop.delivery(body(REQUEST | {"inputArguments": {"id": str(LONG)}})))
    (info,) = shop.tenant.asked("start")
    assert json.loads(info["InputArguments"]) == {"id": str(LONG)}


async def test_what_may_have_been_sent_rounded_is_looked_up_first() -> None:
    """Invariant 3: an older version may have started it."""
    shop, other = Shop(), Shop()
    await shop.handle(shop.delivery())
    other.tenant.jobs = shop.tenant.jobs
    document = REQUEST | {"inputArguments": {"id": LONG}}
    await other.handle(other.delivery(body(document), redelivered=True))
    assert (other.outbox.keys(), other.posts) == (["job.created"], 0)
