"""What is sent to StartJobs: what was asked for, in Orchestrator's words, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from fake_orchestrator import CLASSIC, MODERN, TRIAGE, Lost, Orchestrator
from shop import REQUEST, Shop

from worker.domain.failures import Code, Rejected
from worker.domain.processes import Argument, Folder, Machine, Robot
from worker.domain.requests import FolderRef, ProcessRef, StartRequest, Strategy
from worker.pipeline.resolve import Resolver

KEY = TRIAGE.release_key
ROBOTS = [Robot(7, "robot-a"), Robot(8, "robot-b")]
MACHINES = [Machine(31, "m-1"), Machine(32, "m-2")]
MODERN_ONE = {"ReleaseKey": KEY, "Strategy": "ModernJobsCount", "JobsCount": 1}
CLASSIC_ONE = {"ReleaseKey": KEY, "Strategy": "JobsCount", "RobotIds": [], "JobsCount": 1, "Source": "Manual"}


def _request(folder: Folder, **asked: Any) -> StartRequest:
    process = ProcessRef(TRIAGE.name)
    return StartRequest(
        request_id="inc-1", process=process, folder=FolderRef(path=folder.path), metadata={}, **asked
    )


def _tenant() -> Orchestrator:
    robots = {MODERN.id: ROBOTS, CLASSIC.id: ROBOTS}
    return Orchestrator(robots_of=robots, machines_of={MODERN.id: MACHINES, CLASSIC.id: MACHINES})


async def _info(folder: Folder, **asked: Any) -> dict[str, Any]:
    return dict((await Resolver(_tenant()).resolve(_request(folder, **asked))).start_info)


@pytest.mark.parametrize(
    ("asked", "info"),
    [
        pytest.param({}, MODERN_ONE, id="nothing but the process"),
        pytest.param({"jobs_count": 3}, MODERN_ONE | {"JobsCount": 3}, id="three jobs"),
        pytest.param({"strategy": Strategy.MODERN_JOBS_COUNT}, MODERN_ONE, id="the strategy by name"),
        pytest.param(
            {"robots": ("robot-b", 7)},
            MODERN_ONE | {"MachineRobots": [{"RobotId": 8}, {"RobotId": 7}]},
            id="robots alone",
        ),
        pytest.param(
            {"machines": ("m-1",)}, MODERN_ONE | {"MachineRobots": [{"MachineId": 31}]}, id="machines alone"
        ),
        pytest.param(
            {"machines": ("m-1", 32), "robots": ("robot-a",)},
            MODERN_ONE
            | {"MachineRobots": [{"MachineId": 31, "RobotId": 7}, {"MachineId": 32, "RobotId": 7}]},
            id="every machine with every robot",
        ),
    ],
)
async def test_a_start_in_a_modern_folder(asked: dict[str, Any], info: dict[str, Any]) -> None:
    """ModernJobsCount, with pairs of machines and robots where any are named."""
    assert await _info(MODERN, **asked) == info


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        pytest.param({}, {}, id="nothing but the process: one job on any robot"),
        pytest.param({"jobs_count": 3}, {"JobsCount": 3}, id="three jobs on any robots"),
        pytest.param({"strategy": Strategy.JOBS_COUNT}, {}, id="JobsCount by name"),
        pytest.param(
            {"robots": ("robot-b",)},
            {"Strategy": "Specific", "RobotIds": [8], "JobsCount": 0},
            id="robots: Specific follows",
        ),
        pytest.param(
            {"strategy": Strategy.SPECIFIC, "robots": (8, "ROBOT-A")},
            {"Strategy": "Specific", "RobotIds": [8, 7], "JobsCount": 0},
            id="Specific by name, robots by id and name",
        ),
        pytest.param({"strategy": Strategy.ALL}, {"Strategy": "All", "JobsCount": 0}, id="All"),
    ],
)
async def test_a_start_in_a_classic_folder(asked: dict[str, Any], changed: dict[str, Any]) -> None:
    """RobotIds are ids of robots, and JobsCount counts only where it decides."""
    assert await _info(CLASSIC, **asked) == CLASSIC_ONE | changed


@pytest.mark.parametrize(
    ("asked", "added"),
    [
        ({"priority": "High"}, {"JobPriority": "High"}),
        ({"priority": 80}, {"SpecificPriorityValue": 80}),
        ({"runtime_type": "Unattended"}, {"RuntimeType": "Unattended"}),
        ({"entry_point": "Main.xaml"}, {"EntryPointPath": "Main.xaml"}),
        ({"source": "Apps"}, {"Source": "Apps"}),
        ({"requires_user_interaction": False}, {"RequiresUserInteraction": False}),
        ({"run_as_me": True}, {"RunAsMe": True}),
        ({"stop_after_seconds": 60}, {"StopProcessExpression": "60"}),
        ({"kill_after_seconds": 5}, {"KillProcessExpression": "5"}),
        ({"stop_strategy": "SoftStop"}, {"StopStrategy": "SoftStop"}),
    ],
    ids=lambda value: next(iter(value)),
)
@pytest.mark.parametrize("folder", [MODERN, CLASSIC], ids=["modern", "classic"])
async def test_an_option_is_sent_by_its_own_name(
    folder: Folder, asked: dict[str, Any], added: dict[str, Any]
) -> None:
    """It is added, and nothing else: old servers refuse properties that they do not know."""
    assert await _info(folder, **asked) == (MODERN_ONE if folder.modern else CLASSIC_ONE) | added


async def test_the_old_count_of_robots_is_never_sent() -> None:
    """The seeds' trap: NoOfRobots is deprecated, and RobotCount's newer name is sent."""
    asked = StartRequest.of(
        {"requestId": "a", "process": {"releaseKey": KEY}, "strategy": "RobotCount", "jobsCount": 2}
    )
    info = (await Resolver(_tenant()).resolve(replace(asked, folder=FolderRef(id=CLASSIC.id)))).start_info
    assert (info["Strategy"], info["JobsCount"]) == ("JobsCount", 2)
    assert "NoOfRobots" not in info


@pytest.mark.parametrize(
    ("folder", "asked", "number"),
    [
        pytest.param(MODERN, {"jobs_count": 3}, 3, id="as many as were asked for"),
        pytest.param(CLASSIC, {"robots": (7, 8)}, 2, id="Specific: one for each robot"),
        pytest.param(CLASSIC, {"strategy": Strategy.ALL}, 2, id="All: one for each of the environment"),
    ],
)
async def test_how_many_jobs_are_asked_for(folder: Folder, asked: dict[str, Any], number: int) -> None:
    """It tells a partial start from a whole one."""
    assert (await Resolver(_tenant()).resolve(_request(folder, **asked))).asked == number


async def test_all_without_an_environment_is_a_number_only_the_server_knows() -> None:
    """None, not a guess."""
    tenant = _tenant()
    tenant.catalog[CLASSIC.id] = [replace(TRIAGE, environment=None)]
    assert (await Resolver(tenant).resolve(_request(CLASSIC, strategy=Strategy.ALL))).asked is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        pytest.param(None, None, id="none given, none sent"),
        pytest.param({}, "{}", id="an empty object"),
        pytest.param({"IncidentId": "INC-1", "n": 2.5, "ü": [None]}, '{"IncidentId":"INC-1","n":2.5,"ü":[null]}', id="as JSON text"),  # noqa: E501
    ],
)  # fmt: skip
async def test_arguments_become_text(given: dict[str, Any] | None, text: str | None) -> None:
    """The seeds' trap: Orchestrator takes a string, made here."""
    assert (await Resolver(_tenant()).resolve(_request(MODERN, input_arguments=given))).arguments == text


