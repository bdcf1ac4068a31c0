"""What this process is, whether it can do its work, and how late its loop is."""

import platform
from collections.abc import Callable, Mapping

from worker.domain.webhooks import Verdict
from worker.version import version
from worker.web.health import OPTIONAL, REQUIRED
from worker.web.metrics.families import Counts, Labels, Levels, Times

_LAG = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_CONDITIONS = {"condition": f"{', '.join(REQUIRED + OPTIONAL)}; policy and templates, where they are set"}
_LEDGER_STEPS = ("known", "claim", "cancel", "settle", "release", "forget")


class ProcessMetrics:
    """Counts what is neither a request's nor a job's."""

    def __init__(self) -> None:
        self._build = Levels(
            "jobrelay_build_info",
            "Always 1: which build runs",
            {"version": "of Jobrelay", "python": "of the interpreter"},
        )
        self._build.to(1, version(), platform.python_version())
        self._lag = Times(
            "jobrelay_event_loop_lag_seconds",
            "How late the event loop comes to a timer of every second",
            _LAG,
        )
        self._conditions = Levels(
            "jobrelay_condition", "1 where a condition of /readyz holds; its reason is there", _CONDITIONS
        )
        self._ready = Levels("jobrelay_ready", "1 where /readyz says that this worker is")
        self._available = Levels("jobrelay_ledger_available", "1 unless a shared ledger is set and away")
        self._shared = Levels(
            "jobrelay_ledger_shared",
            "1 where REDIS_URL gives all replicas one ledger, 0 where each has its own",
        )
        self._from_memory = Counts(
            "jobrelay_ledger_from_memory",
            "Operations that the shared ledger did not answer",
            {"operation": ", ".join(_LEDGER_STEPS)},
            known=[(step,) for step in _LEDGER_STEPS],
        )
        self._notices = Counts(
            "jobrelay_webhook_notices",
            "What was sent to the webhook, by what became of it",
            {"outcome": ", ".join(Verdict)},
            known=[(str(verdict),) for verdict in Verdict],
        )
        self.ledger_available(on=True)
        self.ledger_shared(on=False)

    def lag(self, seconds: float) -> None:
        """The loop was so late."""
        self._lag.took(seconds)

    def health(self, ready: Callable[[], bool], conditions: Callable[[], Mapping[str, bool]]) -> None:
        """Whom to ask, when somebody wants to know."""

        def read() -> Mapping[Labels, float]:
            return {(name,): ok for name, ok in conditions().items()}

        self._conditions.read = read
        self._ready.read = lambda: {(): ready()}

    def ledger_shared(self, on: bool) -> None:
        """All replicas have one ledger, or each its own."""
        self._shared.to(on)

    def ledger_available(self, on: bool) -> None:
        """The shared ledger answers, or is away."""
        self._available.to(on)

    def ledger_from_memory(self, operation: str) -> None:
        """The ledger's *operation* was answered by this process alone."""
        self._from_memory.up(operation)

    def notice(self, outcome: str) -> None:
        """A notice came to the webhook."""
        self._notices.up(outcome)
