"""The course of a demonstration: what is set up, sent, broken, waited for and taken down again."""

import asyncio
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from worker.broker.address import Address
from worker.broker.topology import Topology, declare, remove
from worker.broker.visits.exchanges import declare_topics, remove_exchanges
from worker.broker.visits.letters import Letter
from worker.broker.visits.tap import burials, events, waiting
from worker.broker.visits.visit import Connection, Sender, broker_version, sender, visit
from worker.cli.demo import stage
from worker.cli.demo.load import Asked, mixed_load
from worker.cli.demo.occasions import EXCHANGES, templated_load, write_templates
from worker.cli.demo.plan import Plan
from worker.cli.demo.screen import Report, Screen
from worker.cli.demo.verdict import Tally, judge
from worker.cli.follow import documents
from worker.cli.output import Output, note
from worker.domain.messages import Message
from worker.settings import Settings, read_settings

_SCOPE = f"{Settings.model_fields['scope'].default} OR.Queues"
_LONGEST_S = 60.0
# Times of theirs may be those of a worker at its work.
_LONGEST_OF_OTHERS_S = 300.0
_LOOK_S = 0.05
_QUIET_S = 0.3
_KILL_AT = 0.35
_SENDERS = 20


class Show:
    """One demonstration, with a prefix of its own; or one for workers that run already, on theirs."""

    def __init__(self, plan: Plan, output: Output) -> None:
        self._plan = plan
        self._own = plan.simulator is None
        name = secrets.token_hex(4)
        settings = read_settings()
        self._address = Address.of(settings)
        self._topology = Topology(f"demo-{name}" if self._own else settings.prefix)
        # Where others ask too, what is ours is known by its name.
        self._run = "" if self._own else f"{name}-"
        prefix = self._topology.prefix
        self._exchanges = [f"{prefix}.{name}" for name in EXCHANGES] if plan.templates else []
        self._tally = Tally(
            templated_load(plan.requests, plan.seed, prefix)
            if plan.templates
            else mixed_load(plan.requests, plan.seed, self._run)
        )
        self._waiting_before = 0
        self._screen = Screen(output)
        self._began = self._heard_at = time.monotonic()
        self._hearing: asyncio.Future[Any]

    async def run(self) -> Report:
        """Plays it from the first process to the verdict; nothing is left, whatever happens."""
        _end_as_interrupted()
        folder = Path(tempfile.mkdtemp(prefix="jobrelay-demo-")) if self._own else None
        keep_log = True
        try:
            async with (
                visit(self._address) as connection,
                self._declared(connection),
                self._simulator() as simulator,
            ):
                place = f"RabbitMQ {broker_version(connection)}, {simulator.cloud}"
                self._screen.say(f"{self._topology.prefix}: {place}")
                async with self._listening(connection), sender(connection) as out:
                    await self._play(connection, simulator, out, folder)
                report = await self._judged(connection, simulator)
                keep_log = not report.good
        except asyncio.CancelledError:
            keep_log = False
            raise
        finally:
            if folder is not None:
                self._tidy(folder, keep_log or self._plan.keep)
        return report

    def _simulator(self) -> AbstractAsyncContextManager[stage.Simulator]:
        url = self._plan.simulator
        return stage.simulator() if url is None else stage.running_simulator(url)

    async def _play(
        self, connection: Connection, simulator: stage.Simulator, out: Sender, folder: Path | None
    ) -> None:
        tally, prefix = self._tally, self._topology.prefix
        more, signs = self._templates(folder)
        async with AsyncExitStack() as workers:

            async def begin(name: str) -> stage.Worker | None:
                if folder is None:
                    return None
                child = stage.worker(simulator.cloud, prefix, folder / name, more)
                begun = await workers.enter_async_context(child)
                await begun.ready(*signs)
                return begun

            worker = await begin("worker.log")
            await simulator.faults(stage.FAULTS)
            with self._screen.shown():
                await self._send_all(out)
                if self._plan.kill and worker:
                    await self._until(lambda: tally.requests_open < len(tally.load) * (1 - _KILL_AT))
                    worker.kill()
                    self._screen.say(f"killed the worker; {tally.requests_open} requests are open")
                    worker = await begin("worker-after.log")
                await self._until(lambda: tally.requests_open == 0 and tally.jobs_open == 0)
                await self._drained(connection)
                if worker:
                    await worker.stop()
                await self._until(lambda: time.monotonic() > self._heard_at + _QUIET_S)

    def _templates(self, folder: Path | None) -> tuple[dict[str, str], tuple[str, ...]]:
        """What a worker is told of its templates, and what it says when it is ready."""
        if not self._plan.templates or folder is None:
            return {}, ("worker.ready",)
        write_templates(folder / "templates", self._topology.prefix)
        told = {"JOBRELAY_TEMPLATES_DIR": str(folder / "templates"), "JOBRELAY_SCOPE": _SCOPE}
        return told, ("worker.ready", "templates.bound")

    async def _send_all(self, out: Sender) -> None:
        """Publishes the load, a request's copies one right after the other, as an unsure sender does."""
        parts = [self._tally.load[i::_SENDERS] for i in range(_SENDERS)]
        await asyncio.gather(*(self._send(out, part) for part in parts))

    async def _send(self, out: Sender, part: Sequence[Asked]) -> None:
        for asked in part:
            for _ in range(asked.copies):
                exchange = asked.exchange or self._topology.requests
                await out.send(exchange, asked.routing_key, _message(asked))

    @asynccontextmanager
    async def _listening(self, connection: Connection) -> AsyncIterator[None]:
        """Hears everything that is said, for the time of the block."""
        async with events(connection, self._topology) as said, burials(connection, self._topology) as buried:

            async def hear() -> None:
                async for event in documents(said):
                    if self._tally.take(event):
                        self._heard_at = time.monotonic()

            async def mourn() -> None:
                async for message in buried:
                    code = Letter.of(message, self._topology).code
                    if self._tally.bury(message.correlation_id, code):
                        self._heard_at = time.monotonic()

            self._hearing = asyncio.gather(hear(), mourn())
            try:
                yield
            finally:
                self._hearing.cancel()
                with suppress(asyncio.CancelledError):
                    await self._hearing

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Waits for *condition*; after a minute, or five, the verdict says what is missing."""
        while not condition() and self._in_time():
            self._screen.update(self._tally)
            if self._hearing.done():
                self._hearing.result()
            await asyncio.sleep(_LOOK_S)
        self._screen.update(self._tally)

    async def _drained(self, connection: Connection) -> None:
        """Waits as long at most for what nobody tells of: events that nobody wants, second copies."""
        before = self._waiting_before
        while await waiting(connection, self._topology) > before and self._in_time():  # noqa: ASYNC110 - polled
            await asyncio.sleep(_LOOK_S)

    def _in_time(self) -> bool:
        longest = _LONGEST_S if self._own else _LONGEST_OF_OTHERS_S
        return time.monotonic() < self._began + longest

    async def _judged(self, connection: Connection, simulator: stage.Simulator) -> Report:
        ledger = await simulator.ledger()
        about = {
            "load": "events" if self._plan.templates else "requests",
            "prefix": self._topology.prefix,
            "seed": self._plan.seed,
            "killed": self._plan.kill,
            "seconds": round(time.monotonic() - self._began, 1),
        }
        prefix = self._topology.prefix
        starts, items = (
            [one for one in ledger[what] if str(one["reference"]).startswith(f"{prefix}:{self._run}")]
            for what in ("starts", "items")
        )
        verdict = judge(self._tally, starts, prefix, items)
        left = max(0, await waiting(connection, self._topology) - self._waiting_before)
        return Report(about, self._tally, verdict, ledger["calls"], await simulator.struck(), left)

    @asynccontextmanager
    async def _declared(self, connection: Connection) -> AsyncIterator[None]:
        """The exchanges and queues, for the time of the block; those of others stay."""
        try:
            await declare(connection, self._topology)
            await declare_topics(connection, self._exchanges)
            self._waiting_before = await waiting(connection, self._topology)
            yield
        finally:
            if self._own and not self._plan.keep:
                await asyncio.shield(remove_exchanges(connection, self._exchanges))
                await asyncio.shield(remove(connection, self._topology))

    def _tidy(self, folder: Path, keep_log: bool) -> None:
        if keep_log and any(folder.iterdir()):
            note(f"the worker's log is in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        if self._plan.keep:
            note(f"the queues are kept: JOBRELAY_PREFIX={self._topology.prefix} jobrelay dead list")


def _message(asked: Asked) -> Message:
    return Message(
        body=asked.body,
        content_type=asked.content_type,
        correlation_id=asked.id,
        message_id=str(uuid4()),
        timestamp=datetime.now(UTC),
        app_id="jobrelay-demo",
    )


def _end_as_interrupted() -> None:
    """A polite end by another signal cleans up as Ctrl-C does."""
    main = asyncio.current_task()
    if main is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, main.cancel)
