"""The story of a request, from the arrival of its message to its settlement."""

import asyncio
from collections.abc import AsyncIterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import structlog
from structlog.contextvars import bind_contextvars

from worker.domain.failures import Overtaken, Rejected
from worker.domain.messages import Message, past_of
from worker.domain.outcomes import Deferred, Done, Outcome, Refused, Repeated, Returned, Started, StopAsked
from worker.domain.requests import Kind
from worker.domain.trace import Trace
from worker.pipeline.case import Case, sender_of
from worker.pipeline.ports import Clock, Delivery, Telemetry
from worker.pipeline.rules import Rules
from worker.pipeline.settle import Settler
from worker.pipeline.validate import expires_at_of, hold_to, read

# Given back at once, a message that we fail at would go round as fast as it can.
_AFTER_DEFECT_S = 5.0

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Running:
    delivery: Delivery
    ended: asyncio.Future[Outcome]


class Work(Protocol):
    """What is done for requests of one kind, held to one schema."""

    kind: Kind
    schema: str

    async def outcome(self, case: Case, document: Mapping[str, Any]) -> Outcome:
        """What is to become of a request."""


class Span(Protocol):
    """One delivery's way through the worker, as a trace shows it."""

    @property
    def delivery(self) -> Delivery:
        """The delivery; its settlement is a part of the way."""

    @property
    def trace(self) -> Trace | None:
        """Where all that is done for it belongs; None: where the message itself says."""

    def tell(self, facts: Mapping[str, Any]) -> None:
        """What became of it, by names: `outcome`, `code` (why not) and others."""


class Tracer(Protocol):
    """Makes spans of what is done; never in the way."""

    def processing(self, delivery: Delivery, kind: Kind) -> AbstractContextManager[Span]:
        """A span for as long as *delivery*, a request of that *kind*, is in hand."""


