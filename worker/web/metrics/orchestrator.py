"""What is asked of Orchestrator, what it answers, and what is not asked because it is remembered.

`OrchestratorMetrics` keeps the promises of `orchestrator.http.reports`.
"""

from collections.abc import Callable

from worker.web.metrics.families import Counts, Levels, Times

_CALL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_OPERATION = {
    "operation": "StartJobs, JobById, JobsList, Folders, Releases, Token, … (the simulator's words)"
}
_CACHES = ("folders", "processes", "robots", "machines", "queues")
_READS = ("hit", "miss", "joined", "stale")
_CACHED = {
    "cache": ", ".join(_CACHES),
    "result": "hit; miss: read anew; joined: waited for another one's read; "
    "stale: given, beside a miss, because the read failed",
}


class OrchestratorMetrics:
    """Counts calls."""

    def __init__(self) -> None:
        self._calls = Times(
            "jobrelay_orchestrator_call_seconds",
            "Exchanges with Orchestrator",
            _CALL,
            _OPERATION | {"outcome": "the HTTP status; unsent (no connection), lost (no answer)"},
        )
        self._retries = Counts(
            "jobrelay_orchestrator_retries", "Reads of Orchestrator repeated after a failure", _OPERATION
        )
        self._lookups = Counts(
            "jobrelay_lookups",
            "Requests whose jobs or queue items were looked up by Reference",
            {"result": "found, absent, unknown (nobody can tell now)"},
            known=[("found",), ("absent",), ("unknown",)],
        )
        self._reads = Counts(
            "jobrelay_cache_reads",
            "Names resolved from what is remembered of a folder",
            _CACHED,
            known=[(cache, result) for cache in _CACHES for result in _READS],
        )
        self._unknown = Counts(
            "jobrelay_unknown_words",
            "Words of Orchestrator's that are not known, such as a job's state",
            {"type": "the enumerated type, such as JobState"},
        )
        self._turns = Counts(
            "jobrelay_poll_turns",
            "Turns in the budget of list calls that were asked for",
            {"result": "had, refused"},
            known=[("had",), ("refused",)],
        )
        self._budget = Levels("jobrelay_poll_budget", "Lists a minute that this process may read")
        self._slowness = Levels(
            "jobrelay_poll_slowness", "How many times slower than that lists are read now: 1 to 16"
        )
        self._wait = Levels("jobrelay_poll_wait_seconds", "Time until the next list may be read")

    def call(self, operation: str, outcome: str, seconds: float) -> None:
        """An exchange with Orchestrator ended."""
        self._calls.took(seconds, operation, outcome)

    def retry(self, operation: str) -> None:
        """A read is repeated."""
        self._retries.up(operation)

    def lookup(self, result: str) -> None:
        """A request's jobs were looked up by Reference."""
        self._lookups.up(result)

    def read(self, cache: str, result: str) -> None:
        """A name was asked of a cache."""
        self._reads.up(cache, result)

    def unknown_word(self, kind: str) -> None:
        """A word of that enumerated type came that we do not know."""
        self._unknown.up(kind)

    def turn(self, result: str) -> None:
        """A list call had its turn, or was refused one."""
        self._turns.up(result)

    def budget(self, a_minute: int, slowness: Callable[[], float], wait_s: Callable[[], float]) -> None:
        """So many lists a minute may be read; the rest is asked when somebody wants to know."""
        self._budget.to(a_minute)
        self._slowness.read = lambda: {(): slowness()}
        self._wait.read = lambda: {(): wait_s()}


class Pressure:
    """Counts what holds requests back."""

    def __init__(self) -> None:
        self._outage = Levels("jobrelay_outage", "1 while Orchestrator is out")
        self._start_limit = Levels(
            "jobrelay_start_limit",
            "StartJobs that may be on their way at once: CONCURRENCY until a 429; below 1 with rests between",
        )
        self._throttled = Counts("jobrelay_starts_throttled", "429s from StartJobs")
        self.outage(on=False)

    def outage(self, on: bool) -> None:
        """Orchestrator is out, or back."""
        self._outage.to(on)

    def start_limit(self, limit: float, throttled: bool) -> None:
        """How many StartJobs may be on their way at once now, and whether a 429 is the reason."""
        self._start_limit.to(limit)
        if throttled:
            self._throttled.up()
