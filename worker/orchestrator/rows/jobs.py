"""A job's row, to the domain: what must be there is checked, what may be there is kept where it fits."""

import re
from collections.abc import Mapping
from typing import Any

from worker.domain.jobs import Job, Sighting
from worker.domain.words import JobState, read
from worker.orchestrator.rows import LONGEST_TEXT, LONGEST_WORD, moment_of, number_of, output_of, text_of

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


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
    if state is None or len(state) > LONGEST_WORD:
        raise ValueError("a job's State is no word")
    return state


def _text_or_nothing(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"a job's {name} is no text")
    return value or ""


def _error(error: Any) -> dict[str, Any] | None:
    if not isinstance(error, dict):
        return None
    lower = {name.lower(): value for name, value in error.items()}
    texts = {name: text_of(lower.get(name), LONGEST_TEXT) for name in ("code", "title", "detail", "category")}
    return texts | {"status": number_of(lower.get("status"))}
