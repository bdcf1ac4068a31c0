"""Names to ids: what is not found is named, and the cache is distrusted once before anybody is refused."""

import weakref
from typing import Any

import pytest
from fake_orchestrator import CLASSIC, MODERN, TRIAGE, Orchestrator

from worker.domain.failures import Code, Rejected
from worker.domain.processes import Folder, Machine, Robot
from worker.domain.requests import FolderRef, ProcessRef, StartRequest, Strategy
from worker.pipeline.resolve import Resolver

ROBOTS = [Robot(7, "robot-a"), Robot(8, "robot-b")]


def _request(folder: Folder = MODERN, process: str = TRIAGE.name, **asked: Any) -> StartRequest:
    return StartRequest(
        request_id="inc-1",
        process=ProcessRef(process),
        folder=FolderRef(path=folder.path),
        metadata={},
        **asked,
    )


async def _refused(tenant: Orchestrator, request: StartRequest) -> Rejected:
    with pytest.raises(Rejected) as caught:
        await Resolver(tenant).resolve(request)
    assert caught.value.remedy
    return caught.value


class _Publishes(Orchestrator):
    """A tenant to which the missing thing is added while it is read anew."""

    async def processes(self, folder: Folder, *, fresh: bool = False) -> Any:
        """Shows the process only when read afresh."""
        await super().processes(folder, fresh=fresh)
        return [TRIAGE] if fresh else []

    async def robots(self, folder: Folder, environment: str | None = None, *, fresh: bool = False) -> Any:
        """Shows the robots only when read afresh."""
        await super().robots(folder, environment, fresh=fresh)
        return ROBOTS if fresh else []

    async def machines(self, folder: Folder, *, fresh: bool = False) -> Any:
        """Shows the machine only when read afresh."""
        await super().machines(folder, fresh=fresh)
        return [Machine(31, "m-1")] if fresh else []


async def test_a_name_that_was_just_published_is_found_by_reading_once_more() -> None:
    """The cache may be older than the process, the robot or the machine."""
    tenant = _Publishes()
    target = await Resolver(tenant).resolve(_request(robots=("robot-a",), machines=("m-1",)))
    assert target.process == TRIAGE
    assert target.start_info["MachineRobots"] == [{"MachineId": 31, "RobotId": 7}]
    assert tenant.asked("processes") == [False, True]
    assert tenant.asked("robots") == [("Demo", False), ("Demo", True)]
    assert tenant.asked("machines") == [False, True]


async def test_what_is_known_is_not_read_anew() -> None:
    """One question for each thing, all of them to the cache."""
    tenant = Orchestrator(robots_of={MODERN.id: ROBOTS})
    await Resolver(tenant).resolve(_request(robots=("robot-a",)))
    assert tenant.asked("processes") == [False]
    assert tenant.asked("robots") == [(None, False)]


async def test_an_unknown_process_is_refused_after_two_readings() -> None:
    """The refusal names the folder and the process."""
    tenant = Orchestrator()
    refusal = await _refused(tenant, _request(process="Nobody"))
    assert refusal.code == Code.PROCESS_UNKNOWN
    assert "'Shared'" in refusal.detail
    assert "'Nobody'" in refusal.detail
    assert refusal.candidates == ()
    assert tenant.asked("processes") == [False, True]


async def test_an_unknown_process_that_is_nearly_one_is_told_which() -> None:
    """The likeliest in the detail, and all that come near as candidates with their release keys."""
    tenant = Orchestrator()
    (known,) = tenant.catalog[MODERN.id]
    refusal = await _refused(tenant, _request(process=known.name[:-1]))
    assert f"did you mean '{known.name}'" in refusal.detail
    assert [one.release_key for one in refusal.candidates] == [known.release_key]


async def test_a_distrusted_cache_is_read_anew_for_folder_and_process() -> None:
    """Asked for after Orchestrator said that it knows one of them no more."""
    tenant = Orchestrator()
    await Resolver(tenant).resolve(_request(), fresh=True)
    assert tenant.asked("folder") == [(FolderRef(path="Shared"), True)]
    assert tenant.asked("processes") == [True]


async def test_a_choice_is_made_again_when_the_processes_were_read_anew() -> None:
    """What was chosen is remembered only as long as what it was chosen from."""
    tenant = Orchestrator()
    resolver = Resolver(tenant)
    assert (await resolver.resolve(_request())).process.name == TRIAGE.name
    tenant.catalog[MODERN.id] = [TRIAGE]
    assert (await resolver.resolve(_request())).process is TRIAGE


