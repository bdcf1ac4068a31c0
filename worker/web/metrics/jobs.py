"""How jobs in flight are followed. Keeps the promises of `tracking.ports.Telemetry`."""

from collections.abc import Callable, Mapping

from worker.domain.words import JobState
from worker.web.metrics.families import Counts, Levels, Times

_LAG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
_OTHER = "other"
_STATES = tuple(map(str, JobState))


class JobMetrics:
    """Counts jobs in flight. *duplicates* is told of jobs that a request has too many."""

    def __init__(self, duplicates: Callable[[int], None]) -> None:
        self.duplicates = duplicates
        states = {"state": f"{', '.join(_STATES)}; {_OTHER}"}
        self._tracked = Levels("jobrelay_jobs_tracked", "Jobs in flight that are followed here", states)
        self._told = Counts(
            "jobrelay_job_states", "States of jobs announced", states, known=[(state,) for state in _STATES]
        )
        self._end_lag = Times(
            "jobrelay_job_end_lag_seconds",
            "From a job's end, by Orchestrator's clock, to the event that tells it",
            _LAG,
        )
        self._poll_lag = Times(
            "jobrelay_poll_lag_seconds", "From the moment at which a job is to be looked at to the look", _LAG
        )
        self._expired = Counts(
            "jobrelay_jobs_expired", "Jobs followed no more, because nobody could see them for EXPIRE_AFTER_S"
        )
        self._defects = Counts(
            "jobrelay_job_defects",
            "Errors of Jobrelay's own, each of which put off the look at a job or queue item",
        )
        self.tracked({})

    def tracked(self, states: Mapping[str, int]) -> None:
        """How many jobs are in each state, as it was announced last."""
        for state in _STATES:
            self._tracked.to(states.get(state, 0), state)
        self._tracked.to(sum(states.values()) - sum(states.get(state, 0) for state in _STATES), _OTHER)

    def looked(self, seconds_late: float) -> None:
        """A job is looked at, so long after its time had come."""
        self._poll_lag.took(seconds_late)

    def told(self, state: str, seconds_since_end: float | None) -> None:
        """A job's state was announced; None where it is no end, or nobody knows when that was."""
        self._told.up(state if state in _STATES else _OTHER)
        if seconds_since_end is not None:
            self._end_lag.took(seconds_since_end)

    def expired(self) -> None:
        """A job is followed no more, and its end is not known."""
        self._expired.up()

    def defect(self) -> None:
        """An error of ours put off the look at a job."""
        self._defects.up()
