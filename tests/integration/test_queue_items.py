"""Queue items through RabbitMQ and HTTP: each request's item is there once, whatever fails, and told once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from relay import Relay, event_id
from simulated import Simulated
from station import Heard, Station, assert_valid, station
from tenant import QUEUE_IDS, SEED
from working import Working, until

_SCOPE = "OR.Jobs OR.Execution OR.Folders OR.Robots OR.Machines OR.Queues"
_FAULTS: Mapping[str, dict[str, Any]] = {
    "503, nothing done": {"do": "status", "status": 503},
    "429": {"do": "status", "status": 429, "retryAfter": 1},
    "504 after it was added": {"do": "commit-then-status", "status": 504},
    "no answer in time, added": {"do": "commit-then-hang"},
    "connection cut after it was added": {"do": "commit-then-reset"},
    "cut in the middle of the answer": {"do": "commit-then-cut"},
    "cut, added a moment later": {"do": "reset-then-commit", "seconds": 0.2},
    "no answer, nothing done": {"do": "hang"},
    "a web page": {"do": "html"},
    "half a JSON document": {"do": "garbage"},
}


KINDS = ("Plain", "Unique")
_ITEMS = 8  # to one queue: the first goes alone, and the others wait for it


@dataclass(frozen=True, slots=True)
class Case:
    """What one fault led to: each request's events, and what is in its queue."""

    queue: str
    added: dict[str, list[Heard]]
    references: list[str]


@pytest.fixture(scope="module")
def lab(relay: Relay) -> dict[str, Case]:
    """All faults at one time, in both kinds of queue: each has one of its own, and strikes two calls."""
    return asyncio.run(_struck(relay))


