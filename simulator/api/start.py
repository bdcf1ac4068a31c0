"""StartJobs and its dry run: checks a startInfo as the server does, then commits a batch of jobs."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from simulator.calls import Call, Reply, local, reply
from simulator.errors import Refusal
from simulator.odata.model import Row
from simulator.world.entities import just_started
from simulator.world.shapes import CHOICES, START_INFO
from simulator.world.tables import World

_MOST_ARGUMENTS, _MOST_REFERENCE, _MOST_JOBS = 10_000, 128, 10_000
_CODES = {
    "InvalidStartJobRobotIds": "RobotNotFound",
    "NoUnattendedUser": "RobotNotAssignedToFolder",
    "NoMachineAssociatedWithFolder": "TemplateNoRuntime",
    "PendingJobsAlreadyExist": "RobotBusy",
    "NoRobotsAvailable": "RobotNotFound",
}


class Plan(NamedTuple):
    """What a valid startInfo asks for: the process, and one entry per job (its robot, if that is fixed)."""

    release: Row
    folder: Row
    info: dict[str, Any]
    robots: list[Row | None]


def start_jobs(call: Call) -> Reply:
    """POST /odata/Jobs/…StartJobs: 201 with the jobs made."""
    plan = planned(call)
    count = (len(plan.robots) + 1) // 2 if call.half else len(plan.robots)
    jobs = call.world.commit(plan.release, plan.folder, plan.info, plan.robots[:count])
    batch, entity = jobs[0].batch, call.entities.job
    call.world.ledger.starts.append(batch)
    query = call.query(entity)
    shown = [just_started(query.render(job, entity), batch.created_us) for job in jobs]
    return reply({"@odata.context": call.context("Jobs"), "value": shown}, 201)


def validate(call: Call) -> Reply:
    """POST /odata/Jobs/…ValidateDynamicJob: 200 with what StartJobs would refuse."""
    errors, codes = [], []
    try:
        planned(call)
    except Refusal as refusal:
        if refusal.name not in _CODES:
            raise
        errors, codes = [refusal.message or refusal.name], [_CODES[refusal.name]]
    return reply(
        {
            "@odata.context": call.context("UiPath.Server.Configuration.OData.ValidationResultDto"),
            "IsValid": not codes,
            "Errors": errors,
            "ErrorCodes": codes,
        }
    )


def planned(call: Call) -> Plan:
    """The startInfo of the call, checked; raises the Refusal that the server would answer."""
    info = call.json().get("startInfo")
    if not isinstance(info, dict):
        raise Refusal("ParameterMissing")
    info = {name: value for name, value in info.items() if "@" not in name and value is not None}
    _check_names(info, call.version)
    _check_values(info)
    folder = call.folder
    if folder is None:  # a name cannot be found outside a folder; a key needs one
        raise Refusal("ReleaseNotFound" if "ReleaseKey" not in info else "RequiredOrganizationUnit")
    release = _release(call, info, folder)
    _check_input_file(call, info)
    robots = _robots(call.world, info, folder, release)
    _check_pending(call.world, info, folder, release, robots)
    return Plan(release, folder, info, robots)


def _check_names(info: dict[str, Any], version: int) -> None:
    """Every property is known to this version and of its kind."""
    for name, value in info.items():
        since, kind = START_INFO.get(name, (99, "text"))
        if since > version:
            raise Refusal(
                "InvalidRequest",
                f"startInfo: The property '{name}' does not exist on type "
                "'UiPath.Server.Configuration.OData.StartProcessDto'.",
            )
        if not _KINDS[kind](value) or value not in CHOICES.get(name, (value,)):
            raise Refusal("InvalidRequest", f"startInfo.{name}: {value!r} is not of type {kind}.")


def _is_guid(value: Any) -> bool:
    with suppress(ValueError, TypeError, AttributeError):
        return bool(UUID(value))
    return False


_KINDS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31,
    "guid": _is_guid,
    "object": lambda value: isinstance(value, dict),
    "ids": lambda value: isinstance(value, list) and all(type(one) is int for one in value),
    "objects": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
}


def _check_values(info: dict[str, Any]) -> None:
    """Lengths, ranges and pairs that exclude each other."""
    arguments = info.get("InputArguments", "")
    if len(arguments.encode("utf-16-le", "surrogatepass")) // 2 > _MOST_ARGUMENTS:
        raise Refusal("InvalidArgument", f"InputArguments has more than {_MOST_ARGUMENTS} characters.")
    if arguments and not _is_object(arguments):
        raise Refusal("InvalidArgument", "InputArguments is not a JSON object.")
    if len(info.get("Reference", "")) > _MOST_REFERENCE:
        raise Refusal("InvalidArgument", f"Reference has more than {_MOST_REFERENCE} characters.")
    if "JobPriority" in info and "SpecificPriorityValue" in info:
        raise Refusal(
            "InvalidArgument",
            "Cannot set a specific priority value when a standard job priority setting is selected.",
        )
    if not 1 <= info.get("SpecificPriorityValue", 1) <= 100:
        raise Refusal("InvalidArgument", "SpecificPriorityValue must be 1 to 100.")
    if arguments and info.get("InputFile"):
        raise Refusal("InvalidArgument", "A job cannot have both input file and input arguments.")


def _is_object(text: str) -> bool:
    with suppress(ValueError):
        return isinstance(orjson.loads(text), dict)
    return False


def _release(call: Call, info: dict[str, Any], folder: Row) -> Row:
    """The process by its key, else by its name, in the call's folder."""
    key, name = str(info.get("ReleaseKey") or "").lower(), str(info.get("ReleaseName") or "").lower()
    if not key and not name:
        raise Refusal("InvalidReleaseKeyAndName")
    for row in local(call.world.releases, folder):
        if row["Key"] == key if key else row["Name"].lower() == name:
            if row["IsProcessDeleted"]:
                raise Refusal("PackageNotFound")
            return row
    raise Refusal("ReleaseNotFound" if call.version >= 15 else "InvalidReleaseKey")