async def test_arguments_are_checked_before_a_call_is_spent() -> None:
    """A missing one is named with its place."""
    tenant = _tenant()
    declared = (Argument("IncidentId", "System.String, mscorlib", required=True, has_default=False),)
    tenant.catalog[MODERN.id] = [replace(TRIAGE, arguments=declared)]
    with pytest.raises(Rejected) as caught:
        await Resolver(tenant).resolve(_request(MODERN, input_arguments={}))
    assert caught.value.code == Code.ARGUMENTS_INVALID
    assert [v.pointer for v in caught.value.violations] == ["/inputArguments/IncidentId"]


async def test_the_reference_is_the_request_id_to_the_byte() -> None:
    """Invariant 4: in the POST, in the look-up and in the event; ids that differ in case are two requests."""
    shop = Shop()
    shop.tenant.meets("start", Lost(1), Lost(1))
    names = ["Inc-1:A.b_C", "inc-1:a.b_c"]
    await shop.handle(*(shop.delivery(REQUEST | {"requestId": name}, message_id=name) for name in names))
    references = {f"jobrelay:{name}" for name in names}
    assert {info["Reference"] for info in shop.tenant.asked("start")} == references
    assert {reference for _, reference, *_ in shop.tenant.asked("find")} == references
    assert {event.data["reference"] for event in shop.outbox.events} == references
    assert shop.outbox.keys() == ["job.created"] * 2
