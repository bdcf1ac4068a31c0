"""How a seed's objects become rows, complete and linked to each other.

A row is the JSON object that the API shows at its newest version, with instants as milliseconds. Keys that
begin with `_` are links and membership; they are never shown.
"""

from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from simulator.moments import now_ms

Row = dict[str, Any]
_SLOTS = (
    "NonProduction",
    "Unattended",
    "Headless",
    "TestAutomation",
    "AutomationCloud",
    "Hosting",
    "AppTest",
)


def key_of(*names: object) -> str:
    """The same GUID for the same names, always."""
    return str(uuid5(NAMESPACE_URL, "simulated:" + "/".join(map(str, names))))


def folder_rows(given: list[Row], numbers: Iterator[int]) -> list[Row]:
    """All folders, each with its parent."""
    rows = [
        {
            **folder,
            "Id": folder["Id"] or next(numbers),
            "Key": folder["Key"] or key_of("folder", folder["FullyQualifiedName"]),
            "DisplayName": folder["DisplayName"] or folder["FullyQualifiedName"].rpartition("/")[2],
            "IsPersonal": folder["FolderType"] == "Personal",
            "_modern": folder["ProvisionType"] == "Automatic",
            "_robots": [],
            "_machines": [],
        }
        for folder in given
    ]
    by_path = {row["FullyQualifiedName"].lower(): row for row in rows}
    for row in rows:
        parent = by_path.get(row["FullyQualifiedName"].rpartition("/")[0].lower())
        row["_parent"] = parent
        row["ParentId"], row["ParentKey"] = (parent["Id"], parent["Key"]) if parent else (None, None)
    return rows


def user_row(given: Row, numbers: Iterator[int], tenant: str) -> Row:
    """A user."""
    name = given["UserName"]
    return {
        **given,
        "Id": given.get("Id") or next(numbers),
        "Key": given.get("Key") or key_of("user", name),
        "Name": given.get("Name") or name,
        "FullName": f"{given.get('Name') or name} {given.get('Surname') or ''}".strip(),
        "IsActive": True,
        "CreationTime": now_ms(),
        "Type": given.get("Type") or "User",
        "ProvisionType": "Manual",
        "TenancyName": tenant,
        "TenantId": 1,
        "MayHaveUnattendedSession": True,
    }


def machine_row(given: Row, numbers: Iterator[int], folders: list[Row]) -> Row:
    """A machine template, entered in its folders."""
    runtimes = given.get("runtimes") or {"Unattended": 1, "NonProduction": 1}
    row = {
        "Id": given.get("Id") or next(numbers),
        "Key": given.get("Key") or key_of("machine", given["Name"]),
        "Name": given["Name"],
        "LicenseKey": given.get("LicenseKey") or f"SIM-{given['Name']}",
        "Type": given.get("Type") or "Template",
        "Scope": "Default",
        "AutomationType": "Any",
        "TargetFramework": "Any",
        "RobotVersions": [],
        **{f"{kind}Slots": runtimes.get(kind, 0) for kind in _SLOTS},
        "_runtimes": runtimes,
        "_folders": frozenset(folder["Id"] for folder in folders),
    }
    for folder in folders:
        folder["_machines"].append(row)
    return row


def robot_row(given: Row, number: int, user: Row, folders: frozenset[int]) -> Row:
    """A robot of that user, member of those folders."""
    host = given.get("MachineName") or f"HOST-{given['Name']}".upper()
    return {
        "Id": number,
        "Name": given["Name"],
        "MachineName": host,
        "MachineId": 50_000 + number,
        "Username": given.get("Username") or f"acorn\\{given['Name']}",
        "Type": given.get("Type") or "Unattended",
        "HostingType": "Standard",
        "ProvisionType": "Manual",
        "UserId": user["Id"],
        "Enabled": True,
        "CredentialType": "Default",
        "IsExternalLicensed": False,
        "LimitConcurrentExecution": False,
        "RobotEnvironments": "",
        "UserType": user["Type"],
        "UserEmail": user.get("EmailAddress"),
        "UserFullName": user["FullName"],
        "UserKey": user["Key"],
        "_user": user,
        "_environments": [],
        "_session": given.get("sessionId") or 40_000 + number,
        "_state": given.get("state") or "Available",
        "_folders": folders,
    }


