"""What the pipeline's tests begin with: all of it, between fakes."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import orjson
from fake_orchestrator import TRIAGE, Orchestrator
from fake_queues import Queues
from fakes import Delivery, Outbox, Telemetry, feed

from worker.contracts import violations
from worker.domain.messages import Message
from worker.domain.policy import Policy
from worker.domain.policy.custody import Custody
from worker.domain.requests import FolderRef
from worker.ledger.memory import MemoryLedger
from worker.otel import Off, Tracing
from worker.pipeline.attempt import Attempts
from worker.pipeline.consume import Consumer
from worker.pipeline.holding.gate import Gate
from worker.pipeline.holding.outage import Outage
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.items.add import Adder
from worker.pipeline.items.adds import Adds
from worker.pipeline.once.claim import Claims
from worker.pipeline.once.once import Once
from worker.pipeline.once.start import Starter
from worker.pipeline.permission import EVERYBODY, Permission
from worker.pipeline.resolve import Resolver
from worker.pipeline.rules import Rules, Teller
from worker.pipeline.settle import Settler
from worker.pipeline.starting.starts import Starts
from worker.pipeline.stopping.stop import Stops

SOURCE = "urn:jobrelay:jobrelay"
WINDOW = 88.0
_MOST_S = 24 * 3600.0  # of virtual time: what takes longer never ends
OURS = "jobrelay"
REQUEST = {"requestId": "inc-1", "process": {"name": TRIAGE.name}, "folder": {"path": "Shared"}}


class Shop:
    """A worker's pipeline: `handle` lets it handle deliveries to their end, in virtual time.

    One *beside* another is a second replica: it shares the tenant, and the ledger as with a common store.
    """

    permission: Permission = EVERYBODY

    def __init__(
        self,
        *,
        max_attempts: int = 10,
        slack: float = 40.0,
        folder: str | None = None,
        beside: "Shop | None" = None,
        ledger: MemoryLedger | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.journal: list[str] = []
        self.outbox = Outbox(self.journal)
        self.tenant: Orchestrator = beside.tenant if beside else Orchestrator()
        self.telemetry = Telemetry()
        shared = beside.ledger if beside else MemoryLedger(clock=self.tenant.clock)
        self.ledger: MemoryLedger = ledger or shared
        self.stopping = Stopping()
        self.outages: list[bool] = []
        self.limits: list[tuple[float, bool]] = []
        clock = self.clock = self.tenant.clock
        default = FolderRef.parse(folder) if folder else None
        rules = Rules("jobrelay", default, max_attempts, 30.0, slack, WINDOW, self.permission)
        claims = Claims(self.ledger, rules, self.stopping, clock)
        outage = self.outage = Outage(self.stopping, self.outages.append, clock)
        gate = Gate(64, lambda limit, throttled: self.limits.append((limit, throttled)), outage.lost, clock)
        once = Once(claims, gate, slack, clock, self.stopping)
        starts = Starts(Resolver(self.tenant), Starter(self.tenant, once))
        attempts = Attempts(starts, claims, outage, rules, clock)
        tracing = tracing or Off()
        told = tracing.outbox(self.outbox)
        settler = Settler(told, self.ledger, Teller(SOURCE, "host-1"), rules, clock, self.telemetry)
        stops = Stops(self.tenant, self.ledger, outage, self.stopping, rules, clock)
        self.consumer = Consumer(attempts, settler, rules, self.telemetry, clock, tracing)
        self.stops = Consumer(stops, settler, rules, self.telemetry, clock, tracing)
        self.queues: Queues = beside.queues if beside else Queues(self.tenant)
        adds = Adds(self.tenant, self.queues, Adder(self.queues, once), rules.prefix)
        adding = Attempts(adds, claims, outage, rules, clock)
        self.adds = Consumer(adding, settler, rules, self.telemetry, clock, tracing)

    def delivery(
        self, body: dict[str, Any] | bytes | None = None, headers: Any = None, **more: Any
    ) -> Delivery:
        """A request's message, the plain one where nothing else is said."""
        document = REQUEST if body is None else body
        raw = document if isinstance(document, bytes) else orjson.dumps(document)
        message = Message(body=raw, headers=headers or {}, message_id=more.pop("message_id", "m-1"), **more)
        return Delivery(message, self.journal)

    def stop(self, headers: Any = None, **document: Any) -> Delivery:
        """A stop request's message: of the plain request, where nothing else is said."""
        properties = _taken(document)
        asked = {"requestId": "stop-1", "folder": {"path": "Shared"}, **document}
        target = {} if "jobKey" in asked else {"targetRequestId": "inc-1"}
        return self.delivery(target | asked, headers, **properties)

    def item(self, headers: Any = None, **document: Any) -> Delivery:
        """A message that asks for a queue item."""
        properties = _taken(document)
        asked = {"requestId": "inc-1", "queue": "Invoices", "folder": {"path": "Shared"}, **document}
        return self.delivery(asked, headers, **properties)

    async def handle(self, *deliveries: Delivery, stops: bool = False, adds: bool = False) -> None:
        """Runs a consumer until each is settled, and checks that what was said keeps to its schema."""
        consumer = self.stops if stops else self.adds if adds else self.consumer
        async with asyncio.timeout(_MOST_S), asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self.outage.watch(self.tenant.probe))
            await consumer.run(feed(deliveries))
            watch.cancel()
        for event in self.outbox.events:
            assert violations(event.schema, event.document()) == []
        for document in self.outbox.tracked:
            schema = "tracking-item.v1" if "kind" in document else "tracking.v1"
            assert violations(schema, document) == []

    async def handle_until_killed(self, delivery: Delivery, *, stops: bool = False) -> None:
        """Handles a delivery for a second; then its worker is gone, with all that it had under way."""
        async with asyncio.TaskGroup() as tasks:
            going = tasks.create_task(self.handle(delivery, stops=stops))
            await asyncio.sleep(1)
            going.cancel()

    async def handle_all_rounds(self, delivery: Delivery, *, adds: bool = False) -> int:
        """Handles a delivery, and what comes back of it after its delays; returns how often it came."""
        for rounds in range(1, 100):
            before = len(self.outbox.deferred)
            await self.handle(delivery, adds=adds)
            if len(self.outbox.deferred) == before:
                return rounds
            self.clock.now += self.outbox.deferred[-1][1]
            delivery = self.comes_back()
        raise AssertionError("it never ends")

    def comes_back(self) -> Delivery:
        """The request that was deferred last, after its delay."""
        return self.outbox.comes_back()

    @property
    def posts(self) -> int:
        """How often StartJobs was called."""
        return self.tenant.count("start")

    @property
    def codes(self) -> list[str]:
        """Why what is in the dead letters is there."""
        return [headers["jobrelay-code"] for _, headers in self.outbox.buried]


class Ruled(Shop):
    """A shop under a policy of these *rules*, which may be changed; *vouchers* are believed beside it."""

    def __init__(self, *rules: dict[str, Any], vouchers: Collection[str] = (), **more: Any) -> None:
        self.rules = list(rules)
        self._custody = Custody(OURS, lambda: vouchers)
        self.permission = Permission(self._policy, self._custody)
        super().__init__(**more)

    def comes_back(self) -> Delivery:
        """As `worker.broker` sends it round: in its own name, with the sender's in a header."""
        delivery = self.outbox.comes_back()
        message = delivery.message
        headers = {**message.headers, **self._custody.headers(message)}
        delivery.message = replace(message, user_id=OURS, headers=headers)
        return delivery

    def _policy(self) -> Policy:
        return Policy.of({"rules": self.rules})

    def told(self) -> tuple[str, str]:
        """The one event's schema, and its code if it has one."""
        (event,) = self.outbox.events
        return event.schema, str(event.data.get("code", ""))


def _taken(asked: dict[str, Any]) -> dict[str, Any]:
    """Takes the properties of a message out of what is asked for."""
    return {name: asked.pop(name) for name in ("message_id", "redelivered", "user_id") if name in asked}