class Consumer:
    """Handles one kind of request, each delivery in a task of its own.

    The broker's prefetch bounds how many there are.
    """

    def __init__(
        self,
        work: Work,
        settler: Settler,
        rules: Rules,
        telemetry: Telemetry,
        clock: Clock,
        tracer: Tracer,
    ) -> None:
        self._work = work
        self._settler = settler
        self._rules = rules
        self._telemetry = telemetry
        self._clock = clock
        self._tracer = tracer
        self._in_hand: dict[str, _Running] = {}

    async def run(self, deliveries: AsyncIterable[Delivery]) -> None:
        """Handles every delivery; returns when they end and the last one is settled."""
        async with asyncio.TaskGroup() as tasks:
            async for delivery in deliveries:
                tasks.create_task(self.handle(delivery))

    async def handle(self, delivery: Delivery) -> None:
        """Sees one delivery to its settlement. A defect of ours costs this delivery a delay, nobody else."""
        believed = self._rules.permission.believed(delivery)
        with self._tracer.processing(believed, self._work.kind) as span:
            try:
                await self._handle(span)
            except Overtaken:
                _log.info("request.overtaken", message_id=delivery.message.message_id)
                span.tell({"outcome": "overtaken"})
            except Exception as defect:  # noqa: BLE001 - whatever it is, the neighbours must not pay for it
                _log.exception("request.unsettled", message_id=delivery.message.message_id)
                span.tell({"outcome": "unsettled", "code": type(defect).__name__})
                self._telemetry.defect()
                await asyncio.sleep(_AFTER_DEFECT_S)
                span.delivery.give_back()

    async def _handle(self, span: Span) -> None:
        began = perf_counter()
        case, document, trouble = self._opened(span)
        # Each delivery has a task, and so a context, of its own.
        bind_contextvars(request_id=case.sender.request_id, trace_id=case.sender.trace_id)
        if await self._settler.has_ended(case):
            outcome: Outcome = Repeated()
            await self._settler.settle(case, outcome)
        elif (why := trouble or self._at_once(case, document)) is not None:
            outcome = Refused(case.refusal or why)
            await self._settler.settle(case, outcome)
        else:
            outcome = await self._unless_in_hand(case, document)
        span.tell(self._told(case, outcome, perf_counter() - began))

    def _opened(self, span: Span) -> tuple[Case, dict[str, Any], Rejected | None]:
        """The case with its document, or with an empty one and why it cannot be read."""
        message, prefix = span.delivery.message, self._rules.prefix
        document: dict[str, Any] = {}
        trouble = None
        try:
            document = read(message)
        except Rejected as why:
            trouble = why
        sender = sender_of(message, document, prefix, self._work.kind, span.trace)
        case = Case(
            delivery=span.delivery,
            past=past_of(message, self._clock(), self._rules.window_s),
            sender=sender,
            reference=f"{prefix}:{sender.request_id}",
            expires_at=expires_at_of(document),
        )
        return case, document, trouble

    def _at_once(self, case: Case, document: Mapping[str, Any]) -> Rejected | None:
        """Why it is refused before anything is asked of its id, where nothing can have been sent for it.

        So it is without an id; and fresh, of a sender who may ask for nothing: who has no rights is not told
        of others' requests, and waits for none of them.
        """
        try:
            if case.message.fresh:
                self._rules.permission.to_ask(case.message, self._work.kind)
            if case.sender.request_id is None:
                self._hold_to_schema(document)
        except Rejected as why:
            return why
        return None

    async def _unless_in_hand(self, case: Case, document: Mapping[str, Any]) -> Outcome:
        """Handles the request, unless that is being done here: the same message again shares its end."""
        request_id = str(case.sender.request_id)
        while (running := self._in_hand.get(request_id)) is not None:
            ended = await asyncio.shield(running.ended)
            if _is_the_same(case.message, running.delivery):
                outcome: Outcome = Returned() if isinstance(ended, Returned) else Repeated()
                await self._settler.settle(case, outcome)
                return outcome
        running = _Running(case.delivery, asyncio.get_running_loop().create_future())
        self._in_hand[request_id] = running
        self._telemetry.taken(case.owner)
        outcome = Returned()
        try:
            decided = await self._work.outcome(case, document)
            await self._settler.settle(case, decided)
            # Only now: whoever joined would else acknowledge what has not been said.
            outcome = decided
        finally:
            del self._in_hand[request_id]
            self._telemetry.let_go(case.owner)
            running.ended.set_result(outcome)
        return outcome

    def _hold_to_schema(self, document: Mapping[str, Any]) -> None:
        """Raises `Rejected`: this document has no requestId."""
        hold_to(self._work.schema, document, self._rules.default_folder)
        raise TypeError("a document without a requestId keeps to the schema")

    def _told(self, case: Case, outcome: Outcome, seconds: float) -> dict[str, Any]:
        """One line and one count for each request; returns the line's facts."""
        name, code = _words(outcome)
        self._telemetry.settled(name, code, seconds)
        if isinstance(outcome, Done) and outcome.surplus:
            self._telemetry.duplicates(len(outcome.surplus))
        facts = {
            "kind": case.sender.kind,
            "request_id": case.sender.request_id,
            "outcome": name,
            "code": code or None,
            "jobs": len(outcome.jobs) if isinstance(outcome, Started | StopAsked) else None,
            "adopted": outcome.adopted if isinstance(outcome, Done) else None,
            "attempt": case.past.attempt,
            "ms": round(seconds * 1000, 1),
        }
        _log.info("request.settled", **facts)
        return facts


def _is_the_same(message: Message, lost: Delivery) -> bool:
    """True for what the broker gives out again because the delivery in hand was lost; not for its twins."""
    of = lost.message
    same = message.message_id == of.message_id and message.body == of.body
    return same and message.redelivered and not lost.is_open


def _words(outcome: Outcome) -> tuple[str, str]:
    if isinstance(outcome, Refused):
        return "rejected", outcome.why.code
    if isinstance(outcome, Deferred):
        return "deferred", outcome.code
    if isinstance(outcome, StopAsked):
        return "stop-requested", ""
    return type(outcome).__name__.lower(), ""
