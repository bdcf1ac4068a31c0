"""Names to ids: a StartRequest becomes a Target, or is Rejected with what was found instead."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from worker.domain import arguments
from worker.domain.failures import Code, Rejected, Violation
from worker.domain.processes import (
    Folder,
    Process,
    Target,
    choose_named,
    choose_process,
    choose_strategy,
    unknown_process,
)
from worker.domain.requests import FolderRef, ProcessRef, StartRequest, Strategy
from worker.pipeline.ports import Orchestrator

_CHOICES_KEPT = 1000  # of each folder: a sender may write one name in many ways
_OPTIONAL = {
    "RuntimeType": "runtime_type",
    "EntryPointPath": "entry_point",
    "Source": "source",
    "RequiresUserInteraction": "requires_user_interaction",
    "RunAsMe": "run_as_me",
    "StopStrategy": "stop_strategy",
}


class Resolver:
    """Resolves requests through the cached Orchestrator. An unknown name reads the cache anew once."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._chosen: dict[int, tuple[Sequence[Process], dict[ProcessRef, Process]]] = {}

    async def folder(self, ref: FolderRef) -> Folder:
        """Finds a folder, or raises `Rejected`."""
        return await self._orchestrator.folder(ref)

    async def resolve(self, request: StartRequest, *, fresh: bool = False) -> Target:
        """Resolves a request that names its folder. *fresh* distrusts what was cached."""
        if request.folder is None:
            raise ValueError("a request is resolved after its folder was settled")
        folder = await self._orchestrator.folder(request.folder, fresh=fresh)
        process = await self._process(request.process, folder, fresh=fresh)
        strategy = choose_strategy(request.strategy, folder, robots=bool(request.robots))
        _check_fit(request, strategy, folder)
        robots = await self._robots(request, folder, process)
        machines = await self._machines(request, folder)
        return Target(
            folder=folder,
            process=process,
            strategy=strategy,
            start_info=_start_info(request, process, strategy, robots, machines),
            arguments=_arguments(request, process),
            asked=await self._asked(request, strategy, folder, process),
        )

    async def _process(self, ref: ProcessRef, folder: Folder, *, fresh: bool) -> Process:
        processes = await self._orchestrator.processes(folder, fresh=fresh)
        process = self._known(folder, processes).get(ref) or choose_process(ref, processes, folder)
        if process is None:
            processes = await self._orchestrator.processes(folder, fresh=True)
            process = choose_process(ref, processes, folder)
        if process is None:
            raise unknown_process(ref, processes, folder)
        chosen = self._known(folder, processes)
        if len(chosen) >= _CHOICES_KEPT:
            chosen.clear()
        chosen[ref] = process
        return process

    def _known(self, folder: Folder, processes: Sequence[Process]) -> dict[ProcessRef, Process]:
        """What was chosen out of this very list. With the next one it is gone, and the list too."""
        known = self._chosen.get(folder.id)
        if known is None or known[0] is not processes:
            known = self._chosen[folder.id] = (processes, {})
        return known[1]

    async def _robots(self, request: StartRequest, folder: Folder, process: Process) -> list[int]:
        if not request.robots:
            return []
        among = await self._orchestrator.robots(folder, process.environment)
        if any(choose_named(wanted, among) is None for wanted in request.robots):
            among = await self._orchestrator.robots(folder, process.environment, fresh=True)
        chosen = [choose_named(wanted, among) for wanted in request.robots]
        unknown = [i for i, robot in enumerate(chosen) if robot is None]
        if unknown:
            raise await self._unknown_robots(request, folder, unknown)
        return [robot.id for robot in chosen if robot is not None]

    async def _unknown_robots(self, request: StartRequest, folder: Folder, unknown: list[int]) -> Rejected:
        for i in unknown:
            wanted = request.robots[i]
            robot = (
                await self._orchestrator.robot_of_session(folder, wanted) if isinstance(wanted, int) else None
            )
            if robot is not None:
                return Rejected(
                    Code.ROBOT_IS_SESSION,
                    f"{wanted} is the id of a session of robot '{robot.name}', not of a robot",
                    f"use the robot's name '{robot.name}' or its id {robot.id} (from Robots, not Sessions)",
                    violations=(Violation(f"/robots/{i}", f"session id of robot {robot.id}"),),
                )
        return _unknown(Code.ROBOT_UNKNOWN, "robot", folder, [(i, request.robots[i]) for i in unknown])

    async def _machines(self, request: StartRequest, folder: Folder) -> list[int]:
        if not request.machines:
            return []
        among = await self._orchestrator.machines(folder)
        if any(choose_named(wanted, among) is None for wanted in request.machines):
            among = await self._orchestrator.machines(folder, fresh=True)
        chosen = [choose_named(wanted, among) for wanted in request.machines]
        unknown = [(i, request.machines[i]) for i, machine in enumerate(chosen) if machine is None]
        if unknown:
            raise _unknown(Code.MACHINE_UNKNOWN, "machine", folder, unknown)
        return [machine.id for machine in chosen if machine is not None]

    async def _asked(
        self, request: StartRequest, strategy: Strategy, folder: Folder, process: Process
    ) -> int | None:
        if strategy is Strategy.SPECIFIC:
            return len(request.robots)
        if strategy is not Strategy.ALL:
            return request.jobs_count
        if process.environment is None:
            return None
        return len(await self._orchestrator.robots(folder, process.environment)) or None


