"""The role of the templates: requests are made of events, each confirmed before its event's ack."""

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from worker.domain.events import Sender
from worker.domain.failures import Code, Overtaken, Rejected, Violation
from worker.domain.messages import Message, doubt, past_of
from worker.domain.outcomes import Refused
from worker.domain.requests import Kind
from worker.domain.trace import trace_of
from worker.pipeline.case import Case
from worker.pipeline.permission import Believed
from worker.pipeline.ports import Clock, Delivery
from worker.pipeline.rules import Rules
from worker.pipeline.settle import Settler
from worker.templates.event import name_of, read
from worker.templates.make import Failed, Made, make_all
from worker.templates.model import Template
from worker.templates.ports import Outbox, Telemetry
from worker.templates.travel import Places, at_home, correlation_of, lap, life_of, origin_of, request_of

# Given back at once, an event that we fail at would go round as fast as it can.
_AFTER_DEFECT_S = 5.0
# Expressions may look through an event again and again: fifty projections of 49 kB took 0.4 s, in which
# nobody else would be heard.
_BIG = 8_192
_LISTED_MOST = 20
_SAID_MOST = 500
_NAME_MOST = 255  # AMQP's own limit, which a header that names one need not keep

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """What the role works with. *current* gives the templates in force, *user* is our name at the broker.

    *key* is the routing key by which an event comes back to its queue.
    """

    outbox: Outbox
    settler: Settler
    rules: Rules
    current: Callable[[], Sequence[Template]]
    telemetry: Telemetry
    clock: Clock
    places: Places
    key: str
    user: str

    async def run(self, inboxes: Sequence[AsyncIterable[Delivery]]) -> None:
        """Handles every event; returns when they end and the last one is settled."""
        async with asyncio.TaskGroup() as tasks:
            for inbox in inboxes:
                tasks.create_task(self._take(inbox, tasks))

    async def _take(self, inbox: AsyncIterable[Delivery], tasks: asyncio.TaskGroup) -> None:
        async for delivery in inbox:
            tasks.create_task(self.handle(delivery))

    async def handle(self, delivery: Delivery) -> None:
        """Sees one event to its settlement. A defect of ours costs this event a delay, nobody else."""
        try:
            outcome = await self._handled(self._opened(delivery))
        except Overtaken:
            _log.info("event.overtaken", message_id=delivery.message.message_id)
        except Exception:  # noqa: BLE001 - whatever it is, the neighbours must not pay for it
            _log.exception("event.unsettled", message_id=delivery.message.message_id)
            await asyncio.sleep(_AFTER_DEFECT_S)
            delivery.give_back()
        else:
            self.telemetry.event(outcome)

    def _opened(self, delivery: Delivery) -> "_Taken":
        believed = self.rules.permission.believed(delivery)
        origin = origin_of(believed.message, self.places)
        message = at_home(believed.message, origin, self.places)
        listening = [
            one for one in self.current() if origin and one.listens_to(origin.exchange, origin.routing_key)
        ]
        kind = listening[0].kind if listening else Kind.START
        past = past_of(message, self.clock(), self.rules.window_s)
        trace = trace_of(message.headers)
        sender = Sender(None, correlation_of(message), trace=trace, metadata={}, kind=kind)
        named = name_of(origin or message)
        case = Case(delivery=Believed(believed, message), past=past, sender=sender, event=named)
        return _Taken(origin, case, listening)

    async def _handled(self, taken: "_Taken") -> str:
        """What became of an event, settled."""
        case, origin = taken.case, taken.origin
        if await self.settler.has_ended(case):
            case.delivery.ack()
            return "repeated"
        if case.refusal is not None:
            return await self._reject(case, case.refusal)
        if case.past.deliveries > self.rules.max_attempts:
            return await self._refuse(taken, _worn(case.past.deliveries))
        if origin is None:
            return await self._refuse(taken, _nowhere(self.places))
        if not taken.listening:
            return await self._pass_on(case, origin)
        try:
            results = await self._results(taken, origin)
        except Rejected as why:
            return await self._refuse(taken, why)
        return await self._settle(taken, results)

    async def _results(self, taken: "_Taken", origin: Message) -> list[Made | Failed]:
        def work() -> list[Made | Failed]:
            return make_all(taken.listening, read(origin, taken.case.past.first_at))

        return await asyncio.to_thread(work) if len(origin.body) > _BIG else work()

    async def _settle(self, taken: "_Taken", results: Sequence[Made | Failed]) -> str:
        case = taken.case
        made = [one for one in results if isinstance(one, Made)]
        failed = [one for one in results if isinstance(one, Failed)]
        await asyncio.gather(*(self._request(one, case) for one in made))
        for one in failed:
            self.telemetry.failed(one.template)
        if failed:
            case.sender = replace(case.sender, metadata={"template": failed[0].template})
            return await self._refuse(taken, _failure(failed))
        case.delivery.ack()
        return self._said(case, "made" if made else "unmet", templates=[one.template for one in made])

    async def _request(self, made: Made, case: Case) -> None:
        now, message = self.clock(), case.message
        life = life_of(message, case.past, self.rules.window_s, now)
        request = request_of(made, message, self.user, life, now)
        await self.outbox.request(request, made.kind, case.in_hand)
        self.telemetry.made(made.template)

    async def _pass_on(self, case: Case, origin: Message) -> str:
        """Nobody here is for it: it goes round, for a worker that knows more, and is let go in the end."""
        seconds = lap(case.past)
        if seconds is None:
            case.delivery.ack()
            return self._said(case, "unwanted", exchange=origin.exchange, routing_key=origin.routing_key)
        if not case.in_hand():
            raise Overtaken
        headers = case.past.after(None, case.past.safe_at)
        # A second copy, where the confirm is lost: what the first one may become has to be done by then.
        twin = doubt(self.clock() + seconds + self.rules.window_s, None)
        await self.outbox.defer(case.message, self.key, seconds, headers, headers | twin)
        case.delivery.ack()
        return "round"

    async def _refuse(self, taken: "_Taken", why: Rejected) -> str:
        return await self._reject(taken.case, _about(taken.origin, why))

    async def _reject(self, case: Case, why: Rejected) -> str:
        await self.settler.settle(case, Refused(why))
        outcome = "failed" if why.code is Code.TEMPLATE_FAILED else "rejected"
        return self._said(case, outcome, code=why.code, detail=why.detail[:_SAID_MOST])

    def _said(self, case: Case, outcome: str, **facts: Any) -> str:
        _log.info("event.settled", outcome=outcome, message_id=case.message.message_id, **facts)
        return outcome


