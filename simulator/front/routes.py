"""Which handler serves which path, under which operation name, and what it asks of its caller."""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from simulator.api import catalogue, files, jobs, queues, robots, start, token, webhooks
from simulator.calls import Call, Reply

Handler = Callable[[Call], Reply]
# what a missing folder header means: nothing; all folders by Cloud rules, else 1101; 1101; up to the handler
FolderRule = Literal["none", "cross", "needed", "own"]


class Route(NamedTuple):
    """An operation: its handler, the scopes of which it needs one (None: no token), and its folder rule."""

    operation: str
    handler: Handler
    scope: str | None = None
    write: bool = False
    folder: FolderRule = "none"


_F = "UiPath.Server.Configuration.OData."


def _reads(operation: str, scope: str, folder: FolderRule, paths: dict[str, Handler]) -> dict[str, Route]:
    return {
        f"GET /odata/{path}": Route(operation, handler, scope, False, folder)
        for path, handler in paths.items()
    }


def _acts(operation: str, scope: str, folder: FolderRule, path: str, handler: Handler) -> dict[str, Route]:
    return {f"POST /odata/{path}": Route(operation, handler, scope, True, folder)}


ROUTES: dict[str, Route] = {
    "POST /api/Account/Authenticate": Route("Token", token.authenticate),
    "GET /api/Folders/GetAllForCurrentUser": Route("Folders", catalogue.my_folders, "OR.Folders"),
    **_reads(
        "Folders",
        "OR.Folders",
        "none",
        {
            "Folders": catalogue.folders,
            "Folders(*)": catalogue.folder,
            f"Folders/{_F}GetByKey(*)": catalogue.folder_by_key,
        },
    ),
    **_reads(
        "Releases",
        "OR.Execution",
        "cross",
        {
            "Releases": catalogue.releases,
            "Releases(*)": catalogue.release,
            f"Releases/{_F}ListReleases": catalogue.releases,
            f"Releases/{_F}GetByKey(*)": catalogue.release_by_key,
        },
    ),
    **_reads("Releases", "OR.Execution", "none", {f"Processes/{_F}GetArguments(*)": catalogue.arguments}),
    **_reads(
        "Environments",
        "OR.Robots",
        "needed",
        {
            "Environments": robots.environments,
            f"Environments/{_F}GetRobotsForEnvironment(*)": robots.environment_robots,
        },
    ),
    **_reads(
        "Robots",
        "OR.Robots",
        "needed",
        {
            "Robots": robots.robots,
            "Robots(*)": robots.robot,
            f"Robots/{_F}GetRobotsForProcess(*)": robots.robots_of_process,
        },
    ),
    **_reads(
        "Robots",
        "OR.Robots",
        "none",
        {
            f"Robots/{_F}GetRobotsFromFolder(*)": robots.robots_of_folder,
            f"Robots/{_F}GetFolderRobots(*)": robots.folder_robots,
            f"Robots/{_F}GetConfiguredRobots": robots.configured_robots,
            f"Robots/{_F}FindAllAcrossFolders": robots.configured_robots,
        },
    ),
    **_reads("Sessions", "OR.Robots", "needed", {"Sessions": robots.sessions}),
    **_reads(
        "Sessions",
        "OR.Robots",
        "none",
        {f"Sessions/{_F}GetMachineSessionRuntimesByFolderId(*)": robots.machine_sessions},
    ),
    **_reads(
        "Machines",
        "OR.Machines",
        "none",
        {
            "Machines": robots.machines,
            "Machines(*)": robots.machine,
            f"Machines/{_F}GetAssignedMachines(*)": robots.assigned_machines,
            f"Machines/{_F}GetRuntimesForFolder(*)": robots.runtimes,
        },
    ),
    **_reads("Users", "OR.Users", "none", {"Users": robots.users, "Users(*)": robots.user}),
    **_reads("JobsList", "OR.Jobs", "cross", {"Jobs": jobs.job_list}),
    **_reads(
        "JobById", "OR.Jobs", "cross", {"Jobs(*)": jobs.job_by_id, f"Jobs/{_F}GetByKey(*)": jobs.job_by_key}
    ),
    **_acts("StartJobs", "OR.Jobs", "own", f"Jobs/{_F}StartJobs", start.start_jobs),
    **_acts("ValidateDynamicJob", "OR.Jobs", "own", f"Jobs/{_F}ValidateDynamicJob", start.validate),
    **_acts("StopJobs", "OR.Jobs", "cross", f"Jobs/{_F}StopJobs", jobs.stop_jobs),
    **_acts("StopJobs", "OR.Jobs", "cross", f"Jobs(*)/{_F}StopJob", jobs.stop_job),
    **_acts("RestartJob", "OR.Jobs", "cross", f"Jobs/{_F}RestartJob", jobs.restart_job),
    **_acts("ResumeJob", "OR.Jobs", "cross", f"Jobs/{_F}ResumeJob", jobs.resume_job),
    **_acts("ValidateExistingJob", "OR.Jobs", "cross", f"Jobs(*)/{_F}ValidateExistingJob", jobs.validate_job),
    **_reads("RobotLogs", "OR.Monitoring", "needed", {"RobotLogs": jobs.robot_logs}),
    **_reads(
        "QueueDefinitions",
        "OR.Queues",
        "needed",
        {"QueueDefinitions": queues.definitions, "QueueDefinitions(*)": queues.definition},
    ),
    **_reads("QueueItems", "OR.Queues", "needed", {"QueueItems": queues.items, "QueueItems(*)": queues.item}),
    **_acts("AddQueueItem", "OR.Queues", "needed", "Queues/UiPathODataSvc.AddQueueItem", queues.add_item),
    **_acts(
        "BulkAddQueueItems",
        "OR.Queues",
        "needed",
        "Queues/UiPathODataSvc.BulkAddQueueItems",
        queues.add_items,
    ),
    # published under OR.Folders, with the permission Jobs.Create; here a client with OR.Jobs may do it, too
    **_reads("Attachments", "OR.Jobs OR.Folders", "none", {"Attachments(*)": files.read}),
    **_acts("Attachments", "OR.Jobs OR.Folders", "none", "Attachments", files.create),
    "PUT /_blobs/(*)": Route("Blobs", files.upload),
    "GET /_blobs/(*)": Route("Blobs", files.download),
    **_reads(
        "Webhooks",
        "OR.Webhooks",
        "none",
        {
            "Webhooks": webhooks.webhooks,
            "Webhooks(*)": webhooks.webhook,
            f"Webhooks/{_F}GetEventTypes": webhooks.event_types,
        },
    ),
    **_acts("Webhooks", "OR.Webhooks", "none", "Webhooks", webhooks.create),
    **_acts("Webhooks", "OR.Webhooks", "none", f"Webhooks(*)/{_F}Ping", webhooks.ping),
    "PUT /odata/Webhooks(*)": Route("Webhooks", webhooks.change, "OR.Webhooks", write=True),
    "PATCH /odata/Webhooks(*)": Route("Webhooks", webhooks.change, "OR.Webhooks", write=True),
    "DELETE /odata/Webhooks(*)": Route("Webhooks", webhooks.delete, "OR.Webhooks", write=True),
}
CONNECT = Route("Token", token.connect)
USER_KEY = Route("Token", token.user_key)

_ARGUMENTS = re.compile(r"\(((?:[^()']|'(?:[^']|'')*')*)\)")
_ARGUMENT = re.compile(r"(?:\w+=)?('(?:[^']|'')*'|[^,]*)(?:,|$)")


def resolve(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The route of a path below the base, with the arguments in its parentheses."""
    args: list[str] = []

    def collect(match: re.Match[str]) -> str:
        args.extend(_plain(found) for found in _ARGUMENT.findall(match.group(1)) if found)
        return "(*)"

    route = ROUTES.get(f"{method} {path}") or ROUTES.get(f"{method} {_ARGUMENTS.sub(collect, path)}")
    return (route, tuple(args)) if route else None


def _plain(text: str) -> str:
    return text[1:-1].replace("''", "'") if text.startswith("'") else text.strip()


def known(path: str) -> bool:
    """Whether some method serves that path."""
    return any(resolve(method, path) for method in ("GET", "POST", "PUT", "PATCH", "DELETE"))
