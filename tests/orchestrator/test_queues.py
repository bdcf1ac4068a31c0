"""Queues by name, items by POST and by Reference: what the client hears, and what the server has."""

import asyncio
from functools import partial
from operator import ne
from typing import Any

import pytest
from heard import Heard
from queued import PLAIN, UNIQUE, WITH_QUEUES, add, of_queues
from seeded import SEED, shared
from simulated import Simulated
from structlog.testing import capture_logs

from worker.domain.failures import Failure, OutcomeUnknown, Rejected, Unavailable
from worker.domain.queues import Item

FAULTS: dict[str, tuple[dict[str, Any], type[Failure] | None, int, int]] = {
    "503, nothing done": ({"do": "status", "status": 503}, OutcomeUnknown, 1, 0),
    "429": ({"do": "status", "status": 429, "retryAfter": 2}, Unavailable, 1, 0),
    "504 after it was added": ({"do": "commit-then-status", "status": 504}, OutcomeUnknown, 1, 1),
    "no answer, added": ({"do": "commit-then-hang"}, OutcomeUnknown, 1, 1),
    "cut in the answer": ({"do": "commit-then-cut"}, OutcomeUnknown, 1, 1),
    "cut before": ({"do": "reset"}, OutcomeUnknown, 1, 0),
    "half a JSON document": ({"do": "garbage"}, OutcomeUnknown, 1, 0),
    "web page": ({"do": "html"}, OutcomeUnknown, 1, 0),
    "403": ({"do": "status", "status": 403}, Rejected, 1, 0),
    "token expired": ({"do": "expire-token"}, None, 2, 1),
    "empty 400 once": ({"do": "empty-400"}, None, 2, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_one_post_and_a_truthful_failure(queueing: Simulated, fault: str) -> None:
    """As for starts: where the outcome is unknown, the look-up finds exactly what was added."""
    what, kind, posts, items = FAULTS[fault]
    async with of_queues(queueing, http_timeout_s=0.8) as client:
        await shared(client)
        queueing.faults([{"operation": "AddQueueItem", "times": 1} | what])
        outcome = await add(client, "jobrelay:r")
        ledger = queueing.ledger()
        assert type(outcome) is (kind or Item)
        assert (ledger["calls"]["AddQueueItem"], len(ledger["items"])) == (posts, items)
        found = await client.queues.find(await shared(client), "jobrelay:r", since=0)
        assert [item.id for item in found] == [item["id"] for item in ledger["items"]]


async def test_an_item_comes_back_as_it_was_sent(queueing: Simulated) -> None:
    """With its queue, its time and whose it is; on a server that keeps that."""
    async with of_queues(queueing) as client:
        sent = await add(client, "r", ParentOperationId="jobrelay:inc-1")
        (found,) = await client.queues.find(await shared(client), "r", since=0)
        assert isinstance(sent, Item)
        assert (sent, sent.content, sent.parent) == (found, {"n": 1}, "jobrelay:inc-1")
        assert (sent.queue_id, bool(sent.created_at), client.queues.marks) == (302, True, True)


async def test_a_taken_reference_is_told_by_its_number(queueing: Simulated) -> None:
    """1016: only where the queue wants them unique."""
    async with of_queues(queueing) as client:
        outcomes = [await add(client, "r", queue) for queue in (UNIQUE, UNIQUE, PLAIN, PLAIN)]
        refused = outcomes[1]
        assert isinstance(refused, Rejected)
        assert refused.answer is not None
        assert refused.answer.error_code == 1016
        assert [type(each) for each in outcomes] == [Item, Rejected, Item, Item]
        assert len(await client.queues.find(await shared(client), "r", since=0)) == 3


async def test_a_folders_queues_are_read_once(queueing: Simulated) -> None:
    """As a list, remembered until somebody doubts it; and told as other names are."""
    heard = Heard()
    async with of_queues(queueing, heard) as client:
        folder = await shared(client)
        several = await asyncio.gather(*(client.queues.queues(folder) for _ in range(5)))
        assert {tuple(found) for found in several} == {(UNIQUE, PLAIN)}
        assert queueing.ledger()["calls"]["QueueDefinitions"] == 1
    told = [result for cache, result in heard.reads if cache == "queues"]
    assert told == ["miss", *["joined"] * 4]


async def test_look_ups_share_calls_and_pages(queueing: Simulated) -> None:
    """Fifty References a call, and one with more rows than a page is read to its end."""
    async with of_queues(queueing) as client:
        folder = await shared(client)
        await asyncio.gather(*(add(client, "many") for _ in range(150)))
        wanted = ["many", *(f"jobrelay:{n}" for n in range(49))]
        found = await asyncio.gather(*(client.queues.find(folder, one, since=0) for one in wanted))
        assert [len(items) for items in found] == [150] + [0] * 49
        assert queueing.ledger()["calls"]["QueueItems"] < 10


BULK_FAULTS: dict[str, tuple[dict[str, Any], type[Failure] | None, int]] = {
    "503, nothing done": ({"do": "status", "status": 503}, OutcomeUnknown, 0),
    "503 after they were added": ({"do": "commit-then-status", "status": 503}, OutcomeUnknown, 9),
    "cut after they were added": ({"do": "commit-then-reset"}, OutcomeUnknown, 9),
    "half an answer": ({"do": "commit-then-cut"}, OutcomeUnknown, 9),
    "an answer that contradicts itself": (
        {"do": "status", "status": 200, "body": {"Success": False, "FailedItems": []}}, OutcomeUnknown, 0,
    ),
    "a failure of nobody's": (
        {
            "do": "status",
            "status": 200,
            "body": {"Success": False, "FailedItems": [{"Ordinal": 99, "ErrorCode": "InvalidRequest"}]},
        },
        OutcomeUnknown,
        0,
    ),
    "429": ({"do": "status", "status": 429, "retryAfter": 2}, Unavailable, 0),
    "403": ({"do": "status", "status": 403}, Rejected, 0),
    "refused for all, with one to blame": ({"do": "status", "status": 400, "code": 1009}, None, 9),
    "not offered": ({"do": "status", "status": 405}, None, 9),
    "token expired": ({"do": "expire-token"}, None, 9),
}  # fmt: skip


@pytest.mark.parametrize("fault", BULK_FAULTS)
async def test_a_bulks_fault_is_heard_by_all_who_share_it(queueing: Simulated, fault: str) -> None:
    """What waits while the first goes alone is one call; each hears what is known of its own item."""
    what, kind, added = BULK_FAULTS[fault]
    async with of_queues(queueing, http_timeout_s=2) as client:
        await shared(client)
        queueing.faults([{"operation": "BulkAddQueueItems", "times": 1} | what])
        first, *others = await asyncio.gather(*(add(client, f"r:{n}") for n in range(10)))
        ledger = queueing.ledger()
        assert isinstance(first, Item)
        assert {type(each) for each in others} in ({kind or type(None)}, {Item})
        assert len(ledger["items"]) == 1 + added
        if kind is OutcomeUnknown:
            assert sum(not each.heard for each in others if isinstance(each, OutcomeUnknown)) == 1


async def test_that_a_server_offers_no_bulks_is_logged_once(queueing: Simulated) -> None:
    """However many bulks are under way then. Each item goes alone from then on, until the worker restarts."""
    queueing.faults([{"operation": "BulkAddQueueItems", "do": "status", "status": 405}])
    with capture_logs() as lines:
        async with of_queues(queueing) as client:
            await shared(client)
            for time in ("first", "then"):
                adds = (add(client, f"{time}:{n}", (PLAIN, UNIQUE)[n % 2]) for n in range(8))
                assert {type(each) for each in await asyncio.gather(*adds)} == {Item}
    assert queueing.ledger()["calls"]["BulkAddQueueItems"] == 2
    (line,) = [line for line in lines if line["event"] == "orchestrator.bulks_not_offered"]
    assert (line["log_level"], "405" in line["reason"]) == ("warning", True)


async def test_items_that_wait_together_share_calls(queueing: Simulated) -> None:
    """The first goes alone, without waiting; the others by a hundred, each queue's apart."""
    async with of_queues(queueing) as client:
        added = await asyncio.gather(
            *(add(client, f"p:{n}") for n in range(251)), *(add(client, f"u:{n}", UNIQUE) for n in range(11))
        )
        ledger = queueing.ledger()
        assert sorted(item["reference"] for item in ledger["items"]) == sorted(
            [*(f"p:{n}" for n in range(251)), *(f"u:{n}" for n in range(11))]
        )
        assert ledger["calls"]["AddQueueItem"] + ledger["calls"]["BulkAddQueueItems"] < 262 / 5
        assert [type(each) for each in added[:2]] == [Item, type(None)]
        alone = await add(client, "p:last")
        assert isinstance(alone, Item)


@pytest.mark.parametrize("version", [19, 20])
async def test_what_failed_of_a_bulk_is_told_to_whom_it_concerns(simulator: Simulated, version: int) -> None:
    """By its place in the call, whichever way the server spells the answer; the others are added."""
    simulator.seed({**WITH_QUEUES, "behaviour": {**SEED["behaviour"], "apiVersion": version}})
    async with of_queues(simulator) as client:
        await shared(client)
        references = ["a", "b", "c", "b", "d", "c"]
        outcomes = await asyncio.gather(*(add(client, one, UNIQUE) for one in references))
        codes = [each.answer and each.answer.error_code for each in outcomes if isinstance(each, Rejected)]
        assert [isinstance(each, Rejected) for each in outcomes] == [False, False, False, True, False, True]
        assert (codes, len(simulator.ledger()["items"])) == ([1016, 1016], 4)


async def test_who_may_not_be_sent_any_more_leaves_the_call(queueing: Simulated) -> None:
    """The others are added, in one call; nobody's loss of its message is the neighbours'."""
    async with of_queues(queueing) as client:
        folder = await shared(client)
        item: dict[str, Any] = {"SpecificContent": {}}
        sends = [
            client.queues.add(folder, PLAIN, item | {"Reference": f"r:{n}"}, may_send=partial(ne, n, 2))
            for n in range(5)
        ]
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
        assert [isinstance(each, Unavailable) for each in outcomes] == [False, False, True, False, False]
        assert [each["reference"] for each in queueing.ledger()["items"]] == ["r:0", "r:1", "r:3", "r:4"]


async def test_who_goes_away_does_not_take_the_others_along(queueing: Simulated) -> None:
    """A caller that is cancelled while the call is under way: the call goes on, and is heard."""
    queueing.faults([{"operation": "BulkAddQueueItems", "do": "delay", "seconds": 0.3}])
    async with of_queues(queueing) as client:
        await shared(client)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(add(client, f"r:{n}")) for n in range(5)]
            await tasks[0]
            tasks[1].cancel()
        outcomes = [task.cancelled() or type(task.result()) for task in tasks]
        assert outcomes == [Item, True, *[type(None)] * 3]
        assert len(queueing.ledger()["items"]) == 5
