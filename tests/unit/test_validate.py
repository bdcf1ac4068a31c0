"""A document becomes a request, or a refusal that says what is wrong, where, and how to mend it."""

from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contracts import violations
from worker.contracts.schemas import root
from worker.domain.events import rfc3339
from worker.domain.failures import Code, Rejected
from worker.domain.messages import Message
from worker.domain.requests import FolderRef, ProcessRef, StartRequest, Strategy
from worker.pipeline.validate import read, request_id_of, validate

REQUEST = {"requestId": "inc-1", "process": {"name": "SupportTriage"}, "folder": {"path": "Shared"}}
EXAMPLES = sorted((root() / "examples/start-job.v1").glob("*.json"))


def _invalid(document: dict[str, Any], default_folder: FolderRef | None = None) -> Rejected:
    with pytest.raises(Rejected) as caught:
        validate(document, default_folder)
    assert caught.value.remedy
    return caught.value


def test_a_cloud_event_sent_as_plain_json_is_told_its_content_type() -> None:
    """The usual slip is named instead of seven unknown properties."""
    assert (
        "application/cloudevents+json"
        in _invalid({"specversion": "1.0", "id": "event-7", "data": REQUEST}).remedy
    )


def test_a_request_without_an_id_is_refused_first_for_that() -> None:
    """Whatever else is wrong is in the violations."""
    refusal = _invalid({"process": {"name": "x"}, "jobsCount": 0})
    assert refusal.code == Code.REQUEST_ID_MISSING
    assert {it.pointer for it in refusal.violations} == {"/requestId", "/jobsCount", "/folder"}


def test_a_request_without_a_folder_needs_a_default() -> None:
    """Orchestrator's own default is never used."""
    homeless = {"requestId": "inc-1", "process": {"name": "SupportTriage"}}
    refusal = _invalid(homeless)
    assert refusal.code == Code.FOLDER_MISSING
    assert [it.pointer for it in refusal.violations] == ["/folder"]
    assert validate(homeless, FolderRef(id=101)).folder == FolderRef(id=101)
    assert validate(REQUEST, FolderRef(id=101)).folder == FolderRef(path="Shared")


def test_a_missing_folder_is_the_reason_only_where_nothing_else_is_wrong() -> None:
    """Who mends the folder alone would be refused once more."""
    refusal = _invalid({"requestId": "inc-1", "process": {}})
    assert refusal.code == Code.INVALID_REQUEST
    assert {it.pointer for it in refusal.violations} > {"/folder"}


def test_a_null_folder_is_named_once() -> None:
    """Null is not a folder, with a default or without."""
    document = {**REQUEST, "folder": None}
    assert _invalid(document).code == Code.FOLDER_MISSING
    assert [it.pointer for it in _invalid(document).violations] == ["/folder"]
    assert _invalid(document, FolderRef(id=1)).code == Code.INVALID_REQUEST


def test_arguments_as_text_are_refused_with_the_way_to_mend_them() -> None:
    """The seeds' trap: Orchestrator's string is made here, from an object."""
    refusal = _invalid({**REQUEST, "inputArguments": '{"IncidentId":"INC-1"}'})
    assert refusal.code == Code.INVALID_REQUEST
    assert "the worker makes the string" in refusal.detail


def test_the_detail_names_the_first_violation_and_counts_the_others() -> None:
    """A log line is enough to begin with."""
    assert _invalid({**REQUEST, "jobsCount": 0}).detail == "/jobsCount must be at least 1"
    assert "(and 1 more)" in _invalid({**REQUEST, "jobsCount": 0, "x": 1}).detail


def test_a_request_is_read_as_it_was_meant() -> None:
    """The old strategy's name is the new one's, a key is written small, a moment keeps its offset."""
    key = "99587436-4ce5-480d-988c-6d7f43787a2c"
    asked = {"strategy": "RobotCount", "jobsCount": 3, "expiresAt": "2026-11-21T18:00:00.5+01:00"}
    request = validate({**REQUEST, **asked, "folder": {"key": key.upper()}})
    assert request.strategy == Strategy.JOBS_COUNT
    assert request.folder == FolderRef(key=key)
    assert request.expires_at == datetime.fromisoformat("2026-11-21T18:00:00.500000+01:00")
    assert (request.process, request.jobs_count) == (ProcessRef("SupportTriage"), 3)


def test_a_whole_number_written_with_a_point_is_sent_without() -> None:
    """2.0 is a whole number in JSON Schema and none in Orchestrator; arguments stay as they are."""
    points = {"jobsCount": 2.0, "priority": 8e1, "robots": [7.0, "x"], "inputArguments": {"x": 1.0}}
    request = validate({**REQUEST, **points, "folder": {"id": 101.0}})
    assert request.folder is not None
    whole = [request.folder.id, request.jobs_count, request.priority, request.robots, request.input_arguments]
    assert orjson.dumps(whole) == b'[101,2,80,[7,"x"],{"x":1.0}]'


@pytest.mark.parametrize(
    ("given", "name"),
    [("inc-1", "inc-1"), ("a" * 100, "a" * 100), ("a" * 101, None), ("", None), ("a b", None), ("a\n", None),
     (5, None), (None, None), ("ü", None)],
)  # fmt: skip
def test_an_invalid_requests_id_is_named_where_it_keeps_to_the_pattern(given: Any, name: str | None) -> None:
    """A refusal reaches its sender although the rest is wrong."""
    assert request_id_of({"requestId": given, "x": 1}) == name


VALUES = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
REQUESTS = st.fixed_dictionaries(
    {
        "requestId": st.from_regex(r"[A-Za-z0-9._:-]{1,100}", fullmatch=True),
        "process": st.fixed_dictionaries({"name": st.text(min_size=1, max_size=256)}),
    },
    optional={
        "folder": st.fixed_dictionaries({"path": st.text(min_size=1, max_size=50)})
        | st.fixed_dictionaries({"id": st.integers(1, 2**63 - 1)})
        | st.fixed_dictionaries({"key": st.uuids().map(str)}),
        "jobsCount": st.integers(1, 10_000),
        "machines": st.lists(st.text(min_size=1, max_size=9) | st.integers(1, 2**63 - 1), unique_by=str),
        "inputArguments": st.dictionaries(st.text(), VALUES),
        "priority": st.sampled_from(["Low", "Normal", "High"]) | st.integers(1, 100),
        "expiresAt": st.integers(-(10**10), 3 * 10**10).map(rfc3339),
        "metadata": st.dictionaries(st.text(min_size=1, max_size=64), st.text(max_size=256), max_size=3),
    },
)


@given(REQUESTS)
def test_a_document_that_keeps_to_the_schema_becomes_a_request(document: dict[str, Any]) -> None:
    """From bytes and back, nothing is lost on the way."""
    assert violations("start-job.v1", document) == []
    request = validate(read(Message(body=orjson.dumps(document))), FolderRef(path="default"))
    assert request.request_id == document["requestId"]
    assert request.input_arguments == document.get("inputArguments")
    assert request.folder == FolderRef.of(document.get("folder", {"path": "default"}))
    assert request.metadata == document.get("metadata", {})


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_valid_example_becomes_a_request(file: Any) -> None:
    """What the documentation shows can be started."""
    request = validate(read(Message(body=file.read_bytes())), FolderRef(path="Shared"))
    assert isinstance(request, StartRequest)