async def test_every_unknown_robot_is_named() -> None:
    """With its place in the request."""
    tenant = Orchestrator(robots_of={CLASSIC.id: ROBOTS})
    refusal = await _refused(tenant, _request(CLASSIC, robots=("robot-a", "nobody", 99)))
    assert refusal.code == Code.ROBOT_UNKNOWN
    assert "'nobody', 99" in refusal.detail
    assert [v.pointer for v in refusal.violations] == ["/robots/1", "/robots/2"]
    assert tenant.asked("robots") == [("Demo", False), ("Demo", True)]


async def test_a_sessions_id_is_called_one() -> None:
    """The seeds' trap: the refusal gives the robot's own id."""
    tenant = Orchestrator(robots_of={CLASSIC.id: ROBOTS}, sessions={4711: Robot(8, "robot-b")})
    refusal = await _refused(tenant, _request(CLASSIC, robots=(7, 4711)))
    assert refusal.code == Code.ROBOT_IS_SESSION
    assert [v.pointer for v in refusal.violations] == ["/robots/1"]
    assert "its id 8" in refusal.remedy


async def test_a_name_is_never_taken_for_a_sessions_id() -> None:
    """Only numbers are."""
    tenant = Orchestrator(robots_of={CLASSIC.id: ROBOTS})
    await _refused(tenant, _request(CLASSIC, robots=("4711",)))
    assert tenant.count("robot_of_session") == 0


async def test_an_unknown_machine_is_named() -> None:
    """With its place."""
    tenant = Orchestrator(machines_of={MODERN.id: [Machine(31, "m-1")]})
    refusal = await _refused(tenant, _request(machines=("m-1", "m-9")))
    assert refusal.code == Code.MACHINE_UNKNOWN
    assert [v.pointer for v in refusal.violations] == ["/machines/1"]


@pytest.mark.parametrize(
    ("request_", "code", "pointers"),
    [
        pytest.param(
            _request(CLASSIC, strategy=Strategy.ALL, robots=(7,)),
            Code.INVALID_REQUEST,
            ["/robots"],
            id="robots with All",
        ),
        pytest.param(
            _request(CLASSIC, strategy=Strategy.JOBS_COUNT, robots=(7,)),
            Code.INVALID_REQUEST,
            ["/robots"],
            id="robots with JobsCount",
        ),
        pytest.param(
            _request(CLASSIC, machines=("m-1",)),
            Code.INVALID_REQUEST,
            ["/machines"],
            id="machines in a classic folder",
        ),
        pytest.param(
            _request(MODERN, strategy=Strategy.ALL), Code.STRATEGY_NOT_OFFERED, [], id="All in a modern one"
        ),
    ],
)
async def test_what_does_not_fit_the_folder_is_refused(
    request_: StartRequest, code: Code, pointers: list[str]
) -> None:
    """Before a call is spent on it, and before robots are looked for."""
    tenant = Orchestrator()
    refusal = await _refused(tenant, request_)
    assert refusal.code == code
    assert [v.pointer for v in refusal.violations] == pointers
    assert tenant.count("robots") == tenant.count("machines") == 0


async def test_an_unknown_folder_is_refused() -> None:
    """Nothing else is asked for."""
    tenant = Orchestrator()
    ghost = Folder(1, None, "Ghost", modern=True)
    assert (await _refused(tenant, _request(ghost))).code == Code.FOLDER_UNKNOWN
    assert tenant.count("processes") == 0


class _ReadAnew(Orchestrator):
    """A tenant whose processes are another list at every look."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: list[weakref.ref[Any]] = []

    async def processes(self, folder: Folder, *, fresh: bool = False) -> Any:
        """A new list."""
        await super().processes(folder, fresh=fresh)
        read = _Listed([TRIAGE])
        self.lists.append(weakref.ref(read))
        return read


class _Listed(list[Any]):
    """A list that can be watched."""


async def test_no_list_is_kept_that_was_read_anew() -> None:
    """However many names, and ways to write them, were looked up in it."""
    tenant = _ReadAnew()
    resolver = Resolver(tenant)
    for n in range(8):
        name = "".join(c.upper() if n >> i & 1 else c.lower() for i, c in enumerate(TRIAGE.name))
        await resolver.resolve(_request(process=name))
    assert sum(listed() is not None for listed in tenant.lists) == 1
