"""Letters leave: sent again, or dropped.

A letter is acknowledged last: when the broker has confirmed what is sent for it, and the event that says so.
Killed in between, the letter is there again, and its request may be there twice: both copies are replays, so
each is looked up in Orchestrator before anything is started for it, and the event has the same id.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from worker.broker.address import Address
from worker.broker.connection import broken_off
from worker.broker.topology import Topology
from worker.broker.visits.box import DeadLetters, Held
from worker.broker.visits.letters import Letter, NoPlace
from worker.broker.visits.visit import NotTaken, Sender, sender, visit
from worker.cli.dead.choice import Choice, looking
from worker.cli.output import Failed, Output, complain, note
from worker.domain.events import Event, request_replayed
from worker.domain.failures import Code, Rejected
from worker.domain.messages import REPLAYS
from worker.domain.policy.custody import Custody
from worker.pipeline.case import sender_of
from worker.pipeline.permission import Permission
from worker.pipeline.permission.file import PolicyFile
from worker.pipeline.validate import read
from worker.settings import Settings

_AT_ONCE = 50
_KINDS = ("job.start", "job.stop", "queue-item.add")
_CODES = frozenset(Code)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be sent again: at most *rate* a second, where given, and requests with *routing_key*."""

    choice: Choice
    rate: float | None
    routing_key: str | None
    dry_run: bool


@dataclass(slots=True)
class Tally:
    """How far it is."""

    done: int = 0
    failed: int = 0


async def replay_letters(settings: Settings, output: Output, order: Order) -> None:
    """Sends the letters meant again. Raises `Failed` at the end where some stayed."""
    topology, tally = Topology(settings.prefix), Tally()
    async with looking(settings) as box:
        if order.dry_run:
            await _foretell(box, output, order, topology)
            return
        address = Address.of(settings)
        policy = PolicyFile(settings.policy_file, lambda *_: None)
        # A letter goes on for whoever sent it, as far as whoever buried it is believed.
        custody = Custody(address.user, policy.vouchers)
        async with (
            visit(address) as connection,
            sender(connection, custody) as out,
            _summed(output, "replayed", tally),
        ):
            permission = Permission(policy.current, custody)
            post = _Post(out, topology, order.routing_key, tally, permission)
            with _progress(output, box, "replayed", tally, len(order.choice.ids)) as shown:
                await _many_at_once(_shown(_paced(order.choice.among(box), order.rate), shown), post.again)
    if tally.failed:
        raise Failed(f"{tally.failed} could not be sent again and stay where they are")


async def drop_letters(settings: Settings, output: Output, choice: Choice) -> None:
    """Takes the letters meant off for good. No event tells of it, so each is logged."""
    tally = Tally()
    async with looking(settings) as box, _summed(output, "dropped", tally):
        with _progress(output, box, "dropped", tally, len(choice.ids)) as shown:
            async for held in _shown(choice.among(box), shown):
                await held.drop()
                tally.done += 1
                _log.warning("letter.dropped", **_named(held.letter))


class _Post:
    """Sends letters again and tells of it, each in the order that loses nothing."""

    def __init__(
        self, out: Sender, topology: Topology, routing_key: str | None, tally: Tally, permission: Permission
    ) -> None:
        self._out = out
        self._permission = permission
        self._topology = topology
        self._routing_key = routing_key
        self._tally = tally

    async def again(self, held: Held) -> None:
        """The request, then the event, then the letter's ack. What is not taken is told, and stays."""
        letter, topology, now = held.letter, self._topology, time.time()
        try:
            exchange, key = letter.place(topology, self._routing_key)
            message = letter.again(topology, self._permission.as_believed, now)
            await self._out.send(exchange, key, message)
            event = _event(letter, key, message.headers[REPLAYS], topology.prefix, now)
            await self._out.announce(topology.events, event)
        except (NoPlace, NotTaken) as why:
            complain(f"{letter.id}: {why}")
            self._tally.failed += 1
            return
        await held.drop()
        self._tally.done += 1
        if self._routing_key is None and letter.remedy:
            note(f"{letter.id}: {letter.code}: {letter.remedy}")


