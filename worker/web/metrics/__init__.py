"""What the worker counts and times, in parts: each is told by the part of the worker that knows.

Names begin with `jobrelay_`, units are Prometheus's base units, and labels take few values. docs/metrics.md
is the table of all of them.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector

from worker.web.metrics.broker import BrokerMetrics
from worker.web.metrics.families import Family
from worker.web.metrics.items import ItemMetrics
from worker.web.metrics.jobs import JobMetrics
from worker.web.metrics.orchestrator import OrchestratorMetrics, Pressure
from worker.web.metrics.process import ProcessMetrics
from worker.web.metrics.requests import RequestMetrics
from worker.web.metrics.templates import TemplateMetrics


class Metrics:
    """The worker's metrics, in a registry of their own; beside them `process_*`, which the library knows.

    *prefix* begins the names of the broker's queues, and is left out of labels.
    """

    def __init__(self, prefix: str = "jobrelay") -> None:
        self.requests = RequestMetrics()
        self.jobs = JobMetrics(self.requests.duplicates)
        self.items = ItemMetrics(self.jobs.defect)
        self.orchestrator = OrchestratorMetrics()
        self.pressure = Pressure()
        self.broker = BrokerMetrics(prefix)
        self.process = ProcessMetrics()
        self.templates = TemplateMetrics()
        self.families = [each for part in vars(self).values() for each in _families_of(part)]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        for family in self.families:
            self.registry.register(family)


def _families_of(part: object) -> Iterator[Family]:
    return (value for value in vars(part).values() if isinstance(value, Family))
