"""Which process, robot or strategy a request means."""

from typing import Any

import pytest

from worker.domain.failures import Candidate, Code, Rejected
from worker.domain.processes import (
    Folder,
    Machine,
    Process,
    Robot,
    choose_named,
    choose_process,
    choose_strategy,
    nearest,
)
from worker.domain.requests import ProcessRef, Strategy

MODERN_JOBS = Strategy.MODERN_JOBS_COUNT
MODERN = Folder(101, None, "Shared", modern=True)
CLASSIC = Folder(102, None, "Old", modern=False)


def _process(n: int, name: str, package: str = "Package", environment: str | None = None) -> Process:
    return Process(n, name, package, "1.0.0", f"aaaaaaaa-0000-4000-8000-{n:012}", environment)


TRIAGE = _process(1, "Triage", "SupportTriage")
LOWER = _process(2, "triage", "Other")
PACKAGE = _process(3, "Another", "Triage")
DEMO = _process(4, "Bills_Demo", "Bills", "Demo")
PROD = _process(5, "Bills_Prod", "Bills", "Prod")
MADE_DEMO = _process(6, "Mail_Demo", "Mail")
MADE_PROD = _process(7, "Mail_Prod", "Mail")
ALL = [LOWER, PACKAGE, TRIAGE, DEMO, PROD, MADE_DEMO, MADE_PROD]


@pytest.mark.parametrize(
    ("ref", "among", "meant"),
    [
        pytest.param(ProcessRef("Triage"), ALL, TRIAGE, id="its name to the letter wins over all else"),
        pytest.param(ProcessRef("triage"), ALL, LOWER, id="and so does the other spelling"),
        pytest.param(ProcessRef("Triage"), [LOWER, PACKAGE], PACKAGE, id="a package id to the letter next"),
        pytest.param(ProcessRef("TRIAGE"), [PACKAGE, LOWER], LOWER, id="then a name in any case"),
        pytest.param(ProcessRef("TRIAGE"), [PACKAGE, DEMO], PACKAGE, id="then a package id in any case"),
        pytest.param(ProcessRef("SupportTriage"), ALL, TRIAGE, id="a package id of one process"),
        pytest.param(ProcessRef("Triag"), ALL, None, id="a part of a name is no name"),
        pytest.param(ProcessRef("Triage"), [], None, id="an empty folder"),
        pytest.param(ProcessRef("Bills", "Demo"), ALL, DEMO, id="a package in an environment"),
        pytest.param(ProcessRef("Bills", "PROD"), ALL, PROD, id="an environment in any case"),
        pytest.param(ProcessRef("Bills", "Test"), ALL, None, id="an environment it is not in"),
        pytest.param(ProcessRef("Bills_Demo", "Prod"), ALL, None, id="a name that belongs to another one"),
        pytest.param(ProcessRef("Mail", "Demo"), ALL, MADE_DEMO, id="names made of what is gone"),
        pytest.param(ProcessRef("mail", "prod"), ALL, MADE_PROD, id="those in any case"),
        pytest.param(ProcessRef("Mail_Demo", "Demo"), ALL, MADE_DEMO, id="such a name with its environment"),
        pytest.param(ProcessRef("Triage", "Demo"), ALL, None, id="an environment where none is known"),
        pytest.param(ProcessRef(release_key=DEMO.release_key), ALL, DEMO, id="a release key"),
        pytest.param(ProcessRef(release_key=DEMO.release_key.upper()), ALL, DEMO, id="a key in any case"),
        pytest.param(ProcessRef(release_key="bbbbbbbb"), ALL, None, id="an unknown release key"),
        pytest.param(ProcessRef("STRASSE"), [_process(8, "Straße")], _process(8, "Straße"), id="not ASCII"),
    ],
)  # fmt: skip
def test_a_reference_means_one_process(ref: ProcessRef, among: list[Process], meant: Process | None) -> None:
    """Names before package ids, to the letter before any case, in the environment alone."""
    assert choose_process(ref, among, CLASSIC) == meant


@pytest.mark.parametrize(
    ("ref", "among", "candidates"),
    [
        pytest.param(ProcessRef("Bills"), ALL, [DEMO, PROD], id="one package, two environments"),
        pytest.param(ProcessRef("Mail"), ALL, [MADE_DEMO, MADE_PROD], id="one package, two names"),
        pytest.param(ProcessRef("TRIAGE"), ALL, [LOWER, TRIAGE], id="two names that differ in case"),
    ],
)
def test_an_ambiguous_reference_is_refused_with_its_candidates(
    ref: ProcessRef, among: list[Process], candidates: list[Process]
) -> None:
    """Nobody's process is started by a guess."""
    with pytest.raises(Rejected) as caught:
        choose_process(ref, among, CLASSIC)
    assert caught.value.code == Code.PROCESS_AMBIGUOUS
    assert caught.value.candidates == tuple(
        Candidate(p.name, p.release_key, "Old", p.environment) for p in candidates
    )


