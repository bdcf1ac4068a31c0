"""What becomes of items, as the server lists it."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from queued import PLAIN, add, of_queues
from seeded import shared
from simulated import Simulated

from worker.domain.failures import Failure, Rejected, Unavailable
from worker.domain.queues import Item


async def test_the_tries_of_an_item_are_listed(queueing: Simulated) -> None:
    """Each with its status, exception and output; those of one moment share a call, one of a bulk, too."""
    why = {"Type": "BusinessException", "Reason": "no such invoice"}
    async with of_queues(queueing) as client:
        folder = await shared(client)
        first = await add(client, "tried")
        assert isinstance(first, Item)
        queueing.tell("PATCH", f"items/{first.id}", {"Status": "InProgress", "Progress": "half"})
        queueing.tell("PATCH", f"items/{first.id}", {"Status": "Retried", "ProcessingException": why})
        second = max(row.id for row in await client.queues.tries(folder.id, "tried", since=0))
        queueing.tell("PATCH", f"items/{second}", {"Status": "Successful", "Output": {"Id": "A-1"}})
        before = queueing.ledger()["calls"]["QueueItems"]
        asked = [client.queues.tries(folder.id, name, since=0) for name in ("tried", "nobody's")]
        (old, new), nobodys = await asyncio.gather(*asked)
        assert (list(nobodys), queueing.ledger()["calls"]["QueueItems"]) == ([], before + 1)
        assert (old.status, old.progress, old.retry_number) == ("Retried", "half", 0)
        assert old.exception == {"type": "BusinessException", "reason": "no such invoice", "details": None}
        assert (new.status, new.output, new.retry_number) == ("Successful", {"Id": "A-1"}, 1)
        assert (old.key, old.id, new.id) == (new.key, first.id, second)
        times = [datetime.fromisoformat(at or "") for at in (old.started_at, old.ended_at, new.ended_at)]
        assert times == sorted(times)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"do": "status", "status": 403}, Rejected),
        ({"do": "status", "status": 400, "code": 1100}, Rejected),
        ({"do": "status", "status": 404, "code": 1002}, Rejected),
        ({"do": "status", "status": 400, "code": 1000}, Unavailable),
        ({"do": "status", "status": 404, "body": "<html>"}, Unavailable),
        ({"do": "status", "status": 500}, Unavailable),
        ({"do": "html"}, Unavailable),
    ],
    ids=str,
)
async def test_only_a_refusal_says_that_items_may_not_be_seen(
    queueing: Simulated, fault: dict[str, Any], kind: type[Failure]
) -> None:
    """Whatever else stands in the way proves nothing, and is no reason to follow an item no more."""
    async with of_queues(queueing) as client:
        folder = await shared(client)
        queueing.faults([{"operation": "QueueItems", **fault}])
        with pytest.raises(kind):
            await client.queues.tries(folder.id, "r", since=0)


async def test_who_is_to_be_told_its_id_goes_alone(queueing: Simulated) -> None:
    """Beside others that share a call."""
    async with of_queues(queueing) as client:
        folder = await shared(client)
        item = {"Reference": "r", "SpecificContent": {}}

        async def added(*, alone: bool) -> Item | None:
            return await client.queues.add(folder, PLAIN, item, may_send=lambda: True, alone=alone)

        first, told, *others = await asyncio.gather(*(added(alone=n < 2) for n in range(5)))
        assert isinstance(first, Item)
        assert isinstance(told, Item)
        assert others == [None] * 3
