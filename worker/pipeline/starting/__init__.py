"""The role of a starter: its parts, joined."""

import asyncio
from collections.abc import AsyncIterable, Iterator, Sequence
from dataclasses import dataclass

from worker.domain.requests import FolderRef
from worker.pipeline.attempt import Attempts
from worker.pipeline.consume import Consumer, Tracer, Work
from worker.pipeline.holding.gate import Gate, Report
from worker.pipeline.holding.outage import Outage
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.items.add import Adder
from worker.pipeline.items.adds import Adds
from worker.pipeline.items.ports import Queues
from worker.pipeline.once.claim import Claims
from worker.pipeline.once.once import Once
from worker.pipeline.once.start import Starter
from worker.pipeline.permission import Permission
from worker.pipeline.ports import Clock, Delivery, Ledger, Orchestrator, Outbox, Telemetry
from worker.pipeline.resolve import Resolver
from worker.pipeline.rules import Rules, Teller
from worker.pipeline.settle import Settler
from worker.pipeline.starting.starts import Starts
from worker.pipeline.stopping.stop import Stops
from worker.settings import Settings

ITEMS_MOST = 200
"""How many requests to add queue items are in hand at once: those that wait together share calls."""


def rules_of(settings: Settings, permission: Permission) -> Rules:
    """What the settings decide for all requests, and who may ask."""
    return Rules(
        prefix=settings.prefix,
        default_folder=FolderRef.parse(settings.folder) if settings.folder else None,
        max_attempts=settings.max_attempts,
        http_timeout_s=settings.http_timeout_s,
        commit_slack_s=settings.commit_slack_s,
        window_s=settings.http_timeout_s + 3 * (settings.heartbeat_s + 1) + settings.commit_slack_s,
        permission=permission,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """What a starter works with. *limited* hears how many StartJobs may be on their way at once."""

    orchestrator: Orchestrator
    queues: Queues
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
        """Handles starts, stops and queue items, by an inbox each, until these end and all is settled."""
        async with asyncio.TaskGroup() as tasks:
            for consumer, inbox in zip(self._consumers(), inboxes, strict=True):
                tasks.create_task(consumer.run(inbox))

    def _consumers(self) -> Iterator[Consumer]:
        """Of starts, of stops, which are few and never wait behind starts, and of queue items."""
        settler = Settler(self.outbox, self.ledger, self.teller, self.rules, self.clock, self.telemetry)
        for work in self._works():
            yield Consumer(work, settler, self.rules, self.telemetry, self.clock, self.tracer)

    def _works(self) -> Iterator[Work]:
        rules, clock, orchestrator = self.rules, self.clock, self.orchestrator
        claims = Claims(self.ledger, rules, self.stopping, clock)
        gate = Gate(self.concurrency, self.limited, self.outage.lost)
        once = Once(claims, gate, rules.commit_slack_s, clock, self.stopping)
        starts = Starts(Resolver(orchestrator), Starter(orchestrator, once))
        yield Attempts(starts, claims, self.outage, rules, clock)
        yield Stops(orchestrator, self.ledger, self.outage, self.stopping, rules, clock)
        # Orchestrator limits additions apart from starts.
        gate = Gate(ITEMS_MOST, lambda *_: None, self.outage.lost)
        once = Once(claims, gate, rules.commit_slack_s, clock, self.stopping)
        adds = Adds(orchestrator, self.queues, Adder(self.queues, once), rules.prefix)
        yield Attempts(adds, claims, self.outage, rules, clock)