@dataclass(frozen=True, slots=True)
class _Taken:
    """An event in hand, and as its application published it."""

    origin: Message | None
    case: Case
    listening: Sequence[Template]


def _about(origin: Message | None, why: Rejected) -> Rejected:
    """*why*, and of which event, by what its sender knows of it."""
    if origin is None:
        return why
    exchange, key = origin.exchange[:_NAME_MOST], origin.routing_key[:_NAME_MOST]
    return replace(why, detail=f"an event of '{exchange}' with key '{key}': {why.detail}")


def _failure(failed: Sequence[Failed]) -> Rejected:
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return Rejected(
        Code.TEMPLATE_FAILED,
        f"{failed[0]}{more}",
        "mend the template, or what sends the event; then replay the dead letter: it comes to the templates",
        violations=tuple(map(_violation, failed[:_LISTED_MOST])),
    )


def _violation(failed: Failed) -> Violation:
    place, said = f"/{failed.template}{failed.pointer}", f"{failed.expression} {failed.reason}".strip()
    return Violation(place[:_SAID_MOST], said[:_SAID_MOST])


def _worn(deliveries: int) -> Rejected:
    return Rejected(
        Code.ATTEMPTS_EXHAUSTED,
        f"it was delivered {deliveries} times and never settled: a worker may have died of it",
        "look for what is special about this event, and replay it when that is mended",
    )


def _nowhere(places: Places) -> Rejected:
    return Rejected(
        Code.INVALID_REQUEST,
        f"the event came to {places.queue} itself, and where it was published is not known",
        "publish events to an exchange that a template names",
    )
