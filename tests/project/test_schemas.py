"""The schemas, their examples and the code say the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
import pytest
from announced import announced, tracked, tracked_item
from jsonschema_rs import Draft202012Validator, meta

from worker.contracts import names, schema, violations
from worker.contracts.schemas import root
from worker.domain.failures import Code, Later

EVENTS = [name for name in names() if "specversion" in schema(name)["properties"]]
TOLD = [*EVENTS, "tracking.v1", "tracking-item.v1"]
"""What the worker writes itself, for others or for the next worker."""
EXAMPLES = root() / "examples"
VALID = sorted(EXAMPLES.glob("*/*.json"))
INVALID = sorted(EXAMPLES.glob("*/invalid/*.json"))
PARTS = ("requestId", "correlationId", "metadata", "job", "process", "folder", "robot", "reference")


def _read(file: Path) -> Any:
    return orjson.loads(file.read_bytes())


def _name(file: Path) -> str:
    return str(file.relative_to(EXAMPLES).with_suffix(""))


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(inner)


def _data(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = schema(name)["properties"]
    inner: dict[str, Any] = properties["data"]["properties"] if "data" in properties else properties
    return inner


@pytest.mark.parametrize("file", VALID, ids=_name)
def test_a_valid_example_keeps_to_its_schema(file: Path) -> None:
    """What the documentation shows can be sent as it stands."""
    assert violations(file.parent.name, _read(file)) == []


@pytest.mark.parametrize("file", INVALID, ids=_name)
def test_an_invalid_example_is_refused_at_the_place_it_names(file: Path) -> None:
    """The one thing wrong with it is found, where the example says that it is."""
    example = _read(file)
    found = violations(file.parent.parent.name, example["document"])
    assert example["why"].endswith(".")
    assert example["pointer"] in [violation.pointer for violation in found]


def test_every_schema_has_a_valid_and_an_invalid_example() -> None:
    """Nobody has to guess what a message looks like, nor what is refused."""
    assert {file.parent.name for file in VALID} == set(names())
    assert {file.parent.parent.name for file in INVALID} == set(names())


@pytest.mark.parametrize("name", names())
def test_a_schema_is_valid_and_named_after_its_file(name: str) -> None:
    """Any 2020-12 validator takes it, and its urn is the events' dataschema."""
    document = schema(name)
    meta.validate(document)
    Draft202012Validator(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"] == f"urn:jobrelay:schema:{name}"


@pytest.mark.parametrize("name", names())
def test_every_property_is_described(name: str) -> None:
    """Somebody who has never seen Orchestrator learns what each property means."""
    for node in _nodes(schema(name)):
        if "type" in node and isinstance(node.get("properties"), dict):
            for key, inner in node["properties"].items():
                assert len(inner["description"]) > 8, key


@pytest.mark.parametrize("name", names())
def test_no_schema_names_a_host(name: str) -> None:
    """A schema can be read anywhere: beside the dialect's own name it refers to no address."""
    text = (orjson.dumps({**schema(name), "$schema": ""})).decode()
    assert not re.search(r"https?:|\bwww\.|localhost|\b\d+\.\d+\.\d+\.\d+\b", text)
    assert not any("$ref" in node for node in _nodes(schema(name)))


@pytest.mark.parametrize("name", TOLD)
def test_what_is_announced_has_every_property_and_may_get_more(name: str) -> None:
    """Optional values are null, not left out, and readers ignore what they do not know."""
    for node in _nodes(schema(name)):
        if "type" in node and isinstance(node.get("properties"), dict):
            assert set(node["properties"]) - {"traceparent", "tracestate"} <= set(node["required"])
            assert "additionalProperties" not in node


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_names_its_type_and_its_schema(name: str) -> None:
    """A reader finds the schema of an event from the event."""
    properties = schema(name)["properties"]
    assert properties["type"]["const"] == f"jobrelay.{name}"
    assert {"traceparent", "tracestate"} <= properties.keys() - set(schema(name)["required"])
    assert properties["dataschema"]["const"] == f"urn:jobrelay:schema:{name}"


@pytest.mark.parametrize("part", PARTS)
def test_the_same_property_is_the_same_in_every_event(part: str) -> None:
    """A reader writes one type for a job, not one for each event that carries it."""
    forms = [_data(name)[part] for name in TOLD if part in _data(name)]
    bare = {orjson.dumps(_shape(form), option=orjson.OPT_SORT_KEYS) for form in forms}
    assert len(bare) == (2 if part == "requestId" else 1)  # null where a message could not be read


def _shape(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _shape(value) for key, value in node.items() if key != "description"}
    return node


def test_the_codes_are_the_ones_that_the_code_knows() -> None:
    """A code that is not published cannot be sent, and none is published that never is."""
    published = _data("request-rejected.v1")["code"]["enum"]
    assert sorted(published) == sorted(set(Code) - {Code.OUTCOME_UNKNOWN})
    assert sorted(_data("request-deferred.v1")["code"]["enum"]) == sorted(Later)
    replayed = _data("request-replayed.v1")["code"]["enum"]
    assert {*replayed} == {*Code, None}


def test_a_tracking_message_holds_what_job_created_says() -> None:
    """The tracker can announce a state without asking anybody what the job was."""
    created, tracked = _data("job-created.v1"), _data("tracking.v1")
    assert {key: tracked[key] for key in created if key != "state"} == {
        key: value for key, value in created.items() if key != "state"
    }


def test_an_examples_id_is_derived_from_its_fact() -> None:
    """An event's id can be made again from the fact by anybody."""
    event = _read(EXAMPLES / "job-created.v1/modern-folder.json")
    space = uuid5(NAMESPACE_URL, "urn:jobrelay")
    assert UUID(event["id"]) == uuid5(
        space, f"{event['type']}|{event['source']}|{event['data']['job']['key']}"
    )


def test_what_the_code_announces_keeps_to_its_schema() -> None:
    """An event is what its schema says, and so is the message that tracks its job."""
    assert violations("tracking.v1", tracked()) == []
    assert violations("tracking-item.v1", tracked_item()) == []
    assert violations("tracking.v1", tracked_item()), "an older tracker takes it for no job's, and keeps it"
    for event in announced():
        assert violations(event.schema, orjson.loads(orjson.dumps(event.document()))) == []
