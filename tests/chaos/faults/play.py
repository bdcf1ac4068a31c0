"""What every fault needs: the stage, chance from the seed, and a record of what was done when."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from time import time

from chaos.ledger.history import Span
from chaos.stage import Replica, Stage

WORKER_KILL, BROKER_KILL = "worker kills", "broker kills"


@dataclass(slots=True)
class Play:
    """One run's faults so far.

    *spans* are times of which the verdict has to know; *away* says when workers took Redis for away.
    """

    stage: Stage
    random: Random
    phase: str = ""
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    spans: dict[str, list[Span]] = field(default_factory=dict)
    away: list[str] = field(default_factory=list)
    began: float = field(default_factory=time)

    def note(self, what: str, kind: str = "other faults") -> None:
        """Something was done."""
        self.counts.setdefault(self.phase, Counter())[kind] += 1
        self.done.append(f"{time() - self.began:7.1f} {self.phase}: {what}")

    def span(self, kind: str, begin: float, end: float) -> None:
        """From *begin* to *end* (epoch seconds) less is promised."""
        self.spans.setdefault(kind, []).append(Span(begin, end))

    def anyone(self) -> Replica:
        """A worker by chance."""
        return self.random.choice(self.stage.replicas)
