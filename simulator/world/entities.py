"""The entity types that queries run over, for one API version, and how their rows become JSON."""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

from simulator.moments import fresh, stored
from simulator.odata.model import Entity, Get, Link, Property
from simulator.world.jobs import Batch, Job
from simulator.world.shapes import columns

Row = dict[str, Any]

_JOB: dict[str, Get] = {
    "Key": attrgetter("key"),
    "StartTime": attrgetter("started"),
    "EndTime": attrgetter("ended"),
    "State": attrgetter("state"),
    "BatchExecutionKey": attrgetter("batch.key"),
    "Info": attrgetter("info"),
    "CreationTime": attrgetter("created"),
    "ReleaseName": lambda job: job.batch.release["Name"],
    "InputArguments": attrgetter("batch.input_text"),
    "OutputArguments": attrgetter("output"),
    "HostMachineName": attrgetter("host"),
    "PersistenceId": attrgetter("persistence"),
    "ResumeVersion": attrgetter("resumes"),
    "StopStrategy": attrgetter("stop_strategy"),
    "OrganizationUnitId": lambda job: job.batch.folder["Id"],
    "OrganizationUnitFullyQualifiedName": lambda job: job.batch.folder["FullyQualifiedName"],
    "Reference": attrgetter("batch.reference"),
    "SpecificPriorityValue": attrgetter("batch.priority"),
    "ResumeTime": attrgetter("resumed"),
    "LastModificationTime": attrgetter("changed"),
    "ErrorCode": lambda job: job.error["code"] if job.error else None,
    "Id": attrgetter("id"),
}


class Entities:
    """All entity types of one API version, by attribute."""

    def __init__(self, version: int) -> None:
        self.version = version
        for name in (
            "Folder",
            "Release",
            "Environment",
            "Robot",
            "ExtendedRobot",
            "Session",
            "Machine",
            "User",
        ):
            setattr(self, name.lower(), _table(f"{name}Dto", version))
        self.folder_robot = _table("RobotsFromFolderModel", version)
        self.queue = _table("QueueDefinitionDto", version)
        self.item = _table("QueueItemDto", version)
        self.log = _table("LogDto", version)
        self.webhook = _table("WebhookDto", version)
        self.attachment = _table("AttachmentDto", version)
        self.job = _jobs(version)
        self._connect()

    folder: Entity
    release: Entity
    environment: Entity
    robot: Entity
    extendedrobot: Entity
    session: Entity
    machine: Entity
    user: Entity

    def _connect(self) -> None:
        robots, old = self.robot, self.version < 20
        _link(self.job, "Robot", robots, attrgetter("robot"))
        _link(self.job, "Release", self.release, attrgetter("batch.release"))
        if self.version >= 12:
            _link(self.job, "Machine", self.machine, attrgetter("machine"))
        _link(self.session, "Robot", robots, itemgetter("_robot"))
        _link(self.item, "QueueDefinition", self.queue, itemgetter("_queue"))
        _link(self.item, "Robot", robots, lambda _row: None)
        _link(self.extendedrobot, "User", self.user, itemgetter("_user"))
        if old:
            _link(self.release, "Environment", self.environment, itemgetter("_environment"))
            _link(self.environment, "Robots", robots, itemgetter("_robots"), many=True)
            _link(robots, "Environments", self.environment, itemgetter("_environments"), many=True)


@lru_cache(16)
def entities(version: int) -> Entities:
    """The entity types of that API version."""
    return Entities(version)


def _link(entity: Entity, name: str, target: Entity, get: Get, *, many: bool = False) -> None:
    entity.links[name.lower()] = Link(name, target, get, many)


def _table(shape: str, version: int) -> Entity:
    shown = columns(shape, version)
    properties = {name.lower(): Property(name, kind, _getter(name), members) for name, kind, members in shown}
    names = [name for name, kind, _ in shown if kind != "date"]
    dates = [name for name, kind, _ in shown if kind == "date"]

    def render(row: Row) -> Row:
        get = row.get
        found = {name: get(name) for name in names}
        for name in dates:
            found[name] = stored(get(name))
        return found

    return Entity(shape, properties, render)