def _event(letter: Letter, key: str, replays: int, prefix: str, now: float) -> Event:
    try:
        document = read(letter.message)
    except Rejected:
        document = {}
    facts = {
        "kind": key if key in _KINDS else None,
        "deadLetterId": letter.id,
        "code": letter.code if letter.code in _CODES else None,
        "replays": replays,
    }
    who = sender_of(letter.message, document, prefix)
    return request_replayed(f"urn:jobrelay:{prefix}", who, facts, now)


async def _foretell(box: DeadLetters, output: Output, order: Order, topology: Topology) -> None:
    """Says for each letter meant to where it would be sent, or why it cannot be."""
    async for held in order.choice.among(box):
        letter, exchange, key, problem = held.letter, None, None, None
        try:
            exchange, key = letter.place(topology, order.routing_key)
        except NoPlace as why:
            problem = str(why)
        if output.as_json:
            place = {"exchange": exchange, "routingKey": key, "problem": problem, "remedy": letter.remedy}
            output.record({"id": letter.id, "code": letter.code, **place})
        else:
            said = problem or "; ".join(filter(None, (f"to {exchange!r} as {key!r}", letter.remedy)))
            output.line(f"{letter.id}  {letter.code}: {said}")


async def _paced(letters: AsyncIterator[Held], rate: float | None) -> AsyncIterator[Held]:
    """No more than *rate* a second, however long each takes."""
    now = asyncio.get_running_loop().time
    due = now()
    async for held in letters:
        await asyncio.sleep(max(0.0, due - now()))
        due = now() + (1 / rate if rate else 0)
        yield held


async def _many_at_once(letters: AsyncIterator[Held], work: Callable[[Held], Awaitable[None]]) -> None:
    """Does *work* for each, fifty at once. Cancelled, it takes no more, and first ends what it has begun."""
    free, cancelled = asyncio.Semaphore(_AT_ONCE), None

    async def do(held: Held) -> None:
        try:
            with broken_off():
                await work(held)
        finally:
            free.release()

    try:
        async with asyncio.TaskGroup() as tasks:
            try:
                async for held in letters:
                    await free.acquire()
                    tasks.create_task(do(held))
            except asyncio.CancelledError as end:
                cancelled = end
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    if cancelled is not None:
        raise cancelled


@asynccontextmanager
async def _summed(output: Output, what: str, tally: Tally) -> AsyncIterator[None]:
    """Says at the end how many it were, also where that comes early."""
    try:
        yield
    except BaseException:
        note(f"{tally.done} {what} until then; the others stay where they are")
        raise
    if output.as_json:
        output.record({what: tally.done})
    else:
        output.line(f"{tally.done} {what}.")


async def _shown(letters: AsyncIterator[Held], shown: Callable[[], None]) -> AsyncIterator[Held]:
    async for held in letters:
        yield held
        shown()


@contextmanager
def _progress(
    output: Output, box: DeadLetters, what: str, tally: Tally, named: int
) -> Iterator[Callable[[], None]]:
    """A bar of the letters *named*, else of those looked at, drawn anew at each call."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=output.console, transient=True, disable=output.as_json) as progress:
        task = progress.add_task(what, total=named or box.count)

        def shown() -> None:
            far = tally.done + tally.failed if named else box.seen
            about = "" if named else "; looked at"
            progress.update(task, completed=far, description=f"{tally.done} {what}{about}")

        yield shown


def _named(letter: Letter) -> dict[str, Any]:
    message = letter.message
    about = {"message_id": message.message_id, "correlation_id": message.correlation_id}
    return {"id": letter.id, "code": letter.code, "routing_key": letter.routing_key, **about}
