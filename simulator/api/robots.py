"""Who runs things: environments, robots, their sessions, machines and users."""

from typing import Any

from simulator.calls import Call, Reply, found, local
from simulator.errors import Refusal
from simulator.moments import now_ms, stored
from simulator.odata.model import Row


def environments(call: Call) -> Reply:
    """GET /odata/Environments: classic folders only, and gone from API 20 on."""
    if call.version >= 20:
        raise Refusal("NotFound")
    return call.listing(
        "Environments", call.entities.environment, local(call.world.environments, call.folder)
    )


def environment_robots(call: Call) -> Reply:
    """GET /odata/Environments/…GetRobotsForEnvironment(key=id)."""
    number, rows = call.number(), local(call.world.environments, call.folder)
    if call.version >= 20:
        raise Refusal("NotFound")
    row = found(next((row for row in rows if row["Id"] == number), None))
    return call.listing("Robots", call.entities.robot, row["_robots"])


def robots(call: Call) -> Reply:
    """GET /odata/Robots: ids here are what RobotIds wants."""
    rows = call.folder["_robots"] if call.folder else call.world.robots
    return call.listing("Robots", call.entities.robot, rows)


def robot(call: Call) -> Reply:
    """GET /odata/Robots(id)."""
    number, rows = call.number(), call.folder["_robots"] if call.folder else call.world.robots
    return call.one(
        "Robots", call.entities.robot, found(next((row for row in rows if row["Id"] == number), None))
    )


def robots_of_folder(call: Call) -> Reply:
    """GET /odata/Robots/…GetRobotsFromFolder(folderId=N)."""
    return call.listing("Robots", call.entities.folder_robot, _folder(call)["_robots"])


def folder_robots(call: Call) -> Reply:
    """GET /odata/Robots/…GetFolderRobots(folderId=N,machineId=M)."""
    return call.listing("Robots", call.entities.extendedrobot, _folder(call)["_robots"])


def configured_robots(call: Call) -> Reply:
    """GET /odata/Robots/…GetConfiguredRobots and FindAllAcrossFolders."""
    return call.listing("Robots", call.entities.extendedrobot, call.world.robots)


def robots_of_process(call: Call) -> Reply:
    """GET /odata/Robots/…GetRobotsForProcess(processId='id or key')."""
    wanted = call.argument.lower()
    rows = local(call.world.releases, call.folder)
    release = found(next((row for row in rows if wanted in (str(row["Id"]), row["Key"])), None))
    environment = release["_environment"]
    folder = call.world.folder_by_id[release["OrganizationUnitId"]]
    return call.listing(
        "Robots", call.entities.robot, environment["_robots"] if environment else folder["_robots"]
    )


def sessions(call: Call) -> Reply:
    """GET /odata/Sessions: `Id` is the session's; the robot is there only with $expand=Robot."""
    busy = {job.robot["Id"] for job in call.world.jobs.by_state["Running"].values() if job.robot}
    rows = [
        {**row, "State": "Busy"} if row["_robot"]["Id"] in busy and row["State"] == "Available" else row
        for row in local(call.world.sessions, call.folder)
    ]
    return call.listing("Sessions", call.entities.session, rows)


def machines(call: Call) -> Reply:
    """GET /odata/Machines: tenant-wide."""
    return call.listing("Machines", call.entities.machine, call.world.machines)


def machine(call: Call) -> Reply:
    """GET /odata/Machines(id)."""
    number = call.number()
    row = next((row for row in call.world.machines if row["Id"] == number), None)
    return call.one("Machines", call.entities.machine, found(row))


def assigned_machines(call: Call) -> Reply:
    """GET /odata/Machines/…GetAssignedMachines(folderId=N)."""
    return call.listing("Machines", call.entities.machine, _folder(call)["_machines"])


def runtimes(call: Call) -> Reply:
    """GET /odata/Machines/…GetRuntimesForFolder(folderId=N): what a start in that folder can run on."""
    totals: dict[str, int] = {}
    for row in _folder(call)["_machines"]:
        for kind, slots in row["_runtimes"].items():
            totals[kind] = totals.get(kind, 0) + slots
    shown = [{"Type": kind, "Total": n, "Connected": n, "Available": n} for kind, n in totals.items()]
    return call.page("Machines", call.query(call.entities.machine), len(shown), shown)


def machine_sessions(call: Call) -> Reply:
    """GET /odata/Sessions/…GetMachineSessionRuntimesByFolderId(folderId=N): ids for MachineSessionIds."""
    shown = [
        _runtime(row, kind, slots)
        for row in _folder(call)["_machines"]
        for kind, slots in row["_runtimes"].items()
        if slots
    ]
    return call.page("MachineSessionRuntimes", call.query(call.entities.machine), len(shown), shown)


def _runtime(row: Row, kind: str, slots: int) -> dict[str, Any]:
    return {
        "SessionId": 60_000 + row["Id"],
        "MachineId": row["Id"],
        "MachineName": row["Name"],
        "MaintenanceMode": "Default",
        "HostMachineName": f"HOST-{row['Name']}".upper(),
        "RuntimeType": kind,
        "MachineType": row["Type"],
        "MachineScope": row["Scope"],
        "Status": "Available",
        "IsUnresponsive": False,
        "Runtimes": slots,
        "UsedRuntimes": 0,
        "ServiceUserName": None,
        "ReportingTime": stored(now_ms()),
        "Version": "24.10.0.0",
        "DebugModeExpirationDate": None,
        "Platform": "Windows",
        "EndpointDetection": None,
        "TriggersCount": 0,
    }


def users(call: Call) -> Reply:
    """GET /odata/Users."""
    return call.listing("Users", call.entities.user, call.world.users)


def user(call: Call) -> Reply:
    """GET /odata/Users(id)."""
    number = call.number()
    return call.one(
        "Users",
        call.entities.user,
        found(next((row for row in call.world.users if row["Id"] == number), None)),
    )


def _folder(call: Call) -> Row:
    return found(call.world.folder(number=call.number()), "InvalidOrganizationUnit")
