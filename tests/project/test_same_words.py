"""Worker and simulator, which do not know each other, speak of Orchestrator in the same words."""

import pytest

from simulator.seed.tables import LINE, ROBOT
from simulator.world.jobs import FINAL, OPEN
from simulator.world.shapes import MEMBERS
from worker.domain import words
from worker.domain.jobs import TERMINAL
from worker.domain.words import Word, member

TYPES = {"QueueItemStatus": "ProcessingStatus", "SessionState": "RobotState"}
"""What the API calls otherwise than the documentation of its types."""
SHARED = {TYPES.get(name, name): names for name, names in MEMBERS.items()}
NOT_IN_ROWS = {"JobSource": {words.JobSource.ASSISTANT}}


@pytest.mark.parametrize("kind", sorted(name for name in SHARED if hasattr(words, name)))
def test_both_have_the_same_members_and_numbers(kind: str) -> None:
    """The place in the simulator's table is the number that its filters take."""
    known: type[Word] = getattr(words, kind)
    found = {name: member(known, name) for name in SHARED[kind]}
    assert set(found.values()) == set(known) - NOT_IN_ROWS.get(kind, set())
    for number, word in enumerate(found.values()):
        assert word is not None
        assert word.number in (None, number)


def test_the_simulators_seed_and_jobs_have_the_same_words() -> None:
    """A robot's state, a line's level, and which states are the last."""
    for state in words.RobotState:
        ROBOT["state"].check(str(state), "")
    for level in words.LogLevel:
        LINE({"Level": str(level), "Message": "m"}, "")
    assert FINAL == TERMINAL
    assert set(words.JobState) == FINAL | OPEN