def _check_fit(request: StartRequest, strategy: Strategy, folder: Folder) -> None:
    """Refuses what Orchestrator would quietly ignore or refuse with a number."""
    wrong: list[Violation] = []
    if request.robots and strategy in (Strategy.ALL, Strategy.JOBS_COUNT):
        wrong.append(Violation("/robots", f"strategy {strategy} chooses its robots itself; use Specific"))
    if request.machines and not folder.modern:
        wrong.append(Violation("/machines", "a classic folder has no machines to choose from"))
    if wrong:
        raise Rejected(
            Code.INVALID_REQUEST,
            f"the request does not fit folder '{folder.path}': {wrong[0].message}",
            "leave out what the violations point at",
            violations=tuple(wrong),
        )


def _start_info(
    request: StartRequest,
    process: Process,
    strategy: Strategy,
    robots: list[int],
    machines: list[int],
) -> Mapping[str, Any]:
    """StartJobs' startInfo, holding what was asked for and nothing else: old servers refuse the rest."""
    info: dict[str, Any] = {"ReleaseKey": process.release_key, "Strategy": str(strategy)}
    if strategy is Strategy.MODERN_JOBS_COUNT:
        info["JobsCount"] = request.jobs_count
        if robots or machines:
            info["MachineRobots"] = _pairs(machines, robots)
    else:
        info["RobotIds"] = robots
        info["JobsCount"] = request.jobs_count if strategy is Strategy.JOBS_COUNT else 0
        info["Source"] = "Manual"
    for name, attribute in _OPTIONAL.items():
        value = getattr(request, attribute)
        if value is not None:
            info[name] = value
    if request.priority is not None:
        info["SpecificPriorityValue" if isinstance(request.priority, int) else "JobPriority"] = (
            request.priority
        )
    if request.stop_after_seconds is not None:
        info["StopProcessExpression"] = str(request.stop_after_seconds)
    if request.kill_after_seconds is not None:
        info["KillProcessExpression"] = str(request.kill_after_seconds)
    return info


def _pairs(machines: list[int], robots: list[int]) -> list[dict[str, int]]:
    """Every machine with every robot; either alone where the other was not named."""
    left = [{"MachineId": machine} for machine in machines] or [{}]
    right = [{"RobotId": robot} for robot in robots] or [{}]
    return [m | r for m in left for r in right]


def _arguments(request: StartRequest, process: Process) -> str | None:
    wrong = arguments.check(request.input_arguments or {}, process.arguments)
    if wrong:
        raise Rejected(
            Code.ARGUMENTS_INVALID,
            f"the input arguments do not fit process '{process.name}': {wrong[0].pointer} {wrong[0].message}",
            "mend what the violations point at; the process declares its arguments in Orchestrator",
            violations=wrong,
        )
    if request.input_arguments is None:
        return None
    return orjson.dumps(request.input_arguments).decode()


def _unknown(code: Code, kind: str, folder: Folder, wanted: Sequence[tuple[int, str | int]]) -> Rejected:
    named = ", ".join(repr(name) for _, name in wanted)
    return Rejected(
        code,
        f"folder '{folder.path}' has no {kind} {named}",
        f"check the names; a {kind} must belong to the folder (and to the process's environment)",
        violations=tuple(Violation(f"/{kind}s/{i}", f"no such {kind}") for i, _ in wanted),
    )