def _getter(name: str) -> Get:
    return lambda row: row.get(name)


def _jobs(version: int) -> Entity:
    properties = {
        name.lower(): Property(name, kind, _JOB.get(name) or _from_row(name, version), members)
        for name, kind, members in columns("JobDto", version)
    }
    return Entity("JobDto", properties, renderer(version))


def _from_row(name: str, version: int) -> Get:
    render = renderer(version)
    return lambda job: render(job)[name]


def _alike(release: Row, folder: Row, version: int) -> Row:
    """What all jobs of a process in a folder say alike at that version; made once and kept."""
    kept: dict[tuple[int, int], Row] = release.setdefault("_alike", {})
    found = kept.get((version, folder["Id"]))
    if found is None:
        given = {
            "State": "Pending",
            "JobPriority": release["JobPriority"],
            "SpecificPriorityValue": release["SpecificPriorityValue"],
            "Source": "Manual",
            "SourceType": "Manual",
            "ReleaseName": release["Name"],
            "Type": "Unattended",
            "HasMediaRecorded": False,
            "HasVideoRecorded": False,
            "RuntimeType": "Unattended",
            "RequiresUserInteraction": release["RequiresUserInteraction"],
            "ReleaseVersionId": release["ReleaseVersionId"],
            "EntryPointPath": release["EntryPointPath"],
            "OrganizationUnitId": folder["Id"],
            "OrganizationUnitFullyQualifiedName": folder["FullyQualifiedName"],
            "ProcessType": release["ProcessType"],
            "ResumeOnSameContext": False,
            "LocalSystemAccount": "",
            "RemoteControlAccess": "None",
            "EnvironmentVariables": "",
        }
        found = {name: given.get(name) for name, _kind, _members in columns("JobDto", version)}
        kept[version, folder["Id"]] = found
    return found


def _band(priority: int) -> str:
    return "Low" if priority <= 30 else "Normal" if priority <= 60 else "High"


def _own(row: Row, batch: Batch) -> None:
    """What a batch was started with, over what is alike."""
    for name, value in batch.extra.items():
        if name in row:
            row[name] = value
    if "Source" in batch.extra:
        row["SourceType"] = batch.extra["Source"]
    row["JobPriority"] = _band(batch.priority)
    if "SpecificPriorityValue" in row:
        row["SpecificPriorityValue"] = batch.priority


def renderer(version: int) -> Callable[[Job], dict[str, Any]]:
    """A function that makes a job's JSON at that API version."""

    def render(job: Job) -> dict[str, Any]:
        batch = job.batch
        row = _alike(batch.release, batch.folder, version).copy()
        if batch.extra:
            _own(row, batch)
        row["Id"] = job.id
        row["Key"] = job.key
        row["BatchExecutionKey"] = batch.key
        row["CreationTime"] = stored(job.created)
        row["InputArguments"] = batch.input_text
        row["Reference"] = batch.reference
        if version >= 15:
            row["LastModificationTime"] = stored(job.changed)
        if job.modified is not None:
            _moved(row, job, version)
        return row

    return render


def _moved(row: Row, job: Job, version: int) -> None:
    """What has changed since a job was made."""
    row["State"] = job.state
    row["StartTime"] = stored(job.started)
    row["EndTime"] = stored(job.ended)
    row["Info"] = job.info
    row["OutputArguments"] = job.output
    row["HostMachineName"] = job.host
    row["StopStrategy"] = job.stop_strategy
    row["PersistenceId"] = job.persistence
    row["ResumeVersion"] = job.resumes
    if version >= 15:
        row["ResumeTime"] = stored(job.resumed)
    if version >= 20:
        row["JobError"] = job.error
        row["ErrorCode"] = job.error["code"] if job.error else None
        row["OutputFile"] = job.output_file


def just_started(row: dict[str, Any], created_us: int) -> dict[str, Any]:
    """The row as StartJobs answers it: created with seven digits."""
    row["CreationTime"] = fresh(created_us)
    return row
