"""The verdict on what was told of all jobs; repeats are no part of it."""

from typing import Any

from chaos.ledger.course import Amiss, Told

from fleet.history import History, judged
from fleet.results import quantiles

R, S = Told("1", "Running", "Pending"), Told("2", "Successful", "Running")


def test_all_jobs_are_judged_and_strangers_are_found() -> None:
    """A job of which nothing was heard is lost; one that nobody started should not be told of."""
    wrong = judged([1, 2], {1: [R, S], 3: [R, S]})
    found = {what: jobs for what, jobs in wrong.items() if jobs}
    assert found == {Amiss.LOST.value: [2], "never started": [3]}


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
    assert (len(history.repeats), len(history.running), len(history.ends)) == (3, 1, 1)


def test_lags_are_told_by_their_quantiles() -> None:
    """Of none, too."""
    assert quantiles([float(n) for n in range(100)]) == {"p50": 50.0, "p95": 95.0, "max": 99.0}
    assert quantiles([]) == {"p50": 0.0, "p95": 0.0, "max": 0.0}
