"""The verdict on one job's course. Pure: a table of examples is its test."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from fleet.history import TERMINAL, Told

_RANK = {"Pending": 0, "Running": 1}  # a job of these runs is never suspended
_AFTER_ALL = 2


class Fault(StrEnum):
    """What must not be."""

    LOST = "lost"
    DISORDERED = "out of order"
    TWICE = "told under two ids"


def judge(course: Sequence[Told]) -> list[Fault]:
    """All that is wrong with what was told of a job, repeats left out. Skipped states are not wrong."""
    found = []
    if not any(told.state in TERMINAL for told in course):
        found.append(Fault.LOST)
    facts = Counter((told.state, told.resumed) for told in course)
    if any(count > 1 for count in facts.values()):
        found.append(Fault.TWICE)
    elif not _in_order(course):
        found.append(Fault.DISORDERED)
    return found


def _in_order(course: Sequence[Told]) -> bool:
    """Each state later in a job's life than the one before, and told as what follows that one."""
    ranks = [_RANK.get(told.state, _AFTER_ALL) for told in course]
    before = ["Pending", *(told.state for told in course)]
    chained = all(told.previous == last for told, last in zip(course, before, strict=False))
    return chained and ranks == sorted(set(ranks))


def judge_all(started: Iterable[int], courses: Mapping[int, Sequence[Told]]) -> dict[Fault, list[int]]:
    """The jobs that each thing is wrong with; a job that nobody started is told out of order."""
    wrong: dict[Fault, list[int]] = {fault: [] for fault in Fault}
    ids = set(started)
    for job in sorted(ids):
        for fault in judge(courses.get(job, ())):
            wrong[fault].append(job)
    wrong[Fault.DISORDERED] += sorted(courses.keys() - ids)
    return wrong
