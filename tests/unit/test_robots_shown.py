"""What `jobrelay check` tells of a folder's robots."""

import pytest

from worker.cli.check.robots import MOST_SHOWN, robots_of
from worker.domain.processes import Robot, Session
from worker.orchestrator.wire import session_of

ONE = Robot(61, "porter-1")


FREE, BUSY, AWAY = (Session(ONE, state) for state in ("Available", "Busy", "Disconnected"))
SILENT = Session(ONE, "Available", responsive=False)


@pytest.mark.parametrize(
    ("sessions", "state", "told"),
    [
        pytest.param([Session(ONE, "Available", "PC-1")], "ok", "Available on PC-1", id="free"),
        pytest.param([BUSY], "ok", "Busy", id="at work"),
        pytest.param([AWAY], "warning", "Disconnected", id="away"),
        pytest.param([Session(ONE, "Unknown")], "warning", "Unknown", id="nobody knows"),
        pytest.param([Session(ONE, "Dreaming")], "warning", "Dreaming", id="a word that is new"),
        pytest.param([], "skipped", "no session", id="never seen"),
        pytest.param([AWAY, FREE, BUSY], "ok", "Available", id="the best of three"),
        pytest.param([SILENT], "warning", "has not reported", id="silent"),
        pytest.param([SILENT, BUSY], "ok", "Busy", id="one answers"),
        pytest.param([Session(Robot(7, "other"), "Busy")], "skipped", "no session", id="another's"),
    ],
)
def test_a_robot_is_told_with_its_state(sessions: list[Session], state: str, told: str) -> None:
    """By name and id, and how to mend what is wrong."""
    _, robot = robots_of([ONE], sessions)
    assert (robot.what, robot.state) == ("robot", state)
    assert robot.detail.startswith("porter-1 (61): ")
    assert told in robot.detail
    assert bool(robot.remedy) == (state == "warning")
    assert robot.about
    assert robot.about["id"] == 61


def test_many_robots_are_counted_by_their_states() -> None:
    """All of them, though only the first are shown; programs have the numbers, too."""
    robots = [Robot(number, f"r{number}") for number in range(100)]
    summary, *shown = robots_of(robots, [Session(robot, "Busy") for robot in robots[:30]])
    assert summary.detail == f"100: 70 no session, 30 Busy; the first {MOST_SHOWN} are"
    assert summary.about == {"no session": 70, "Busy": 30}
    assert len(shown) == MOST_SHOWN


def test_a_session_is_read_with_its_robot() -> None:
    """Its State by name or number; a session without a robot is nobody's."""
    row = {"Id": 8061, "State": 1, "HostMachineName": "PC", "IsUnresponsive": True, "Robot": {"Id": 61}}
    assert session_of(row) == Session(Robot(61, ""), "Busy", "PC", responsive=False)
    assert session_of({"Id": 8061, "State": "Busy"}) is None
