"""The robots of a folder and how they are: all counted by their states, the first ones shown."""

from collections import Counter
from collections.abc import Iterator, Sequence

from worker.cli.check.finding import Finding
from worker.domain.processes import Robot, Session
from worker.domain.words import RobotState, member

MOST_SHOWN = 25
_ABSENT = "no session"
_REMEDIES = {
    RobotState.DISCONNECTED: "start the robot's service or assistant on its machine",
    RobotState.UNKNOWN: "look at the robot in Orchestrator",
}


def robots_of(robots: Sequence[Robot], sessions: Sequence[Session]) -> Iterator[Finding]:
    """All *robots* by their states, and each of the first. Of several sessions the best one counts."""
    best: dict[int, Session] = {}
    for session in sorted(sessions, key=_rank, reverse=True):
        best[session.robot.id] = session
    states = Counter(best[robot.id].state if robot.id in best else _ABSENT for robot in robots)
    said = ", ".join(f"{count} {state}" for state, count in states.most_common())
    more = f"; the first {MOST_SHOWN} are" if len(robots) > MOST_SHOWN else ""
    yield Finding("robots", "ok", f"{len(robots)}: {said}{more}", about=dict(states))
    for robot in robots[:MOST_SHOWN]:
        yield _finding(robot, best.get(robot.id))


def _rank(session: Session) -> tuple[bool, int]:
    """The less, the better: who answers before who does not, and then by the numbers of the states."""
    state = member(RobotState, session.state) or RobotState.UNKNOWN
    return (not session.responsive, state.number or 0)


def _finding(robot: Robot, session: Session | None) -> Finding:
    about = {"id": robot.id, "name": robot.name, "robotState": session and session.state}
    if session is None:
        return Finding("robot", "skipped", f"{robot.name} ({robot.id}): {_ABSENT}", about=about)
    about |= {"machine": session.machine, "responsive": session.responsive}
    known = member(RobotState, session.state)
    where = f" on {session.machine}" if session.machine else ""
    silent = "" if session.responsive else ", but it has not reported for two minutes"
    remedy = _REMEDIES.get(known or RobotState.UNKNOWN, "")
    if not session.responsive:
        remedy = _REMEDIES[RobotState.DISCONNECTED]
    what = f"{robot.name} ({robot.id}): {session.state}{where}{silent}"
    return Finding("robot", "warning" if remedy else "ok", what, remedy, about)
