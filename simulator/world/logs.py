"""What a robot logs of a job: made from the job whenever it is asked for, and always the same."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from simulator.moments import stored
from simulator.world.jobs import Job, Row

_MOST = 100  # ids are the job's and a number below this


def lines_of(job: Job, settings: Callable[[Job], dict[str, Any]]) -> list[Row]:
    """The lines of a job so far, as LogDto rows; none of one that has not run."""
    if job.started is None:
        return []
    said = [*_said(job, settings(job)["logs"], job.started)][:_MOST]
    return [_line(job, number, *line) for number, line in enumerate(said)]


def _said(job: Job, given: list[Row], started: int) -> Iterator[tuple[int, str, str]]:
    name = job.batch.release["Name"]
    yield started, "Info", f"{name} execution started"
    for number, line in enumerate(given, start=1):
        yield min(started + number, job.ended or started + number), line["Level"], line["Message"]
    if job.ended is None:
        return
    if job.error:
        yield job.ended, "Error", str(job.error["title"])
        yield job.ended, "Error", f"{name}: {job.error['detail']}"
    yield job.ended, "Info", f"{name} execution ended"


def _line(job: Job, number: int, at: int, level: str, message: str) -> Row:
    robot, machine = job.robot or {}, job.machine or {}
    row = {
        "Level": level,
        "WindowsIdentity": robot.get("Username"),
        "ProcessName": job.batch.release["Name"],
        "TimeStamp": at,
        "Message": message,
        "JobKey": job.key,
        "RobotName": robot.get("Name"),
        "HostMachineName": job.host,
        "MachineId": machine.get("Id", 0),
        "MachineKey": machine.get("Key"),
        "RuntimeType": "Unattended",
        "Id": job.id * _MOST + number,
    }
    raw = {"message": message, "level": level, "timeStamp": stored(at), "jobId": job.key}
    return {**row, "RawMessage": orjson.dumps(raw).decode()}
