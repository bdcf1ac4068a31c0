"""The form of a seed: every key, its check and its value when left out."""

from pathlib import Path
from typing import Any

import orjson

from simulator.seed.checks import (
    Key,
    SeedError,
    anything,
    flag,
    guid,
    mapping,
    number,
    one_of,
    optional,
    record,
    several,
    span,
    text,
)

DEFAULT_SEED = Path(__file__).with_name("default.json")
STATES = ("Pending", "Running", "Stopping", "Terminating", "Faulted", "Successful", "Stopped", "Suspended")

_id = number(1, 2**53, whole=True)
_seconds = number(0, 10_000_000)
_all_scopes = (
    "OR.Jobs OR.Execution OR.Folders OR.Queues OR.Robots OR.Machines OR.Users OR.Webhooks OR.Monitoring "
    "OR.Settings.Read"
)

ARGUMENT = record(
    {
        "name": Key(text, required=True),
        "type": Key(text, required=True),
        "required": Key(flag, default=False),
        "hasDefault": Key(flag, default=False),
    }
)

JOBS = {
    "pendingSeconds": Key(span, (0.1, 0.5)),
    "runningSeconds": Key(span, (0.5, 2.0)),
    "suspendedSeconds": Key(span, (0.5, 1.0)),
    "stoppingSeconds": Key(span, (0.1, 0.3)),
    # what becomes of a job, by weight; "Pending" stays pending for ever, "NotStarted" faults before it runs,
    # "Suspended" is suspended and resumed once on its way to success, "StaysSuspended" waits for ResumeJob
    "outcomes": Key(mapping(number(0, 1e9)), lambda: {"Successful": 1.0}),
    "output": Key(
        record({"echo": Key(flag, default=False), "values": Key(mapping(anything), dict)}),
        lambda: {"echo": True, "values": {}},
    ),
    "error": Key(mapping(anything), dict),
    "ignoresSoftStop": Key(flag, default=False),
}
OUTCOMES = frozenset(
    {"Successful", "Faulted", "Stopped", "Pending", "NotStarted", "Suspended", "StaysSuspended", "Running"}
)

BEHAVIOUR = {
    "apiVersion": Key(number(11, 20, whole=True), 20),
    "strictApiVersion": Key(flag, default=False),  # a classic folder, too, answers as apiVersion says
    "cloudRules": Key(optional(flag)),  # null: yes from API 18 on, and for calls to a /{org}/{tenant} URL
    "latencyMs": Key(span, (0.0, 0.0)),
    "cookies": Key(flag, default=True),
    "rateLimitPerMinute": Key(number(0, 1_000_000, whole=True), 100),
    "rateLimitSeconds": Key(number(0.1, 3600), 60),
    "tokenSeconds": Key(mapping(_seconds), dict),  # by mode: client_credentials, user_key, password
    "randomSeed": Key(number(0, 2**63, whole=True), 1),
    "inOperator": Key(flag, default=True),
    "notFilterable": Key(several(text), list),  # properties of Jobs that $filter refuses
    "honourBatchExecutionKey": Key(flag, default=True),
    "strictStrategies": Key(flag, default=False),  # modern folders take ModernJobsCount and Specific only
    "maxPendingJobs": Key(number(0, 10_000_000, whole=True), 0),  # 0: no limit; else 1691
    "webhookBreakerSeconds": Key(_seconds, 3600),
    "webhookTimeoutSeconds": Key(number(0.1, 60), 5),
    "errors": Key(
        mapping(record({"status": Key(number(400, 599, whole=True)), "message": Key(text)}, partial=True)),
        dict,
    ),
    "jobs": Key(record(JOBS, partial=True), lambda: record(JOBS)({}, "")),
}

IDENTITY = record(
    {
        "organization": Key(text, "acorn"),
        "tenant": Key(text, "Main"),
        "clients": Key(
            several(
                record(
                    {
                        "id": Key(text, required=True),
                        "secret": Key(text, required=True),
                        "scope": Key(text, _all_scopes),
                    }
                )
            ),
            list,
        ),
        "accessTokens": Key(several(text), list),
        "users": Key(
            several(record({"username": Key(text, required=True), "password": Key(text, required=True)})),
            list,
        ),
        "userKeys": Key(
            several(record({"clientId": Key(text, required=True), "userKey": Key(text, required=True)})), list
        ),
    }
)