def test_no_more_than_twenty_candidates_are_shown() -> None:
    """An event stays readable; the detail tells how many there are."""
    with pytest.raises(Rejected) as caught:
        choose_process(ProcessRef("P"), [_process(n, f"n{n}", "P") for n in range(30)], MODERN)
    assert len(caught.value.candidates) == 20
    assert "30 processes" in caught.value.detail


ROBOTS = [Robot(7, "robot-a"), Robot(8, "Robot-A"), Robot(9, "robot-b"), Robot(10, "10")]


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        pytest.param(8, 8, id="an id"),
        pytest.param(99, None, id="an unknown id"),
        pytest.param("robot-a", 7, id="a name to the letter"),
        pytest.param("Robot-A", 8, id="the other spelling"),
        pytest.param("ROBOT-B", 9, id="the only one in any case"),
        pytest.param("ROBOT-A", None, id="two in any case"),
        pytest.param("10", 10, id="digits as text are a name"),
        pytest.param(10, 10, id="a number is an id"),
        pytest.param("9", None, id="an id as text is no id"),
    ],
)
def test_a_robot_by_id_or_name(wanted: str | int, meant: int | None) -> None:
    """Exactly one, or none."""
    robot = choose_named(wanted, ROBOTS)
    assert (robot and robot.id) == meant
    machine = choose_named(wanted, [Machine(r.id, r.name) for r in ROBOTS])
    assert (machine and machine.id) == meant


def test_two_robots_of_one_name_are_not_guessed_between() -> None:
    """Neither is meant."""
    assert choose_named("twin", [Robot(1, "twin"), Robot(2, "twin")]) is None


@pytest.mark.parametrize(
    ("asked", "folder", "robots", "chosen"),
    [
        pytest.param(None, MODERN, False, MODERN_JOBS, id="modern folder"),
        pytest.param(None, MODERN, True, MODERN_JOBS, id="modern folder, robots named"),
        pytest.param(None, CLASSIC, False, Strategy.JOBS_COUNT, id="classic folder"),
        pytest.param(None, CLASSIC, True, Strategy.SPECIFIC, id="classic folder, robots named"),
        pytest.param(Strategy.ALL, CLASSIC, False, Strategy.ALL, id="All in a classic folder"),
        pytest.param(Strategy.SPECIFIC, CLASSIC, True, Strategy.SPECIFIC, id="Specific in a classic folder"),
        pytest.param(Strategy.JOBS_COUNT, CLASSIC, False, Strategy.JOBS_COUNT, id="JobsCount in a classic"),
        pytest.param(MODERN_JOBS, MODERN, False, MODERN_JOBS, id="ModernJobsCount in a modern folder"),
        pytest.param(MODERN_JOBS, CLASSIC, False, None, id="ModernJobsCount in a classic folder"),
        pytest.param(Strategy.ALL, MODERN, False, None, id="All in a modern folder"),
        pytest.param(Strategy.SPECIFIC, MODERN, True, None, id="Specific in a modern folder"),
        pytest.param(Strategy.JOBS_COUNT, MODERN, False, None, id="JobsCount in a modern folder"),
    ],
)  # fmt: skip
def test_the_strategy(asked: Any, folder: Folder, robots: bool, chosen: Strategy | None) -> None:
    """It follows from the folder's kind where it was left out; one not offered is refused before the call."""
    if chosen is not None:
        assert choose_strategy(asked, folder, robots=robots) is chosen
        return
    with pytest.raises(Rejected) as caught:
        choose_strategy(asked, folder, robots=robots)
    assert caught.value.code == Code.STRATEGY_NOT_OFFERED
    assert folder.path in caught.value.detail


@pytest.mark.parametrize(
    ("ref", "named"),
    [
        pytest.param(ProcessRef("Triaga"), ["triage", "Another", "Triage"], id="by name or package id"),
        pytest.param(ProcessRef("BILS_DEMO"), ["Bills_Demo", "Mail_Demo"], id="in any case"),
        pytest.param(ProcessRef("Bills", "Test"), ["Bills_Demo", "Bills_Prod"], id="another environment"),
        pytest.param(ProcessRef("Payroll"), [], id="nothing like it"),
        pytest.param(ProcessRef(release_key="bbbbbbbb"), [], id="a release key is no slip of the pen"),
    ],
)
def test_the_nearest_to_an_unknown_name(ref: ProcessRef, named: list[str]) -> None:
    """Three at most, each with what tells it from the others."""
    found = nearest(ref, ALL, MODERN)
    assert sorted(one.name for one in found) == sorted(named)
    assert all(one.folder == MODERN.path for one in found)
