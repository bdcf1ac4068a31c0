"""The role of a starter: its parts, joined."""

import asyncio
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass

from worker.domain.requests import FolderRef
from worker.pipeline.attempt import Attempts
from worker.pipeline.consume import Consumer, Tracer
from worker.pipeline.holding.gate import Gate, Report
from worker.pipeline.holding.outage import Outage
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.once.claim import Claims
from worker.pipeline.once.once import Once
from worker.pipeline.once.start import Starter
from worker.pipeline.ports import Clock, Delivery, Ledger, Orchestrator, Outbox, Telemetry
from worker.pipeline.resolve import Resolver
from worker.pipeline.settle import Rules, Settler, Teller
from worker.pipeline.starting.starts import Starts
from worker.pipeline.stopping.stop import Stops
from worker.settings import Settings


def rules_of(settings: Settings) -> Rules:
    """What the settings decide for all requests."""
    return Rules(
        prefix=settings.prefix,
        default_folder=FolderRef.parse(settings.folder) if settings.folder else None,
        max_attempts=settings.max_attempts,
        http_timeout_s=settings.http_timeout_s,
        commit_slack_s=settings.commit_slack_s,
        window_s=settings.http_timeout_s + 3 * (settings.heartbeat_s + 1) + settings.commit_slack_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """What a starter works with. *limited* hears how many StartJobs may be on their way at once."""

    orchestrator: Orchestrator
    outbox: Outbox
    ledger: Ledger
    outage: Outage
    telemetry: Telemetry
    tracer: Tracer
    limited: Report
    stopping: Stopping
    clock: Clock
    teller: Teller
    rules: Rules
    concurrency: int

    async def run(self, inboxes: Sequence[AsyncIterable[Delivery]]) -> None:
        """Handles what comes by two inboxes, starts and stops, until they end and all of it is settled."""
        async with asyncio.TaskGroup() as tasks:
            for consumer, inbox in zip(self._consumers(), inboxes, strict=True):
                tasks.create_task(consumer.run(inbox))

    def _consumers(self) -> tuple[Consumer, Consumer]:
        """Of starts, and of stops, which are few and never wait behind starts."""
        rules, clock, orchestrator = self.rules, self.clock, self.orchestrator
        claims = Claims(self.ledger, rules, self.stopping, clock)
        gate = Gate(self.concurrency, self.limited, self.outage.lost)
        once = Once(claims, gate, rules.commit_slack_s, clock, self.stopping)
        starts = Starts(Resolver(orchestrator), Starter(orchestrator, once))
        attempts = Attempts(starts, claims, self.outage, rules, clock)
        settler = Settler(self.outbox, self.ledger, self.teller, rules, clock, self.telemetry)
        stops = Stops(orchestrator, self.ledger, self.outage, self.stopping, rules, clock)
        return (
            Consumer(attempts, settler, rules, self.telemetry, clock, self.tracer),
            Consumer(stops, settler, rules, self.telemetry, clock, self.tracer),
        )
