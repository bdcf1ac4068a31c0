"""A job's row, to the domain: what must be there is checked, what may be there is kept where it fits.

A row is also what a process has put into it: no output and no text of its may harm those who pass it on.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from worker.domain.jobs import Job, Sighting
from worker.domain.words import JobState, read

LONGEST_NAME = 1_000
LONGEST_TEXT = 32_768
"""Characters of a message or a stack that are passed on."""
DEEPEST = 64
"""How deep an output may nest, to be passed on as JSON: readers and writers of JSON have limits of theirs."""
_LARGEST_ID = 2**63 - 1
_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)


def job_of(row: Mapping[str, Any]) -> Job:
    """A JobDto of any version since 2018.1; what its version lacks, or what is no such value, is None.

    Raises `ValueError` where it is no job's row: Id, Key and State have to fit, and Reference,
    BatchExecutionKey and CreationTime may be missing but not be of another type.
    """
    robot = row.get("Robot")
    robot = robot if isinstance(robot, dict) else {}
    batch = _text_or_nothing(row, "BatchExecutionKey")
    return Job(
        id=_id(row.get("Id")),
        key=_key(row.get("Key")),
        batch_execution_key=batch if _GUID.fullmatch(batch) else "",
        state=_state(row.get("State")),
        reference=_text_or_nothing(row, "Reference"),
        created_at=moment_of(_text_or_nothing(row, "CreationTime")),
        release_name=text_of(row.get("ReleaseName")),
        folder_id=number_of(row.get("OrganizationUnitId")),
        folder_path=text_of(row.get("OrganizationUnitFullyQualifiedName")),
        robot_id=number_of(robot.get("Id")),
        robot_name=text_of(robot.get("Name")),
        started_at=moment_of(row.get("StartTime")),
        ended_at=moment_of(row.get("EndTime")),
        sub_state=text_of(row.get("SubState")),
        resume_version=number_of(row.get("ResumeVersion")) or 0,
        host_machine=text_of(row.get("HostMachineName")),
        info=text_of(row.get("Info"), LONGEST_TEXT),
        output=output_of(row.get("OutputArguments")),
        output_file=text_of(row.get("OutputFile")),
        error=_error(row.get("JobError")),
    )


def sighting_of(row: Mapping[str, Any]) -> Sighting:
    """What a scan's row says of a job. Raises `ValueError` where Key or State do not fit."""
    version = number_of(row.get("ResumeVersion")) or 0
    return Sighting(_key(row.get("Key")).lower(), _state(row.get("State")), version)


def _id(value: Any) -> int:
    number = number_of(value)
    if not number:
        raise ValueError("a job's Id is no positive number")
    return number


def _key(value: Any) -> str:
    if not isinstance(value, str) or not _GUID.fullmatch(value):
        raise ValueError("a job's Key is no GUID")
    return value


def _state(value: Any) -> str:
    state = read(JobState, value)
    if state is None or len(state) > 64:
        raise ValueError("a job's State is no word")
    return state


def _text_or_nothing(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"a job's {name} is no text")
    return value or ""


def text_of(value: Any, longest: int = LONGEST_NAME) -> str | None:
    """The text, cut to so many characters; None for what is none."""
    return value[:longest] if isinstance(value, str) else None


def number_of(value: Any) -> int | None:
    """The number, if it is whole, not negative, and fits 64 bits."""
    return value if type(value) is int and 0 <= value <= _LARGEST_ID else None


def moment_of(value: Any) -> str | None:
    """RFC 3339, as our events promise it; with more it could be anything, and of any length."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return None
    return value


def output_of(text: Any) -> Any:
    """OutputArguments is JSON inside a string; what is none, or nests too deep, is given as it came.

    A value that is no text is given as it is; nothing where it nests too deep.
    """
    if not isinstance(text, str):
        return text or None if _nests_within(text, DEEPEST) else None
    try:
        value = orjson.loads(text) if text else None
    except ValueError:
        return text
    shallow = text.count("[") + text.count("{") <= DEEPEST
    return value if shallow or _nests_within(value, DEEPEST) else text


def _nests_within(value: Any, room: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return room > 0 and all(_nests_within(each, room - 1) for each in value)


def _error(error: Any) -> dict[str, Any] | None:
    if not isinstance(error, dict):
        return None
    lower = {name.lower(): value for name, value in error.items()}
    texts = {name: text_of(lower.get(name), LONGEST_TEXT) for name in ("code", "title", "detail", "category")}
    return texts | {"status": number_of(lower.get("status"))}
