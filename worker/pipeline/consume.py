"""The story of a request, from the arrival of its message to its settlement."""

import asyncio
import re
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import structlog

from worker.domain.events import Sender
from worker.domain.failures import Overtaken, Rejected
from worker.domain.messages import Message, past_of
from worker.domain.outcomes import Deferred, Outcome, Refused, Repeated, Returned, Started, StopAsked
from worker.domain.requests import Kind
from worker.pipeline.case import Case
from worker.pipeline.ports import Clock, Delivery, Telemetry
from worker.pipeline.settle import Rules, Settler
from worker.pipeline.validate import expires_at_of, hold_to, read, request_id_of

# Given back at once, a message that we fail at would go round as fast as it can.
_AFTER_DEFECT_S = 5.0
# W3C's form. Another one would break the schema of events, and of what is tracked.
_TRACE_CONTEXT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

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
    ) -> None:
        self._work = work
        self._settler = settler
        self._rules = rules
        self._telemetry = telemetry
        self._clock = clock
        self._in_hand: dict[str, _Running] = {}

    async def run(self, deliveries: AsyncIterable[Delivery]) -> None:
        """Handles every delivery; returns when they end and the last one is settled."""
        async with asyncio.TaskGroup() as tasks:
            async for delivery in deliveries:
                tasks.create_task(self.handle(delivery))

    async def handle(self, delivery: Delivery) -> None:
        """Sees one delivery to its settlement. A defect of ours costs this delivery a delay, nobody else."""
        try:
            await self._handle(delivery)
        except Overtaken:
            _log.info("request.overtaken", message_id=delivery.message.message_id)
        except Exception:  # noqa: BLE001 - whatever it is, the neighbours must not pay for it
            _log.exception("request.unsettled", message_id=delivery.message.message_id)
            self._telemetry.defect()
            await asyncio.sleep(_AFTER_DEFECT_S)
            delivery.give_back()

    async def _handle(self, delivery: Delivery) -> None:
        began = perf_counter()
        case, document, trouble = self._opened(delivery)
        if await self._settler.has_ended(case):
            outcome: Outcome = Repeated()
            await self._settler.settle(case, outcome)
        elif document is None or case.sender.request_id is None:
            # Without an id nothing can ever have been sent for it.
            outcome = Refused(case.refusal or trouble or self._invalid(document or {}))
            await self._settler.settle(case, outcome)
        else:
            outcome = await self._unless_in_hand(case, document)
        self._told(case, outcome, perf_counter() - began)

    def _opened(self, delivery: Delivery) -> tuple[Case, dict[str, Any] | None, Rejected | None]:
        message, now = delivery.message, self._clock()
        past = past_of(message, now, self._rules.window_s)
        try:
            document = read(message)
        except Rejected as why:
            sender = sender_of(message, {}, self._rules.prefix, self._work.kind)
            return Case(delivery=delivery, past=past, sender=sender), None, why
        sender = sender_of(message, document, self._rules.prefix, self._work.kind)
        case = Case(
            delivery=delivery,
            past=past,
            sender=sender,
            reference=f"{self._rules.prefix}:{sender.request_id}",
            expires_at=expires_at_of(document),
        )
        return case, document, None

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

    def _invalid(self, document: Mapping[str, Any]) -> Rejected:
        try:
            hold_to(self._work.schema, document, self._rules.default_folder)
        except Rejected as why:
            return why
        raise TypeError("a document without a requestId keeps to the schema")

    def _told(self, case: Case, outcome: Outcome, seconds: float) -> None:
        """One line and one count for each request."""
        name, code = _words(outcome)
        self._telemetry.settled(name, code, seconds)
        if isinstance(outcome, Started) and outcome.surplus:
            self._telemetry.duplicates(len(outcome.surplus))
        _log.info(
            "request.settled",
            kind=case.sender.kind,
            request_id=case.sender.request_id,
            outcome=name,
            code=code or None,
            jobs=len(outcome.jobs) if isinstance(outcome, Started | StopAsked) else None,
            adopted=outcome.adopted if isinstance(outcome, Started) else None,
            attempt=case.past.attempt,
            ms=round(seconds * 1000, 1),
        )


def sender_of(message: Message, document: Mapping[str, Any], prefix: str, kind: Kind = Kind.START) -> Sender:
    """Who sent *message* and where its answers go; what is not as it must be counts as absent."""
    metadata = document.get("metadata")
    traceparent = message.headers.get("traceparent")
    reply_to = message.reply_to
    return Sender(
        request_id=request_id_of(document),
        correlation_id=message.correlation_id,
        reply_to=None if reply_to and reply_to.startswith(f"{prefix}.") else reply_to,
        traceparent=traceparent if _is_trace_context(traceparent) else None,
        metadata=metadata if isinstance(metadata, dict) and _all_text(metadata) else {},
        kind=kind,
    )


def _is_the_same(message: Message, lost: Delivery) -> bool:
    """True for what the broker gives out again because the delivery in hand was lost; not for its twins."""
    of = lost.message
    same = message.message_id == of.message_id and message.body == of.body
    return same and message.redelivered and not lost.is_open


def _is_trace_context(value: Any) -> bool:
    return isinstance(value, str) and _TRACE_CONTEXT.fullmatch(value) is not None


def _all_text(metadata: dict[Any, Any]) -> bool:
    return all(isinstance(value, str) for value in metadata.values())


def _words(outcome: Outcome) -> tuple[str, str]:
    if isinstance(outcome, Refused):
        return "rejected", outcome.why.code
    if isinstance(outcome, Deferred):
        return "deferred", outcome.code
    if isinstance(outcome, StopAsked):
        return "stop-requested", ""
    return type(outcome).__name__.lower(), ""
