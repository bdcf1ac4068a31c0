"""What becomes of requests, and how long it takes. Keeps the promises of `pipeline.ports.Telemetry`."""

import time
from collections.abc import Callable, Mapping

from worker.domain.failures import Code, Later
from worker.web.metrics.families import Counts, Labels, Levels, Times

_OUTCOMES = (
    "started", "added", "duplicate", "repeated", "returned", "unsettled", "stop-requested", "cancelled",
)  # fmt: skip
_CODES = "of a rejection or a deferral: see the schemas of their events; else empty"
_SETTLED = [
    *((outcome, "") for outcome in _OUTCOMES),
    *(("rejected", str(code)) for code in Code),
    *(("deferred", str(code)) for code in Later),
]
# A publisher's timestamp has whole seconds; the broker's own, where it sets one, milliseconds.
_TO_A_JOB = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 7200, 21600)
_IN_HAND = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200)


class RequestMetrics:
    """Counts requests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        outcomes = {"outcome": f"{', '.join(_OUTCOMES)}, rejected, deferred", "code": _CODES}
        self._settled = Counts("jobrelay_requests", "Requests settled", outcomes, known=_SETTLED)
        self._start_delay = Times(
            "jobrelay_start_delay_seconds",
            "From a request's publication, by its timestamp, to the confirm of its job-created",
            _TO_A_JOB,
        )
        self._time_in_hand = Times(
            "jobrelay_request_seconds", "From a request's delivery to its settlement", _IN_HAND
        )
        self._duplicates = Counts(
            "jobrelay_duplicate_jobs",
            "Jobs (or queue items) found that a request has too many: of a second start",
        )
        self._defects = Counts(
            "jobrelay_request_defects", "Errors of Jobrelay's own, each of which gave a request back"
        )
        self._in_hand = Levels(
            "jobrelay_requests_in_hand", "Requests in work now", read=lambda: {(): len(self._since)}
        )
        self._oldest = Levels(
            "jobrelay_oldest_request_seconds",
            "How long the request that is in hand for longest has been; 0 where there is none",
            read=self._age_of_oldest,
        )
        self._limit = Levels(
            "jobrelay_requests_in_hand_limit", "Start requests that may be in hand at once: CONCURRENCY"
        )
        self._limit.to(0)

    def taken(self, owner: str) -> None:
        """A request is in work now; *owner* names this attempt at it."""
        self._since[owner] = self._clock()

    def let_go(self, owner: str) -> None:
        """It is not any more."""
        self._since.pop(owner, None)

    def created(self, seconds_since_published: float | None) -> None:
        """The jobs of a request are announced; None where it is not known when it was published."""
        if seconds_since_published is not None:
            self._start_delay.took(seconds_since_published)

    def settled(self, outcome: str, code: str, seconds_in_hand: float) -> None:
        """A request was settled; *code* is empty where the outcome says all."""
        self._settled.up(outcome, code)
        self._time_in_hand.took(seconds_in_hand)

    def duplicates(self, jobs: int) -> None:
        """A request has *jobs* more than it should."""
        self._duplicates.up(by=jobs)

    def defect(self) -> None:
        """An error of ours gave a request back."""
        self._defects.up()

    def limit(self, most: int) -> None:
        """So many may be in hand at once."""
        self._limit.to(most)

    def _age_of_oldest(self) -> Mapping[Labels, float]:
        began = next(iter(self._since.values()), None)
        return {(): 0.0 if began is None else self._clock() - began}
