"""The composition root: which parts there are, how they are joined, and in which order they stop."""

import asyncio
import gc
import socket
import time
from collections.abc import Collection, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from signal import SIGINT, SIGTERM

import structlog

from worker.app.broker import Broker
from worker.app.events import Events
from worker.broker.address import Address
from worker.broker.connection import unless_cancelled
from worker.domain.flight.steps import Patience
from worker.domain.policy.custody import Custody
from worker.ledger.memory import MemoryLedger
from worker.ledger.redis import RedisLedger
from worker.orchestrator.client import Client
from worker.otel import tracing
from worker.pipeline.holding.outage import Outage
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.holding.reach import watch
from worker.pipeline.permission import Permission
from worker.pipeline.permission.file import PolicyFile
from worker.pipeline.rules import Teller
from worker.pipeline.starting import Starting, rules_of
from worker.settings import Settings
from worker.tracking.role import Tracking
from worker.web.gathering import Gathering
from worker.web.health import Health
from worker.web.metrics import Metrics
from worker.web.server import serve
from worker.web.webhook import Webhook

ROLES = frozenset({"start", "track", "web"})

_TAKING = frozenset({"start", "track"})
_NEEDED_TO_TAKE = ("broker-consume", "token", "orchestrator", "ledger")

_log = structlog.get_logger(__name__)


