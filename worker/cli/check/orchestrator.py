"""What a worker needs of Orchestrator, in the order in which a start needs it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from worker.cli.check.finding import Finding, Question
from worker.cli.check.robots import robots_of
from worker.cli.start.request import process_ref
from worker.domain.failures import Failure, Later, Rejected, Unavailable
from worker.domain.processes import Folder, Process, choose_named, choose_process, unknown_process
from worker.orchestrator.client import Client
from worker.settings import Settings

# What a worker does needs these; a wider one, without the ending, holds it too.
_SCOPES = ("OR.Jobs", "OR.Execution.Read", "OR.Folders.Read", "OR.Robots.Read", "OR.Machines.Read")
_AWAY = "check JOBRELAY_ORCHESTRATOR_URL, and JOBRELAY_TOKEN_URL if set, and that it runs"
_NO_FOLDER = ("no folder to look in", "pass --folder or set JOBRELAY_FOLDER")
_NONE_NAMED = ("none was named", "name one: `jobrelay check PROCESS`")
_ASSEMBLY = re.compile(r",|\[\[")


@dataclass(frozen=True, slots=True)
class _Extra:
    """What a worker can do without: the *scope* and *rights* that it takes, and what there is *without*."""

    what: str
    scope: str
    rights: str
    without: str


_LOGS = _Extra(
    "logs", "OR.Monitoring.Read", "Logs.View", "a Faulted job is told without the last lines of its log"
)
_ITEMS = _Extra(
    "queue items",
    "OR.Queues",
    "Queues.View, Transactions.View and Transactions.Create",
    "no request can add a queue item",
)


class Visit:
    """Looks at Orchestrator, from its token to the robots; what builds on a failure is not looked at."""

    def __init__(self, client: Client, settings: Settings, question: Question) -> None:
        self._client = client
        self._settings = settings
        self._question = question
        self._folder: Folder | None = None
        self._process: Process | None = None

    async def findings(self) -> list[Finding]:
        """Everything that was found, in the order in which a start needs it."""
        found = await self._reached()
        steps: list[tuple[str, Callable[[], Awaitable[Finding | list[Finding]]]]] = [
            ("folder", self._find_folder),
            ("jobs", self._look_up),
            ("process", self._find_process),
            ("robots", self._find_robots),
            (_LOGS.what, partial(self._look_at, _LOGS, self._client.look_at_logs)),
            (_ITEMS.what, partial(self._look_at, _ITEMS, self._client.queues.queues)),
        ]
        for what, step in steps:
            if any(finding.state == "failed" for finding in found):
                found.append(Finding(what, "skipped", "what it builds on failed"))
                continue
            try:
                seen = await step()
            except Failure as failure:
                seen = _failed(what, failure)
            found += seen if isinstance(seen, list) else [seen]
        return found

    async def _reached(self) -> list[Finding]:
        trouble: Failure | None = None
        try:
            await self._client.probe()
        except Failure as failure:
            trouble = failure
        reach, settings = self._client.status(), self._settings
        if trouble is not None and not reach.token_ok and not _is_away(trouble):
            remedy = f"check the settings of JOBRELAY_AUTH={settings.auth}, and JOBRELAY_TOKEN_URL if set"
            return [Finding("token", "failed", reach.token_reason or "refused", remedy)]
        found = [Finding("token", "ok", settings.auth)] if reach.token_ok else []
        if reach.token_ok and settings.auth == "client_credentials":
            found.append(scopes_of(settings.scope))
        if trouble is not None:
            return [*found, _failed("orchestrator", trouble)]
        version = self._client.api_version
        about = f"API version {version}" if version else "it does not say its API version"
        return [*found, Finding("orchestrator", "ok", f"{settings.orchestrator_url}, {about}")]

    async def _find_folder(self) -> Finding:
        ref = self._question.folder
        if ref is None:
            remedy = "set JOBRELAY_FOLDER, or name a folder in each request"
            return Finding("folder", "warning", "there is no default folder", remedy)
        self._folder = folder = await self._client.folder(ref)
        kind = "modern" if folder.modern else "classic"
        return Finding("folder", "ok", f"'{folder.path}', id {folder.id}, {kind}")

    async def _look_up(self) -> Finding:
        """What makes a repeated start safe, and tells how jobs fare: both need more rights than a start."""
        if self._folder is None:
            return Finding("jobs", "skipped", *_NO_FOLDER)
        await self._client.find(self._folder, f"{self._settings.prefix}:check", None)
        await self._client.changes(self._folder.id, None)
        return Finding("jobs", "ok", "can be looked up by Reference, and scanned for changes")

    async def _find_process(self) -> Finding:
        name, folder = self._question.process, self._folder
        if name is None or folder is None:
            return Finding("process", "skipped", *(_NONE_NAMED if name is None else _NO_FOLDER))
        ref = process_ref(name, self._question.environment)
        processes = await self._client.processes(folder)
        self._process = process = choose_process(ref, processes, folder)
        if process is None:
            raise unknown_process(ref, processes, folder)
        return Finding("process", "ok", _described(process))

    async def _find_robots(self) -> Finding | list[Finding]:
        if self._folder is None:
            return Finding("robots", "skipped", *_NO_FOLDER)
        environment = self._process.environment if self._process else self._question.environment
        robots = await self._client.robots(self._folder, environment)
        for wanted in self._question.robots:
            if choose_named(wanted, robots) is None:
                return await self._no_robot(wanted)
        if not robots and not self._folder.modern:
            return Finding("robots", "failed", "no robot could run it", "add robots to the environment")
        if not robots:
            return Finding("robots", "ok", "none of its own")
        try:
            return list(robots_of(robots, await self._client.sessions(self._folder)))
        except Rejected as refusal:
            what = f"{len(robots)}; their states may not be read: {refusal}"
            return Finding("robots", "warning", what, refusal.remedy)

    async def _look_at(self, extra: _Extra, look: Callable[[Folder], Awaitable[object]]) -> Finding:
        """Whether *look* may be taken; never a failure."""
        what, scope, without = extra.what, extra.scope, extra.without
        if self._settings.auth == "client_credentials" and not _asks_for(self._settings.scope, scope):
            remedy = f"to have that, add {scope} to JOBRELAY_SCOPE and to the external application"
            return Finding(what, "warning", f"{scope} is not asked for: {without}", remedy)
        if self._folder is None:
            return Finding(what, "skipped", *_NO_FOLDER)
        try:
            await look(self._folder)
        except Rejected as refusal:
            remedy = f"to have that, give the account {scope}, and its role in this folder {extra.rights}"
            return Finding(what, "warning", f"{without}: {refusal}", remedy)
        return Finding(what, "ok", "may be read")

    async def _no_robot(self, wanted: str | int) -> Finding:
        if self._folder is not None and isinstance(wanted, int):
            robot = await self._client.robot_of_session(self._folder, wanted)
            if robot is not None:
                what = f"{wanted} is the id of a session of robot '{robot.name}', not of a robot"
                return Finding("robots", "failed", what, f"use '{robot.name}' or its id {robot.id}")
        return Finding(
            "robots", "failed", f"there is no robot {wanted!r} here", "see the robots of the folder"
        )


def scopes_of(scope: str) -> Finding:
    """Whether the scopes that are asked for cover what a worker does."""
    lacking = [name for name in _SCOPES if not _asks_for(scope, name)]
    if lacking:
        remedy = "add it to JOBRELAY_SCOPE, and to the external application in Orchestrator"
        return Finding("scopes", "failed", f"{' '.join(lacking)} is not asked for", remedy)
    return Finding("scopes", "ok", scope)


def _asks_for(scopes: str, name: str) -> bool:
    return not {name, name.removesuffix(".Read")}.isdisjoint(scopes.split())


def _failed(what: str, failure: Failure) -> Finding:
    remedy = failure.remedy if isinstance(failure, Rejected) else _AWAY if _is_away(failure) else ""
    return Finding(what, "failed", str(failure), remedy)


def _is_away(failure: Failure) -> bool:
    """Whether the server, or what stands before it, is the trouble; else our credentials may be."""
    return isinstance(failure, Unavailable) and failure.code in (Later.UNREACHABLE, Later.FAILING)


def _described(process: Process) -> str:
    named = f"{process.name} {process.version}, release key {process.release_key}"
    if process.arguments is None:
        return f"{named}; it declares no arguments"
    arguments = [
        f"{argument.name}{'*' if argument.must_be_given else ''}: {_ASSEMBLY.split(argument.type)[0]}"
        for argument in process.arguments
    ]
    return f"{named}; arguments (* required): {', '.join(arguments) or 'none'}"
