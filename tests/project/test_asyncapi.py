"""schemas/asyncapi.yaml says what the code, the topology and the schemas say: nothing is left undescribed."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import yaml
from announced import announced

import worker.domain
from reference.contract import OF_QUEUES, TOPOLOGY, routing_key, schemas
from worker.broker.properties import properties_of_event
from worker.broker.topology import Binding
from worker.contracts import schema
from worker.contracts.schemas import root
from worker.domain.events import Event
from worker.domain.failures import Violation
from worker.domain.jobs import JobState
from worker.domain.messages import HISTORY, Message, letter, past_of
from worker.domain.outcomes import DELAYS
from worker.domain.policy.custody import USER_ID
from worker.domain.requests import Kind
from worker.domain.words import ProcessingStatus

DOCUMENT = yaml.load((root() / "asyncapi.yaml").read_text("utf-8"), yaml.CSafeLoader)
CHANNELS, MESSAGES = DOCUMENT["channels"], DOCUMENT["components"]["messages"]
INTERNAL = {
    *(TOPOLOGY.retry, TOPOLOGY.tracking, TOPOLOGY.hints),
    *(TOPOLOGY.dead,),  # nobody publishes to it but the worker and the broker; its queue is described
    *map(TOPOLOGY.delay, DELAYS),
    TOPOLOGY.templates,  # bound to applications' own exchanges, by the templates
}
"""What only workers use among themselves, so that nobody outside needs to know of it."""


def test_every_schema_has_one_message_and_every_message_a_schema() -> None:
    """A request or event that is added without being described fails here."""
    named = [message["name"] for message in MESSAGES.values()]
    assert sorted(named) == sorted([*schemas("requests"), *schemas("events"), "dead-letter"])
    for message in MESSAGES.values():
        if message["name"] != "dead-letter":
            (file,) = root().glob(f"*/{message['name']}.json")
            assert root() / message["payload"]["schema"]["$ref"] == file


@pytest.mark.parametrize("event", announced(), ids=lambda event: f"{event.schema}-{event.routing_key}")
def test_an_event_comes_with_the_key_that_is_described(event: Event) -> None:
    """Whoever binds the key of a channel gets the message of that channel."""
    (channel,) = (its for its in CHANNELS.values() if _fits(its, event.routing_key))
    (reference,) = (one["$ref"] for one in channel["messages"].values())
    assert MESSAGES[reference.rpartition("/")[2]]["name"] == event.schema
    assert channel["bindings"]["amqp"]["exchange"]["name"] == TOPOLOGY.events
    assert routing_key(event.schema).partition("{")[0] in schema(event.schema)["description"]


def test_the_code_announces_every_event_that_is_described_and_no_other() -> None:
    """Nobody waits for an event that never comes, and none comes that nobody can look up."""
    makers = [name for module in _modules() for name in _makers(module)]
    assert len(makers) == len({event.schema for event in announced()}), "announced.py has one of each maker"
    assert {event.schema for event in announced()} == set(schemas("events"))


def test_a_request_goes_to_the_queue_that_is_bound_with_its_key() -> None:
    """What is published as described comes to its workers."""
    addresses = {its["address"]: its for its in CHANNELS.values() if _exchange(its) == TOPOLOGY.requests}
    assert set(addresses) == set(map(str, Kind))
    for kind, queue in TOPOLOGY.of_requests().items():
        assert Binding(TOPOLOGY.requests, queue, kind) in TOPOLOGY.bindings()
        assert f" {queue}." in addresses[kind]["description"]


def test_every_exchange_and_queue_is_described_as_it_is_declared() -> None:
    """One that is added is described, or is nobody's business."""
    exchanges = {e.name: e.type for e in TOPOLOGY.exchanges() if e.name not in INTERNAL}
    queues = {q.name for q in TOPOLOGY.queues()} - INTERNAL - set(TOPOLOGY.of_requests().values())
    bound = [its["bindings"]["amqp"] for its in CHANNELS.values() if "bindings" in its]
    assert {
        its["exchange"]["name"]: its["exchange"]["type"] for its in bound if "exchange" in its
    } == exchanges
    assert {its["queue"]["name"] for its in bound if "queue" in its} == queues == set(OF_QUEUES.values())
    assert all(its.get("exchange", its.get("queue"))["durable"] for its in bound)


@pytest.mark.parametrize(
    ("channel", "name", "words"),
    [("jobState", "state", JobState), ("queueItemState", "status", ProcessingStatus)],
)
def test_the_states_in_keys_are_all_that_there_are(channel: str, name: str, words: Iterable[str]) -> None:
    """A reader can bind one key for each state."""
    ends = CHANNELS[channel]["parameters"][name]["enum"]
    assert ends == [*(word.lower() for word in words), "unknown"]


def test_every_channel_is_used_by_an_operation() -> None:
    """A channel that nobody sends to or receives from says nothing."""
    used = [one["channel"]["$ref"].rpartition("/")[2] for one in DOCUMENT["operations"].values()]
    assert sorted({*used, "replies"}) == sorted(CHANNELS)
    for one in DOCUMENT["operations"].values():
        asked = one["channel"]["$ref"].rpartition("/")[2] in map(_camel, schemas("requests"))
        assert one["action"] == ("receive" if asked else "send")


def test_the_headers_of_events_and_dead_letters_are_described() -> None:
    """Each header that is sent is there, and none that is not."""
    sent = [properties_of_event(event).headers or {} for event in announced()]
    described = _headers("eventHeaders")
    assert {name for headers in sent for name in headers} == described
    message = Message(body=b"", exchange="e", routing_key="k")
    told = letter(message, past_of(message, 0.0, 0.0), ("code", "detail"), "host", 0.0, [Violation("", "x")])
    assert {*told, HISTORY, USER_ID} == _headers("deadLetterHeaders")


def _headers(name: str) -> set[str]:
    return set(DOCUMENT["components"]["schemas"][name]["properties"])


def _exchange(channel: dict[str, Any]) -> str | None:
    name: str | None = channel.get("bindings", {}).get("amqp", {}).get("exchange", {}).get("name")
    return name


def _fits(channel: dict[str, Any], key: str) -> bool:
    pattern = re.escape(channel["address"] or "")
    for name, parameter in channel.get("parameters", {}).items():
        pattern = pattern.replace(rf"\{{{name}\}}", f"({'|'.join(parameter['enum'])})")
    return re.fullmatch(pattern, key) is not None


def _modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(worker.domain.__path__, "worker.domain."):
        yield importlib.import_module(found.name)


def _makers(module: Any) -> list[str]:
    """The public functions that are written in *module* and return an event."""
    functions = inspect.getmembers(module, inspect.isfunction)
    return [
        name
        for name, function in functions
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and inspect.signature(function).return_annotation is Event
    ]


def _camel(name: str) -> str:
    first, *more = name.partition(".")[0].split("-")
    return first + "".join(part.capitalize() for part in more)