_where = Key(several(text), required=True)
FOLDER = {
    "Id": Key(_id),
    "Key": Key(guid),
    "FullyQualifiedName": Key(text, required=True),
    "DisplayName": Key(text),
    "Description": Key(text),
    "FolderType": Key(one_of("Standard", "Personal", "Virtual", "Solution", "DebugSolution"), "Standard"),
    "ProvisionType": Key(one_of("Automatic", "Manual"), "Automatic"),
    "PermissionModel": Key(one_of("InheritFromTenant", "FineGrained"), "FineGrained"),
    "FeedType": Key(text, "Processes"),
}
RELEASE = {
    "Id": Key(_id),
    "Key": Key(guid),
    "Name": Key(text, required=True),
    "ProcessKey": Key(text, required=True),
    "ProcessVersion": Key(text, "1.0.0"),
    "folder": _where,
    "EnvironmentName": Key(text),
    "Description": Key(text, ""),
    "IsProcessDeleted": Key(flag, default=False),
    "InputArguments": Key(text),
    "ProcessType": Key(text, "Process"),
    "JobPriority": Key(one_of("Low", "Normal", "High"), "Normal"),
    "RequiresUserInteraction": Key(flag, default=False),
    "TargetFramework": Key(one_of("Legacy", "Windows", "Portable"), "Windows"),
    "EntryPointPath": Key(text, "Main.xaml"),
    "input": Key(optional(several(ARGUMENT))),
    "output": Key(optional(several(ARGUMENT))),
    "jobs": Key(record(JOBS, partial=True), dict),
}
ENVIRONMENT = {
    "Id": Key(_id),
    "Name": Key(text, required=True),
    "folder": _where,
    "Description": Key(text, ""),
    "robots": Key(several(text), list),
}
ROBOT = {
    "Id": Key(_id),
    "Name": Key(text, required=True),
    "folder": _where,
    "sessionId": Key(_id),
    "MachineName": Key(text),
    "Username": Key(text),
    "Type": Key(text, "Unattended"),
    "state": Key(one_of("Available", "Busy", "Disconnected", "Unknown"), "Available"),
}
MACHINE = {
    "Id": Key(_id),
    "Key": Key(guid),
    "Name": Key(text, required=True),
    "LicenseKey": Key(text),
    "Type": Key(one_of("Standard", "Template"), "Template"),
    "folders": Key(several(text), list),
    "runtimes": Key(mapping(number(0, 100_000, whole=True)), lambda: {"Unattended": 1}),
}
USER = {
    "Id": Key(_id),
    "Key": Key(guid),
    "UserName": Key(text, required=True),
    "Name": Key(text),
    "Surname": Key(text),
    "EmailAddress": Key(text),
    "Type": Key(text, "User"),
}
QUEUE = {
    "Id": Key(_id),
    "Key": Key(guid),
    "Name": Key(text, required=True),
    "folder": _where,
    "Description": Key(text),
    "EnforceUniqueReference": Key(flag, default=False),
    "MaxNumberOfRetries": Key(number(0, 50, whole=True), 0),
}
WEBHOOK = {
    "Name": Key(text, required=True),
    "Url": Key(text, required=True),
    "Secret": Key(text),
    "Enabled": Key(flag, default=True),
    "events": Key(several(text), list),  # none: all
}
TABLES = {
    "folders": FOLDER,
    "releases": RELEASE,
    "environments": ENVIRONMENT,
    "robots": ROBOT,
    "machines": MACHINE,
    "users": USER,
    "queues": QUEUE,
    "webhooks": WEBHOOK,
}
SEED = record(
    {
        "identity": Key(IDENTITY),
        **{name: Key(several(record(keys))) for name, keys in TABLES.items()},
        "behaviour": Key(mapping(anything), dict),
    }
)


def load(raw: Any = None) -> dict[str, Any]:
    """A complete seed from parsed JSON; the built-in one for None.

    An identity left out is the built-in one. Tables left out are the built-in ones if *all* are; else they
    are small: one modern folder `Shared`, a robot and a machine template for every folder, no queue.
    """
    defaults = orjson.loads(DEFAULT_SEED.read_bytes())
    given = SEED(defaults if raw is None else raw, "")
    if given["identity"] is None:
        given["identity"] = IDENTITY(defaults["identity"], "identity")
    if all(given[name] is None for name in TABLES):
        given.update(
            {name: several(record(keys))(defaults.get(name, []), name) for name, keys in TABLES.items()}
        )
    given["behaviour"] = behaviour(given["behaviour"])
    return _checked(given)


def behaviour(given: dict[str, Any], base: dict[str, Any] | None = None) -> dict[str, Any]:
    """The whole behaviour: `given` over `base` (a running one) or over the defaults; `jobs` key by key."""
    checked = record(BEHAVIOUR, partial=True)(given, "behaviour")
    _check_outcomes(checked.get("jobs", {}), "behaviour.jobs")
    whole = base or record(BEHAVIOUR)({}, "behaviour")
    return {**whole, **checked, "jobs": {**whole["jobs"], **checked.get("jobs", {})}}


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """The tables completed, and every folder that they name known."""
    given["folders"] = given["folders"] or [record(FOLDER)({"FullyQualifiedName": "Shared"}, "folders[0]")]
    paths = {folder["FullyQualifiedName"].lower() for folder in given["folders"]}
    for table in TABLES:
        for index, row in enumerate(given[table] or []):
            for path in row.get("folder") or row.get("folders") or []:
                if path.lower() not in paths:
                    raise SeedError(f"{table}[{index}].folder", f"no folder '{path}' in folders")
            _check_outcomes(row.get("jobs") or {}, f"{table}[{index}].jobs")
    return given


def _check_outcomes(jobs: dict[str, Any], place: str) -> None:
    for name in jobs.get("outcomes", {}):
        if name not in OUTCOMES:
            raise SeedError(f"{place}.outcomes.{name}", f"one of {', '.join(sorted(OUTCOMES))} expected")
