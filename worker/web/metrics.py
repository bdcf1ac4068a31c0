"""What the worker counts and times: names begin with `jobrelay_`, a count costs under a microsecond."""

from typing import Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase

_SECONDS_TO_SETTLE = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200)
_SECONDS_OF_A_CALL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

M = TypeVar("M", bound=MetricWrapperBase)


class _ByLabels(dict[tuple[str, ...], M], Generic[M]):
    """A metric's children, each resolved once: resolving one costs three times what counting does."""

    def __init__(self, metric: M) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> M:
        child = self[labels] = self._metric.labels(*labels)
        return child


class Metrics:
    """The worker's metrics, in a registry of their own. Labels take few values: never a request's id."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # they would double every series
        registry = self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=registry)
        self._settled = _ByLabels(
            Counter("jobrelay_requests", "Requests settled", ("outcome", "code"), registry=registry)
        )
        self._settle_time = Histogram(
            "jobrelay_request_seconds",
            "From a request's publication, by its timestamp, to its settlement",
            buckets=_SECONDS_TO_SETTLE,
            registry=registry,
        )
        self._calls = _ByLabels(
            Histogram(
                "jobrelay_orchestrator_call_seconds",
                "Calls to Orchestrator",
                ("operation", "outcome"),
                buckets=_SECONDS_OF_A_CALL,
                registry=registry,
            )
        )
        self._lookups = _ByLabels(
            Counter("jobrelay_lookups", "Jobs looked up by Reference", ("result",), registry=registry)
        )
        self._deferrals = _ByLabels(
            Counter("jobrelay_deferrals", "Requests put off", ("code",), registry=registry)
        )
        self._in_hand = Gauge("jobrelay_requests_in_hand", "Requests in work now", registry=registry)
        self._tracked = Gauge("jobrelay_jobs_tracked", "Jobs in flight that are followed", registry=registry)
        self._duplicates = Counter(
            "jobrelay_duplicate_jobs", "Jobs found that a request has too many", registry=registry
        )
        self._replies_lost = Counter(
            "jobrelay_replies_lost", "Events that a request's reply_to did not get", registry=registry
        )
        self.broker = BrokerMetrics(registry)
        self._weigh(registry)
        self._count_ledger(registry)
        self._count_notices(registry)

    def _weigh(self, registry: CollectorRegistry) -> None:
        """What holds requests back, and what Orchestrator says that we do not know."""
        self._outage = Gauge("jobrelay_outage", "1 while Orchestrator is out", registry=registry)
        self._start_limit = Gauge(
            "jobrelay_start_limit",
            "StartJobs that may be on their way at once: CONCURRENCY until a 429; below 1 with rests between",
            registry=registry,
        )
        self._throttled = Counter("jobrelay_starts_throttled", "429s from StartJobs", registry=registry)
        self._unknown = _ByLabels(
            Counter(
                "jobrelay_unknown_words",
                "Words of Orchestrator's that are not known, such as a job's state",
                ("type",),
                registry=registry,
            )
        )

    def _count_ledger(self, registry: CollectorRegistry) -> None:
        """What the shared ledger, if there is one, answers."""
        self._ledger = Gauge(
            "jobrelay_ledger_available", "1 unless a shared ledger is set and away", registry=registry
        )
        self._ledger.set(1)
        self._from_memory = _ByLabels(
            Counter(
                "jobrelay_ledger_from_memory",
                "Operations that the shared ledger did not answer",
                ("operation",),
                registry=registry,
            )
        )

    def _count_notices(self, registry: CollectorRegistry) -> None:
        """What comes to the webhook."""
        what = "What was sent to the webhook, by what became of it"
        self._notices = _ByLabels(Counter("jobrelay_webhook_notices", what, ("outcome",), registry=registry))

    def settled(self, outcome: str, code: str, seconds_since_published: float | None) -> None:
        """A request was settled; *code* is empty where the outcome says all."""
        self._settled[outcome, code].inc()
        if seconds_since_published is not None:
            self._settle_time.observe(max(0.0, seconds_since_published))

    def orchestrator_call(self, operation: str, outcome: str, seconds: float) -> None:
        """A call to Orchestrator ended."""
        self._calls[operation, outcome].observe(seconds)

    def unknown_word(self, kind: str) -> None:
        """A word of that enumerated type came that we do not know."""
        self._unknown[kind,].inc()

    def lookup(self, found: bool) -> None:
        """A request's jobs were looked up by Reference."""
        self._lookups["found" if found else "absent",].inc()

    def deferred(self, code: str) -> None:
        """A request was put off."""
        self._deferrals[code,].inc()

    def in_hand(self, change: int) -> None:
        """So many requests more, or less, are in work now."""
        self._in_hand.inc(change)

    def duplicates(self, jobs: int) -> None:
        """A request has *jobs* more than it should."""
        self._duplicates.inc(jobs)

    def tracked(self, n: int) -> None:
        """How many jobs are followed now."""
        self._tracked.set(n)

    def reply_lost(self) -> None:
        """An event did not reach its request's reply_to."""
        self._replies_lost.inc()

    def notice(self, outcome: str) -> None:
        """A notice came to the webhook."""
        self._notices[outcome,].inc()

    def outage(self, on: bool) -> None:
        """Orchestrator is out, or back."""
        self._outage.set(on)

    def start_limit(self, limit: float, throttled: bool) -> None:
        """How many StartJobs may be on their way at once now, and whether a 429 is the reason."""
        self._start_limit.set(limit)
        if throttled:
            self._throttled.inc()

    def ledger_available(self, on: bool) -> None:
        """The shared ledger answers, or is away."""
        self._ledger.set(on)

    def ledger_from_memory(self, operation: str) -> None:
        """The ledger's *operation* was answered by this process alone."""
        self._from_memory[operation,].inc()


class BrokerMetrics:
    """What the connections to the broker go through."""

    def __init__(self, registry: CollectorRegistry) -> None:
        made = "Connections made to the broker; each beyond the first came back"
        blocked = "1 while the broker takes nothing from publishers: an alarm"
        renewed = "Consumers that the watchdog found gone, and began anew"
        self._made = Counter("jobrelay_broker_connections", made, ("link",), registry=registry)
        self._blocked = Gauge("jobrelay_broker_blocked", blocked, ("link",), registry=registry)
        self._renewed = Counter("jobrelay_consumers_renewed", renewed, ("queue",), registry=registry)

    def connected(self, link: str) -> None:
        """A connection was made."""
        self._made.labels(link).inc()
        self._blocked.labels(link).set(0)

    def blocked(self, link: str, on: bool) -> None:
        """The broker takes nothing more from publishers, or does again."""
        self._blocked.labels(link).set(on)

    def renewed(self, queue: str) -> None:
        """The watchdog found the consumer of *queue* gone."""
        self._renewed.labels(queue).inc()
