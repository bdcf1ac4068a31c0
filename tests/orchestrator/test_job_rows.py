"""What a process writes into its job's row harms nobody: it fits, is cut, is kept as text, or is left out."""

from typing import Any

import orjson
import pytest
from stub_server import JOB

from worker.orchestrator.jobs import DEEPEST, LONGEST_NAME, LONGEST_TEXT, job_of


def nested(depth: int, brackets: str = "[]") -> str:
    """JSON text that nests so deep."""
    return brackets[0] * depth + brackets[1] * depth


@pytest.mark.parametrize(
    ("text", "output"),
    [
        pytest.param(nested(500), nested(500), id="deep"),
        pytest.param(nested(5000), nested(5000), id="deeper than any reader goes"),
        pytest.param('{"a":' * 65 + "1" + "}" * 65, '{"a":' * 65 + "1" + "}" * 65, id="deep objects"),
        pytest.param(nested(DEEPEST), orjson.loads(nested(DEEPEST)), id="as deep as may be"),
        pytest.param("[" + "{}," * 100 + "1]", [{}] * 100 + [1], id="wide"),
        pytest.param('{"a":1}', {"a": 1}, id="plain"),
        pytest.param("{", "{", id="no JSON"),
        pytest.param({"a": [1]}, {"a": [1]}, id="not in a string"),
        pytest.param(orjson.loads(nested(500)), None, id="deep and not in a string"),
    ],
)
def test_an_output_can_always_be_written_again(text: Any, output: Any) -> None:
    """As JSON where that is not too deep for its readers, else as the text that it was."""
    found = job_of(JOB | {"OutputArguments": text}).output
    assert found == output
    assert orjson.loads(orjson.dumps({"data": {"output": found}}))["data"]["output"] == output


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("ResumeVersion", "x", "resume_version", 0),
        ("ResumeVersion", -1, "resume_version", 0),
        ("ResumeVersion", 2**64, "resume_version", 0),
        ("ResumeVersion", 2, "resume_version", 2),
        ("EndTime", "9" * 200_000, "ended_at", None),
        ("EndTime", {}, "ended_at", None),
        ("EndTime", "2026-11-21T25:00:00Z", "ended_at", None),
        ("EndTime", "2026-13-21T20:00:00Z", "ended_at", None),
        ("EndTime", "2026-11-21T20:00:00.1234567Z", "ended_at", "2026-11-21T20:00:00.1234567Z"),
        ("StartTime", "2026-11-21T20:00:00+01:00", "started_at", "2026-11-21T20:00:00+01:00"),
        ("CreationTime", "yesterday", "created_at", None),
        ("BatchExecutionKey", "no GUID", "batch_execution_key", ""),
        ("Info", "x" * 200_000, "info", "x" * LONGEST_TEXT),
        ("Info", ["x"], "info", None),
        ("HostMachineName", "x" * 200_000, "host_machine", "x" * LONGEST_NAME),
        ("OrganizationUnitId", "101", "folder_id", None),
        ("Robot", "robot-a", "robot_id", None),
        ("Robot", {"Id": "7", "Name": 7}, "robot_name", None),
        ("SubState", {}, "sub_state", None),
        ("JobError", "E1", "error", None),
    ],
)
def test_a_value_that_does_not_fit_is_left_out(name: str, value: Any, field: str, expected: Any) -> None:
    """It costs itself, not the row."""
    assert getattr(job_of(JOB | {name: value}), field) == expected


def test_an_error_is_texts_and_a_number() -> None:
    """Whatever else a process puts there."""
    error: dict[str, Any] = {
        "Code": ["x"],
        "Title": "t",
        "Detail": "d" * 200_000,
        "Category": None,
        "Status": "500",
        "X": {},
    }
    found = job_of(JOB | {"JobError": error}).error
    assert found == {
        "code": None, "title": "t", "detail": "d" * LONGEST_TEXT, "category": None, "status": None,
    }  # fmt: skip
