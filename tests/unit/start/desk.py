"""What the tests of starting once begin with: a starter, its tenant, and one request's claim."""

from typing import Any

from fake_orchestrator import MODERN, TRIAGE, Orchestrator
from fakes import NOW

from worker.domain.failures import Failure, Later, Unavailable
from worker.domain.outcomes import Outcome
from worker.domain.processes import Target
from worker.domain.requests import Entry, Strategy
from worker.ledger.memory import MemoryLedger
from worker.pipeline.holding.gate import Gate
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.once.claim import Claim, Claims
from worker.pipeline.once.once import Once
from worker.pipeline.once.start import Starter
from worker.pipeline.rules import Rules

REFERENCE = "jobrelay:inc-1"
SLACK = 3.0  # short enough to be waited for in hand
TARGET = Target(
    MODERN,
    TRIAGE,
    Strategy.MODERN_JOBS_COUNT,
    {"ReleaseKey": TRIAGE.release_key, "Strategy": "ModernJobsCount", "JobsCount": 2},
    None,
    asked=2,
)
MINE = Entry("me", "sha", "m-1", settled=False, safe_at=0.0)
SLOWER = Unavailable(Later.THROTTLED, "slow", retry_after=4.0)


class Desk:
    """A starter, its tenant, and one request's claim."""

    def __init__(self, slack: float = SLACK, **claim: Any) -> None:
        self.stopping = Stopping()
        self.tenant = Orchestrator()
        self.mine = True
        clock = self.tenant.clock
        self.ledger = MemoryLedger()
        self.claim = Claim(
            key="inc-1",
            reference=REFERENCE,
            mine=MINE,
            comes_again=False,
            since=NOW,
            still_mine=lambda: self.mine,
            **claim,
        )
        rules = Rules("jobrelay", None, 10, 30.0, slack, 88.0)
        claims = Claims(self.ledger, rules, self.stopping, clock)
        gate = Gate(64, lambda *_: None, lambda _: None, clock)
        self.starter = Starter(self.tenant, Once(claims, gate, slack, clock, self.stopping))

    async def start(self, target: Target = TARGET) -> Outcome | Failure:
        """How the start ends, a failure included."""
        try:
            return await self.starter.start(self.claim, target)
        except Failure as failure:
            return failure

    @property
    def calls(self) -> tuple[int, int]:
        """How many POSTs, and how many look-ups."""
        return self.tenant.count("start"), self.tenant.count("find")