def _check_input_file(call: Call, info: dict[str, Any]) -> None:
    if info.get("InputFile") and str(info["InputFile"]).lower() not in call.world.attachments:
        raise Refusal("AttachmentNotFound")
    if info.get("RunAsMe") and call.grant.mode == "client_credentials":
        raise Refusal("UserDoesNotHaveRobot")


def _robots(world: World, info: dict[str, Any], folder: Row, release: Row) -> list[Row | None]:
    """One entry per job; a Refusal if the strategy, its numbers or its robots do not fit the folder."""
    strategy = info.get("Strategy") or ("ModernJobsCount" if folder["_modern"] else "All")
    _check_strategy(world, strategy, folder)
    ids, count = info.get("RobotIds") or [], _count(info, strategy)
    if strategy != "Specific" and ids:
        raise Refusal("InvalidArgument", "RobotIds must be empty unless the strategy is Specific.")
    eligible = _eligible(folder, release)
    if strategy == "Specific":
        by_id = {row["Id"]: row for row in (folder["_robots"] if folder["_modern"] else eligible)}
        if not ids or any(number not in by_id for number in ids):
            raise Refusal("InvalidStartJobRobotIds")
        return [by_id[number] for number in ids]
    if folder["_modern"]:
        _check_modern(info, folder)
    elif not eligible:
        raise Refusal("NoRobotsAvailable")
    return list(eligible) if strategy == "All" else [None] * count


def _check_strategy(world: World, strategy: str, folder: Row) -> None:
    if not folder["_modern"] and strategy == "ModernJobsCount":
        raise Refusal("StrategyNotAvailableInClassicFolder")
    offered = ("ModernJobsCount", "Specific") if world.behaviour["strictStrategies"] else CHOICES["Strategy"]
    if folder["_modern"] and (strategy not in offered or strategy == "RobotCount"):
        raise Refusal("StrategyNotAvailableInModernFolder")


def _count(info: dict[str, Any], strategy: str) -> int:
    """How many jobs the counting strategies ask for; the other numbers must be absent or 0."""
    counts = {
        "RobotCount": info.get("NoOfRobots", 0),
        "JobsCount": info.get("JobsCount", 1 if not info.get("Strategy") else 0),
    }
    name = "RobotCount" if strategy == "RobotCount" else "JobsCount"
    counting = strategy in ("RobotCount", "JobsCount", "ModernJobsCount")
    for other, number in counts.items():
        if (not counting or other != name) and number and info.get("Strategy"):
            raise Refusal(
                "InvalidArgument", f"The number for {other} must be 0 when the strategy is {strategy}."
            )
    if counting and not 0 < counts[name] <= _MOST_JOBS:
        raise Refusal("InvalidArgument", f"{name} must be 1 to {_MOST_JOBS} when the strategy is {strategy}.")
    return counts[name] if counting else 0


def _eligible(folder: Row, release: Row) -> list[Row]:
    """Modern: the folder's robots. Classic: those of the process's environment."""
    if folder["_modern"]:
        return list(folder["_robots"])
    environment = release["_environment"]
    return list(environment["_robots"]) if environment else list(folder["_robots"])


def _check_modern(info: dict[str, Any], folder: Row) -> None:
    """A modern folder needs a runtime of the kind asked for, and a user with an unattended robot."""
    wanted = [info["RuntimeType"]] if info.get("RuntimeType") else ["Unattended", "NonProduction"]
    if wanted[0] != "Serverless" and not any(
        machine["_runtimes"].get(kind) for machine in folder["_machines"] for kind in wanted
    ):
        raise Refusal("NoMachineAssociatedWithFolder", wanted=" or ".join(wanted))
    if not folder["_robots"]:
        raise Refusal("NoUnattendedUser")
    known = {row["Id"] for row in folder["_robots"]}
    for pair in info.get("MachineRobots") or []:
        if pair.get("RobotId") is not None and pair["RobotId"] not in known:
            raise Refusal("InvalidStartJobRobotIds")


def _check_pending(
    world: World, info: dict[str, Any], folder: Row, release: Row, robots: list[Row | None]
) -> None:
    most = world.behaviour["maxPendingJobs"]
    if most and world.clock.pending + len(robots) > most:
        raise Refusal("MaxNumberJobsAlreadyExist")
    if folder["_modern"] or info.get("Strategy") not in ("Specific", "All", None):
        return
    for robot in robots:
        if robot is not None and world.clock.pending_of.get((robot["Id"], release["Id"])):
            raise Refusal("PendingJobsAlreadyExist")
