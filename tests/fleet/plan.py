"""What a run is told, and what the product promises of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """So many *jobs* over so many *folders*, of which *rate* end each second while *trackers* follow them.

    They are started by requests for *batch* jobs each, *fill* jobs a second (0: *rate*). When half of them
    are over one tracker is killed, unless *kill* says otherwise. *faulted* is the share of jobs that fail.
    With *webhooks* Orchestrator tells of changes too. *patience_s* is how long nothing may be heard before
    the run is given up. The same *seed* ends jobs in the same order.
    """

    jobs: int = 100_000
    rate: float = 500.0
    trackers: int = 3
    folders: int = 5
    batch: int = 1000
    fill: float = 0.0
    poll_s: float = 10.0
    budget: int = 60
    faulted: float = 0.0
    kill: bool = True
    webhooks: bool = False
    patience_s: float = 120.0
    seed: int = 1

    @property
    def lag_s(self) -> float:
        """The promise: 95 of 100 changes are told so soon."""
        return 1.0 if self.webhooks else 2 * self.poll_s

    @property
    def begins(self) -> float:
        """So many jobs begin in a second."""
        return self.fill or self.rate

    @property
    def requests(self) -> list[int]:
        """How many jobs each request asks for."""
        whole, rest = divmod(self.jobs, self.batch)
        return [self.batch] * whole + [rest] * bool(rest)