async def _struck(relay: Relay) -> dict[str, Case]:
    queues = {f"{fault}, {kind}": f"{kind}-{n}" for n, fault in enumerate(_FAULTS) for kind in KINDS}
    await relay.worker.ready()
    async with station(relay.amqp_url, relay.prefix, new=False) as here:
        operations = ("AddQueueItem", "BulkAddQueueItems")
        aimed = [
            {**_FAULTS[case.rpartition(", ")[0]], "operation": each, "times": 1, "reference": f'"{queue}"'}
            for case, queue in queues.items()
            for each in operations
        ]
        relay.simulator.faults(aimed)
        names = {
            case: await asyncio.gather(*(here.add(queue) for _ in range(_ITEMS)))
            for case, queue in queues.items()
        }
        heard = {
            case: {name: await here.hear(name, "queue-item.added", within=60) for name in names[case]}
            for case in queues
        }
        struck = sum(rule["hits"] for rule in relay.simulator.tell("GET", "faults"))
        assert struck > len(_FAULTS) * len(KINDS), "bulks were struck as well"
        relay.simulator.heal()
        assert_valid(event for case in heard.values() for events in case.values() for event in events)
    items = relay.simulator.ledger()["items"]
    return {
        case: Case(queue, heard[case], [item["reference"] for item in items if item["queue"] == queue])
        for case, queue in queues.items()
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", _FAULTS)
def test_one_request_adds_its_item_once_whatever_fails(
    relay: Relay, lab: dict[str, Case], fault: str, kind: str
) -> None:
    """Exactly one item of each request is in the server's queue, and one event tells it."""
    case = lab[f"{fault}, {kind}"]
    assert sorted(case.references) == sorted(f"{relay.prefix}:{name}" for name in case.added)
    for name, (event,) in case.added.items():
        assert event.data["queue"] == {"id": QUEUE_IDS[case.queue], "name": case.queue}
        assert event.id == event_id(relay.prefix, "queue-item-added.v1", name)


async def test_what_is_wrong_is_told_and_duplicates_are(relay: Relay, here: Station) -> None:
    """Refused with the place and a remedy; the same id again adds nothing."""
    wrong = await here.add("Invoices", specificContent={"lines": [1]})
    (rejected,) = await here.hear(wrong, "request.rejected")
    assert (rejected.data["kind"], rejected.data["violations"][0]["pointer"]) == (
        "queue-item.add", "/specificContent/lines",
    )  # fmt: skip
    assert (await here.letter(wrong)).message.routing_key == "queue-item.add"
    name = await here.add("Invoices", specificContent={"n": 1})
    await here.hear(name, "queue-item.added")
    await here.add("Invoices", requestId=name, specificContent={"n": 2})
    (duplicate,) = await here.hear(name, "request.duplicate")
    assert (duplicate.data["kind"], duplicate.data["bodyDiffers"]) == ("queue-item.add", True)
    assert len(relay.items(f"{relay.prefix}:{name}")) == 1


async def test_an_item_is_followed_through_a_retry_to_its_end(relay: Relay, here: Station) -> None:
    """Added with others or alone, by a Reference of its own or its sender's: told once, in order, valid."""
    asked: list[dict[str, Any]] = [{}, {}, {}, {"reference": f"shared {relay.prefix}"}]
    names = await asyncio.gather(*(here.add("Invoices", track=True, **more) for more in asked))
    for name in names:
        (added,) = await here.hear(name, "queue-item.added")
        (item,) = relay.items(added.data["item"]["reference"])
        why = {"Type": "ApplicationException", "Reason": name}
        _moves(relay, item["id"], Status="InProgress")
        await here.hear(name, "queue-item.state.inprogress")
        again = _moves(relay, item["id"], Status="Retried", ProcessingException=why)
        _moves(relay, again, Status="Successful", Output={"of": name})
    for name in names:
        await here.hear(name, "queue-item.state.successful")
        told = [one.data for one in here.heard(name, "queue-item.state")]
        assert [(one["retryNumber"], one["status"], one["terminal"]) for one in told] == [
            (0, "InProgress", False), (0, "Retried", False), (1, "Successful", True),
        ]  # fmt: skip
        assert (told[1]["exception"]["reason"], told[2]["output"]) == (name, {"of": name})
        events = here.heard(name, "queue-item.state")
        assert events[0].id == event_id(relay.prefix, "queue-item-state.v1", _fact(told[0]))
        assert_valid(events)


def _moves(relay: Relay, row: int, **told: Any) -> int:
    """What a robot does with an item; the id of its latest try."""
    return int(relay.simulator.tell("PATCH", f"items/{row}", told)["Id"])


def _fact(data: Mapping[str, Any]) -> str:
    item = data["item"]
    return f"{data['requestId']}|{item['key']}|{item['id']}|{data['status']}|{data['startedAt']}"


async def test_a_deferred_item_comes_back_to_its_queue(relay: Relay, here: Station) -> None:
    """An unknown queue is waited for in the delay queues, and found when it is there."""
    name = await here.add("invoices?")
    (deferred,) = await here.hear(name, "request.deferred")
    assert (deferred.data["kind"], deferred.data["code"]) == ("queue-item.add", "not_yet_visible")
    await here.hear(name, "request.deferred", 2)


async def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    amqp_url: str, prefix: str, simulator: Simulated, log: Path, tmp_path: Path
) -> None:
    """SIGKILL with items in hand, some added, some not, and others waiting: each is added once."""
    simulator.seed(SEED)
    hangs = {"AddQueueItem": "hang", "BulkAddQueueItems": "commit-then-hang"}
    simulator.faults([{"operation": each, "do": do, "times": 1} for each, do in hangs.items()])
    settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem, "SCOPE": _SCOPE}
    async with station(amqp_url, prefix) as here:
        with Working(log, HTTP_TIMEOUT_S=4, GRACE_S=14, COMMIT_SLACK_S=1, HEARTBEAT_S=2, **settings) as first:
            await first.ready()
            names = [await here.add("Invoices") for _ in range(30)]
            await until(lambda: hangs.keys() <= simulator.ledger()["calls"].keys(), "both are sent")
            first.kill()
        simulator.heal()
        with Working(tmp_path / "second.log", HTTP_TIMEOUT_S=4, GRACE_S=14, **settings):
            for name in names:
                await until(lambda name=name: here.heard(name, "queue-item.added"), f"{name} is told", 60)  # type: ignore[misc]
                assert len({event.id for event in here.heard(name, "queue-item.added")}) == 1
    references = [item["reference"] for item in simulator.ledger()["items"]]
    assert sorted(references) == sorted(f"{prefix}:{name}" for name in names)
