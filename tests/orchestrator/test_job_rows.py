"""What a process writes into its job's row harms nobody: it fits, is cut, is kept as text, or is left out."""

from typing import Any

import orjson
import pytest
import structlog
from heard import Heard
from stub_server import JOB, Server, says, settings

from worker.orchestrator import Client
from worker.orchestrator.rows import DEEPEST, LONGEST_NAME, LONGEST_TEXT
from worker.orchestrator.rows.jobs import job_of, sighting_of


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


@pytest.mark.parametrize(
    ("state", "read"),
    [
        (1, "Running"),
        ("5", "Successful"),
        ("suspended", "Suspended"),
        ("Dozing", "Dozing"),
        (9, "9"),
    ],
)
def test_a_state_comes_by_name_or_number(state: Any, read: str) -> None:
    """In a row and in a scan; one that is new is kept as it is, and is no end."""
    job, seen = job_of(JOB | {"State": state}), sighting_of(JOB | {"State": state})
    assert (job.state, seen.state) == (read, read)
    assert job.terminal is (read == "Successful")


async def test_a_state_that_nobody_knows_is_counted_and_named_once(server: Server) -> None:
    """By its type; the word itself is in the log, one line however often it comes."""
    server.on("JobById", says(JOB | {"State": "Dozing"}), says(JOB | {"State": "Dozing"}), says(JOB))
    heard = Heard()
    with structlog.testing.capture_logs() as lines:
        async with Client(settings(server.url), heard) as client:
            jobs = [await client.job(101, 9001) for _ in range(3)]
    assert [job and job.state for job in jobs] == ["Dozing", "Dozing", "Pending"]
    assert heard.unknown == ["JobState", "JobState"]
    assert [line["word"] for line in lines if line["event"] == "orchestrator.unknown_word"] == ["Dozing"]