def lineage(folder: Row) -> set[int]:
    """A modern folder and those above it, whose users it inherits; a classic one by itself."""
    found, row = {folder["Id"]}, folder["_parent"] if folder["_modern"] else None
    while row is not None:
        found.add(row["Id"])
        row = row["_parent"]
    return found


def environment_row(given: Row, number: int, robots: list[Row], folders: frozenset[int]) -> Row:
    """An environment of those of its robots that are in its folders, entered in each."""
    wanted = {name.lower() for name in given["robots"]}
    robots = [row for row in robots if row["Name"].lower() in wanted and row["_folders"] & folders]
    row = {
        "Id": number,
        "Name": given["Name"],
        "Description": given["Description"],
        "Type": "Dev",
        "_robots": robots,
        "_folders": folders,
    }
    for robot in robots:
        robot["_environments"].append(row)
        robot["RobotEnvironments"] = ", ".join(one["Name"] for one in robot["_environments"])
    return row


def session_row(robot: Row, folders: list[Row]) -> Row:
    """The session of a robot; its id is not the robot's."""
    folder = next((row for row in folders if row["Id"] in robot["_folders"]), {})
    return {
        "Id": robot["_session"],
        "HostMachineName": robot["MachineName"],
        "MachineId": robot["MachineId"],
        "MachineName": robot["MachineName"],
        "State": robot["_state"],
        "ReportingTime": now_ms(),
        "IsUnresponsive": False,
        "OrganizationUnitId": folder.get("Id"),
        "FolderName": folder.get("DisplayName"),
        "RobotSessionType": "LongLived",
        "Platform": "Windows",
        "_robot": robot,
        "_folders": robot["_folders"],
    }


def release_row(given: Row, numbers: Iterator[int], folders: list[Row], environments: list[Row]) -> Row:
    """A process of a package, in the first of its folders; an environment is found by name."""
    folder, ids = folders[0], frozenset(row["Id"] for row in folders)
    environment = next(
        (row for row in environments if row["Name"] == given["EnvironmentName"] and row["_folders"] & ids),
        None,
    )
    return {
        **{name: value for name, value in given.items() if name not in ("folder", "input", "output", "jobs")},
        "Id": given["Id"] or next(numbers),
        "Key": given["Key"] or key_of("release", folder["Key"], given["Name"]),
        "EnvironmentId": environment["Id"] if environment else None,
        "Arguments": {"Input": _arguments(given["input"]), "Output": _arguments(given["output"])},
        "IsLatestVersion": True,
        "SupportsMultipleEntryPoints": False,
        "AutoUpdate": False,
        "SpecificPriorityValue": {"Low": 25, "Normal": 45, "High": 65}[given["JobPriority"]],
        "CreationTime": now_ms(),
        "OrganizationUnitId": folder["Id"],
        "OrganizationUnitFullyQualifiedName": folder["FullyQualifiedName"],
        "FolderKey": folder["Key"],
        "ReleaseVersionId": next(numbers),
        "_jobs": given["jobs"],
        "_environment": environment,
        "_folders": ids,
    }


def _arguments(given: list[Row] | None) -> str | None:
    return orjson.dumps(given).decode() if given else None


def queue_row(given: Row, numbers: Iterator[int], folders: list[Row]) -> Row:
    """A queue."""
    folder = folders[0]
    return {
        **{name: value for name, value in given.items() if name != "folder"},
        "Id": given["Id"] or next(numbers),
        "Key": given["Key"] or key_of("queue", folder["Key"], given["Name"]),
        "AcceptAutomaticallyRetry": True,
        "RetryAbandonedItems": False,
        "Encrypted": False,
        "CreationTime": now_ms(),
        "FoldersCount": 1,
        "OrganizationUnitId": folder["Id"],
        "OrganizationUnitFullyQualifiedName": folder["FullyQualifiedName"],
        "Tags": [],
        "_references": {},
        "_folders": frozenset(row["Id"] for row in folders),
    }