class Worker:
    """One worker process: the edges to the broker and to Orchestrator, and the roles between them."""

    def __init__(self, settings: Settings, roles: Collection[str]) -> None:
        address = Address.of(settings)
        self._settings = settings
        self._roles = frozenset(roles)
        self._source = f"urn:jobrelay:{settings.prefix}"
        self._stopping = Stopping()
        self._metrics = Metrics(settings.prefix)
        self._health = Health(without=() if self._roles & _TAKING else _NEEDED_TO_TAKE)
        self._outage = Outage(self._stopping, self._metrics.pressure.outage, time.time)
        self._policy = PolicyFile(
            settings.policy_file if self._roles & _TAKING else None, partial(self._health.set, "policy")
        )
        self._custody = Custody(address.user, self._policy.vouchers)
        self._broker = Broker(
            settings, address, self._roles, self._health, self._metrics.broker, self._custody
        )
        self._tracing = tracing(address, self._broker.topology)
        self._client = Client(settings, self._metrics.orchestrator, self._tracing.on_exchange)
        self._events = Events(
            settings.templates_dir if "start" in self._roles else None,
            self._broker,
            self._metrics.templates,
            partial(self._health.set, "templates"),
        )
        self._named = Gathering(self._look)
        self._webhook = Webhook(settings.webhook_secrets, self._named.add, self._metrics.process.notice)
        self._shared = self._shared_ledger()
        self._ledger = self._shared or MemoryLedger()

    async def run(self) -> None:
        """Works until SIGTERM or SIGINT, then finishes what is in hand; a second signal ends at once."""
        self._on_signal(asyncio.current_task())
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._tracing)
            if "web" in self._roles:
                web = serve(self._settings.http_port, self._health, self._metrics, self._webhook)
                await stack.enter_async_context(web)
            await stack.enter_async_context(self._client)
            await self._work()

    def _look(self, jobs: Sequence[str]) -> None:
        """Jobs, by their keys, that may have changed: whoever follows them looks at them now."""
        self._broker.hints.send({"kind": "look", "jobs": list(jobs)})

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            edges = [tasks.create_task(_noticed(edge)) for edge in self._edges()]
            roles = [tasks.create_task(_noticed(role)) for role in self._role_runs()]
            await self._stopping.wait()
            self._client.hurry()
            _log.info("worker.stopping", grace_s=self._settings.grace_s)
            # In tasks of their own: the library may swallow the cancellation that a second signal is.
            closing = [tasks.create_task(inbox.close()) for inbox in self._broker.inboxes]
            if closing:
                await asyncio.wait(closing)
            _, late = await asyncio.wait(roles, timeout=self._settings.grace_s) if roles else ((), ())
            for inbox in self._broker.inboxes:
                await inbox.flush()
            for task in (*late, *edges):
                task.cancel()
        _log.info("worker.stopped", given_up=len(late))

    def _edges(self) -> list[Coroutine[None, None, None]]:
        edges: list[Coroutine[None, None, None]] = [*self._broker.runs()]
        if self._roles & _TAKING:
            edges += [self._policy.watch(), self._events.watch()]
            edges.append(watch(self._client, self._outage, self._health.set))
            edges.append(self._outage.watch(self._client.probe))
        if self._shared is not None:
            edges.append(self._shared.keep())
        return edges

    def _role_runs(self) -> list[Coroutine[None, None, None]]:
        runs: list[Coroutine[None, None, None]] = []
        if "start" in self._roles:
            self._metrics.requests.limit(self._settings.concurrency)
            starter = self._starter()
            runs.append(starter.run(self._broker.inboxes_of("start")))
            events = self._events.role(starter, self._custody.user)
            runs.append(events.run(self._broker.inboxes_of("templates")))
        if "track" in self._roles:
            runs.append(self._tracker().run(self._broker.inboxes_of("track")))
        return runs

    def _tracker(self) -> Tracking:
        settings = self._settings
        return Tracking(
            orchestrator=self._client,
            items=self._client.queues,
            outbox=self._tracing.outbox(self._broker.outbox),
            hints=self._broker.hints,
            leases=self._broker.leases,
            telemetry=self._metrics.jobs,
            item_telemetry=self._metrics.items,
            stopping=self._stopping,
            clock=time.time,
            source=self._source,
            patience=Patience(
                settings.poll_interval_s,
                settings.pending_reasons_s,
                settings.expire_after_s,
                settings.consumer_timeout_s,
                settings.http_timeout_s + settings.commit_slack_s,
            ),
            lists_a_minute=settings.poll_budget_per_min,
        )

    def _starter(self) -> Starting:
        return Starting(
            orchestrator=self._client,
            queues=self._client.queues,
            outbox=self._tracing.outbox(self._broker.outbox),
            ledger=self._ledger,
            outage=self._outage,
            telemetry=self._metrics.requests,
            tracer=self._tracing,
            limited=self._metrics.pressure.start_limit,
            stopping=self._stopping,
            clock=time.time,
            teller=Teller(self._source, socket.gethostname()),
            rules=rules_of(self._settings, Permission(self._policy.current, self._custody)),
            concurrency=self._settings.concurrency,
        )

    def _shared_ledger(self) -> RedisLedger | None:
        """Raises `SettingsError` where one is set and its library is not there."""
        url = self._settings.redis_url
        if url is None or "start" not in self._roles:
            return None
        from worker.ledger.store import Store  # noqa: PLC0415 - its library is an extra

        store = Store(url.get_secret_value(), self._settings.prefix, time.time)
        self._metrics.process.ledger_shared(on=True)
        return RedisLedger(store, self._ledger_is, self._metrics.process.ledger_from_memory)

    def _ledger_is(self, ok: bool, reason: str | None) -> None:
        self._health.set("ledger", ok, reason)
        self._metrics.process.ledger_available(ok)

    def _on_signal(self, main: asyncio.Task[None] | None) -> None:
        def stop() -> None:
            if self._stopping and main is not None:
                main.cancel()
            self._stopping.begin()

        loop = asyncio.get_running_loop()
        for signal in (SIGTERM, SIGINT):
            loop.add_signal_handler(signal, stop)


async def _noticed(part: Coroutine[None, None, None]) -> None:
    """Runs *part*, and raises where a library cancels it: a worker must not go on without it."""
    try:
        await part
    except asyncio.CancelledError as error:
        unless_cancelled()
        raise RuntimeError(f"{part!r} was cancelled, and not by us") from error


async def run(settings: Settings, roles: Collection[str] = ROLES) -> int:
    """Runs a worker to its end and returns its exit code. Raises `SettingsError` where it cannot begin."""
    settings.require_credentials()
    # What is loaded now stays: not to be looked through at every collection.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)
    try:
        await Worker(settings, roles).run()
    except asyncio.CancelledError:
        return 1
    return 0
