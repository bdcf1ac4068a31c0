"""The one place that settles a message: what is to be said is confirmed first, the ack comes last."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from typing import Any, assert_never

from worker.domain import events
from worker.domain.events import rfc3339
from worker.domain.failures import Code, Later, Rejected
from worker.domain.messages import Attempt, doubt, letter
from worker.domain.outcomes import (
    DELAYS,
    Cancelled,
    Deferred,
    Duplicate,
    Outcome,
    Refused,
    Repeated,
    Returned,
    Said,
    Started,
    StopAsked,
    Unsettled,
)
from worker.domain.queues import Added
from worker.domain.queues.events import item_tracking
from worker.domain.requests import Kind
from worker.pipeline.case import Case
from worker.pipeline.once.ends import Ends
from worker.pipeline.ports import Clock, Ledger, Outbox, Telemetry
from worker.pipeline.rules import Rules, Teller

_HAND_OVER_S = 5.0


class Settler:
    """Settles cases."""

    def __init__(
        self, outbox: Outbox, ledger: Ledger, teller: Teller, rules: Rules, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._outbox = outbox
        self._ledger = ledger
        self._ends = Ends(ledger)
        self._source = teller.source
        self._host = teller.host
        self._max_attempts = rules.max_attempts
        self._window_s = rules.window_s
        self._clock = clock
        self._telemetry = telemetry

    async def settle(self, case: Case, outcome: Outcome) -> None:
        """Says what became of the request, then settles its message. Returns when all of it is confirmed.

        Raises `Overtaken` where its end is no longer for this worker to tell.
        """
        if not isinstance(outcome, Returned):
            await self._say(case, outcome)
        elif not await self._handed_over(case, outcome.safe_at):
            case.delivery.give_back()
            return
        case.delivery.ack()

    async def _say(self, case: Case, outcome: Said) -> None:
        match outcome:
            case Started():
                await self._started(case, outcome)
            case Added():
                await self._added(case, outcome)
            case Refused(why):
                await self._refused(case, why)
            case Deferred():
                await self._deferred(case, outcome)
            case Duplicate():
                await self._duplicate(case, outcome)
            case Unsettled():
                await self._unsettled(case, outcome)
            case StopAsked():
                await self._stop_asked(case, outcome)
            case Cancelled():
                await self._cancelled(case, outcome)
            case Repeated():
                pass
            case _:
                assert_never(outcome)

    async def has_ended(self, case: Case) -> bool:
        """True where all is said already, and the ack alone was lost; see `Ends.met`."""
        return await self._ends.met(case)

    async def _started(self, case: Case, started: Started) -> None:
        now = self._clock()
        shared = {
            "process": started.process.document(),
            "folder": started.folder.document(),
            "requested": started.requested,
            "adopted": started.adopted,
            "reference": case.reference,
            "strategy": started.strategy or None,
            "attempt": case.past.attempt,
            "doubted": started.doubted,
        }
        documents = events.tracking_documents(case.sender, shared, started.jobs, now)
        created = [
            events.job_created(self._source, case.sender, document, job, now)
            for document, job in zip(documents, started.jobs, strict=True)
        ]
        surplus = [events.job_duplicate(self._source, documents[0], job, now) for job in started.surplus]
        await _all(self._outbox.announce(event) for event in (*created, *surplus))
        self._telemetry.created(case.age(self._clock()))
        followed = [*documents, *events.tracking_documents(case.sender, shared, started.surplus, now)]
        await _all(self._outbox.track(document) for document in followed)
        # Not before: a copy that reads it is acknowledged without a word.
        await self._ledger.settle(case.key, case.entry(started.folder.id))

    async def _added(self, case: Case, added: Added) -> None:
        now, fact = self._clock(), added.document()
        told = {**fact, "attempt": case.past.attempt}
        await self._outbox.announce(events.queue_item_added(self._source, case.sender, told, now))
        if added.followed:
            await self._outbox.track(item_tracking(case.sender, fact, now))
        await self._ledger.settle(case.key, case.entry(added.folder.id))

    async def _refused(self, case: Case, why: Rejected) -> None:
        why = await self._ends.enter(case, why)
        now, past = self._clock(), case.past
        headers = letter(case.message, past, (why.code, why.detail), self._host, now, why.violations)
        burial = {
            "fact": case.rejection,
            "attempts": [attempt.document() for attempt in past.history],
            "deadLetterId": headers["jobrelay-dead-letter-id"],
        }
        event = events.request_rejected(self._source, case.sender, why, burial, now)
        # Whoever has the message by now may have started it.
        await self._outbox.bury(case.message, headers, case.in_hand)
        await self._outbox.announce(event, case.in_hand)
        await self._ends.told(case, why)

    async def _unsettled(self, case: Case, unsettled: Unsettled) -> None:
        reason = (Code.OUTCOME_UNKNOWN, unsettled.detail)
        headers = letter(case.message, case.past, reason, self._host, self._clock())
        headers |= doubt(unsettled.safe_at, case.folder_id)
        await self._outbox.bury(case.message, headers, case.in_hand)

    async def _deferred(self, case: Case, deferred: Deferred) -> None:
        now, past = self._clock(), case.past
        detail = {
            "code": deferred.code,
            "detail": deferred.detail,
            "attempt": past.attempt,
            "maxAttempts": self._max_attempts,
            "delaySeconds": deferred.seconds,
            "notBefore": rfc3339(now + deferred.seconds),
            "expiresAt": case.expires_at,
            "outcomeKnown": deferred.safe_at is None and deferred.code is not Later.OUTCOME_UNKNOWN,
            "orchestrator": deferred.answer.document() if deferred.answer else None,
        }
        attempt = Attempt(now, deferred.code, deferred.detail)
        headers = past.after(attempt, deferred.safe_at, case.folder_id, counts=deferred.counts)
        if deferred.counts:
            await self._outbox.announce(events.request_deferred(self._source, case.sender, detail, now))
        await self._sent_round(case, headers, deferred.seconds, deferred.safe_at)
        if deferred.counts:
            await self._ends.told(case)

    async def _handed_over(self, case: Case, safe_at: float | None) -> bool:
        """Sends a request round that this worker leaves to another one; false if not within moments.

        Given back it would count as redelivered: one delivery more, and a window to wait out although it is
        known here what was sent.
        """
        if not case.delivery.is_open or case.sender.request_id is None:
            return False
        safe_at = max(safe_at or 0.0, case.past.safe_at or 0.0) or None
        headers = case.past.after(None, safe_at, case.folder_id, counts=False)
        try:
            async with asyncio.timeout(_HAND_OVER_S):
                await self._sent_round(case, headers, DELAYS[0], safe_at)
        except TimeoutError:
            return False
        return True

    async def _sent_round(
        self, case: Case, headers: dict[str, Any], seconds: int, safe_at: float | None
    ) -> None:
        # A second copy of this message has to wait out what the first one may send.
        twin_is_done = max(safe_at or 0.0, self._clock() + seconds + self._window_s)
        again = headers | doubt(twin_is_done, case.folder_id)
        await self._outbox.defer(case.message, case.sender.kind, seconds, headers, again)

    async def _stop_asked(self, case: Case, asked: StopAsked) -> None:
        now, folder = self._clock(), asked.folder.document()
        stop = {"targetRequestId": asked.request_id, "folder": folder, "strategy": asked.strategy}
        told = (events.job_stop_requested(self._source, case.sender, stop, job, now) for job in asked.jobs)
        await _all(self._outbox.announce(event) for event in told)

    async def _cancelled(self, case: Case, cancelled: Cancelled) -> None:
        """Said for the stop request, at once, and for the request when it is met: one fact, one id."""
        tombstone = cancelled.tombstone
        name = cancelled.request_id or str(case.sender.request_id)
        facts = {
            "stopRequestId": tombstone.owner,
            "until": rfc3339(tombstone.safe_at),
            "certain": cancelled.certain,
        }
        sender = replace(case.sender, request_id=name, kind=Kind.START)
        event = events.request_cancelled(self._source, sender, facts, self._clock())
        await self._outbox.announce(event, case.in_hand)
        if cancelled.request_id is None:
            met = replace(tombstone, fingerprint=case.fingerprint, message_id=case.message.message_id)
            await self._ledger.cancel(name, met, over=None)

    async def _duplicate(self, case: Case, duplicate: Duplicate) -> None:
        message = case.message.message_id or case.fingerprint
        known = {
            "bodyDiffers": duplicate.body_differs,
            "reference": case.reference,
            "firstMessageId": duplicate.first,
        }
        event = events.request_duplicate(self._source, case.sender, message, known, self._clock())
        await self._outbox.announce(event)


async def _all(publishes: Iterable[Awaitable[None]]) -> None:
    """Awaits all of them; a single one, which is the rule, without a task of its own."""
    first, *others = publishes
    if not others:
        await first
        return
    await asyncio.gather(first, *others)
