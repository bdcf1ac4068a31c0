"""The verdict on what was told of a job, by examples; and that repeats are no part of it."""

from typing import Any

import pytest

from fleet.history import History, Told
from fleet.results import quantiles
from fleet.verdict import Fault, judge, judge_all

R, S = Told("1", "Running", "Pending", 0), Told("2", "Successful", "Running", 0)


@pytest.mark.parametrize(
    ("course", "faults"),
    [
        ([R, S], []),
        ([Told("1", "Stopped", "Pending", 0)], []),  # the state between was skipped
        ([R], [Fault.LOST]),
        ([], [Fault.LOST]),
        ([S, R], [Fault.DISORDERED]),
        ([S], [Fault.DISORDERED]),  # it says that another was told before
        ([R, S, Told("3", "Faulted", "Successful", 0)], [Fault.DISORDERED]),
        ([R, R._replace(id="4"), S], [Fault.TWICE]),
        ([R, S, S._replace(id="4")], [Fault.TWICE]),
    ],
)
def test_a_course_is_judged(course: list[Told], faults: list[Fault]) -> None:
    """Its end must be told, each state once and after what it says it follows."""
    assert judge(course) == faults


def test_all_jobs_are_judged_and_strangers_are_found() -> None:
    """A job of which nothing was heard is lost; one that nobody started should not be told of."""
    wrong = judge_all([1, 2], {1: [R, S], 3: [R, S]})
    assert (wrong[Fault.LOST], wrong[Fault.DISORDERED]) == ([2], [3])


def test_what_is_repeated_is_counted_and_no_more() -> None:
    """The same id again is the same event: it changes no course and no lag."""

    def event(told: Told) -> dict[str, Any]:
        data = {"job": {"id": 1}, "state": told.state, "previousState": told.previous, "resumeVersion": 0}
        moments = {"startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T00:00:09Z"}
        return {"id": told.id, "data": data | moments}

    history = History()
    for told in (R, R, S, R, S):
        history.hear(event(told))
    assert history.courses == {1: [R, S]}
    assert (history.repeats.total(), len(history.running), len(history.ends)) == (3, 1, 1)


def test_lags_are_told_by_their_quantiles() -> None:
    """Of none, too."""
    assert quantiles([float(n) for n in range(100)]) == {"p50": 50.0, "p95": 95.0, "max": 99.0}
    assert quantiles([]) == {"p50": 0.0, "p95": 0.0, "max": 0.0}
