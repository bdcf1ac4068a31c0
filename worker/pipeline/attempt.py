"""One attempt at a request: looked up where it must be, understood, started; and what its failure means."""

from collections.abc import Mapping
from typing import Any

import structlog

from worker.domain.failures import Code, Later, Rejected, Unavailable, Violation
from worker.domain.messages import Message
from worker.domain.outcomes import (
    Deferred,
    Outcome,
    Refused,
    Returned,
    Started,
    Unsettled,
    delay_of,
    exhausted,
    last_straw,
    may_still_appear,
)
from worker.domain.processes import Target
from worker.domain.requests import FolderRef, StartRequest, jobs_asked
from worker.pipeline.pauses import Outage
from worker.pipeline.ports import Clock
from worker.pipeline.resolve import Resolver
from worker.pipeline.settle import Case, Rules
from worker.pipeline.start import Claim, Starter
from worker.pipeline.validate import validate

_UNKNOWN_NAMES = (Code.PROCESS_UNKNOWN, Code.FOLDER_UNKNOWN, Code.ROBOT_UNKNOWN, Code.MACHINE_UNKNOWN)
# Orchestrator no longer knows the folder, the process or its key: what was cached of them is out of date.
_STALE = (1002, 1100, 1674)
_DOUBTS_KEPT = 100_000
_CLOCKS_DIFFER_S = 600.0

_log = structlog.get_logger(__name__)


class Attempts:
    """Makes attempts at requests until each has an outcome."""

    def __init__(
        self, resolver: Resolver, starter: Starter, outage: Outage, rules: Rules, clock: Clock
    ) -> None:
        self._resolver = resolver
        self._starter = starter
        self._outage = outage
        self._rules = rules
        self._clock = clock
        self._doubts: dict[str, float] = {}

    async def outcome(self, case: Case, document: Mapping[str, Any]) -> Outcome:
        """What is to become of the request. In an outage it is held here until Orchestrator is back."""
        claim = self._claim(case)
        request = self._validated(case, document)
        if isinstance(request, Rejected) and not claim.look:
            # Nothing was sent for it, and Orchestrator need not be there to refuse it.
            return self._bounded(case, claim, Refused(request))
        try:
            return await self._until_known(case, claim, document, request)
        finally:
            self._doubt(claim)

    def _claim(self, case: Case) -> Claim:
        """A publisher's duplicate is as doubtful as its twin, whose POST may still commit."""
        doubt = self._doubts.get(case.reference)
        moments = [moment for moment in (case.past.safe_at, doubt) if moment is not None]
        return Claim(
            reference=case.reference,
            since=case.past.first_at - _CLOCKS_DIFFER_S,
            safe_at=max(moments, default=None),
            look=doubt is not None or not case.message.fresh,
            still_mine=lambda: case.delivery.is_open,
        )

    def _doubt(self, claim: Claim) -> None:
        """Keeps in mind what may have been sent, until a look-up has settled it."""
        self._doubts.pop(claim.reference, None)
        if claim.look and claim.safe_at is not None:
            self._doubts[claim.reference] = claim.safe_at
            if len(self._doubts) > _DOUBTS_KEPT:
                del self._doubts[next(iter(self._doubts))]

    async def _until_known(
        self, case: Case, claim: Claim, document: Mapping[str, Any], request: StartRequest | Rejected
    ) -> Outcome:
        while True:
            async with self._outage.passage(claim.still_mine) as stopping:
                if stopping or not claim.still_mine():
                    return Returned()
                outcome = await self._attempted(case, claim, document, request)
            if outcome is not None:
                return self._bounded(case, claim, outcome)

    async def _attempted(
        self, case: Case, claim: Claim, document: Mapping[str, Any], request: StartRequest | Rejected
    ) -> Outcome | None:
        """One attempt; None when Orchestrator is away."""
        try:
            outcome = await self._tried(case, claim, document, request)
        except Rejected as why:
            outcome = Refused(why)
        except Unavailable as why:
            if why.outage:
                self._outage.failed()
                return None
            if why.answer is not None:
                self._outage.worked()
            # What could not be looked up may have been sent, whatever stood in the way.
            code = Later.OUTCOME_UNKNOWN if claim.look else why.code
            seconds = delay_of(why.code, case.past.attempt, why.retry_after)
            return Deferred(code, why.detail, seconds, claim.safe_at, why.answer)
        except Exception:  # noqa: BLE001 - a defect must cost this request a delay, not the others
            _log.exception("request.failed", request_id=case.sender.request_id)
            seconds = delay_of(Later.INTERNAL_ERROR, case.past.attempt, None)
            detail = "Jobrelay failed at this request; its log has the reason"
            return Deferred(Later.INTERNAL_ERROR, detail, seconds, claim.safe_at)
        if isinstance(outcome, Started) or (isinstance(outcome, Refused) and outcome.why.answer):
            self._outage.worked()
        return outcome

    async def _tried(
        self, case: Case, claim: Claim, document: Mapping[str, Any], request: StartRequest | Rejected
    ) -> Outcome:
        """Looks the request up if it may have been sent; only then may anything end or start it."""
        target = await self._resolved(request)
        if claim.look:
            found = await self._looked_up(claim, document, target if isinstance(target, Target) else None)
            if found is not None:
                return found
        if isinstance(request, Rejected):
            raise request
        if isinstance(target, Rejected):
            raise target
        attempts = case.past.attempt - 1 + case.past.deliveries
        if attempts > self._rules.max_attempts:
            raise exhausted(
                attempts, "it was never settled, not even by a failure: a worker may have died of it"
            )
        return await self._started(claim, request, target)

    async def _started(self, claim: Claim, request: StartRequest, target: Target) -> Outcome:
        """Starts it; once more with fresh names when Orchestrator no longer knows the cached ones."""
        claim.expires_at = request.expires_at
        try:
            return await self._starter.start(claim, target)
        except Rejected as why:
            if why.answer is None or why.answer.error_code not in _STALE:
                raise
        target = await self._resolver.resolve(request, fresh=True)
        return await self._starter.start(claim, target)

    def _validated(self, case: Case, document: Mapping[str, Any]) -> StartRequest | Rejected:
        try:
            request = validate(document, self._rules.default_folder)
            _check_reply_to(case.message, self._rules.prefix)
        except Rejected as trouble:
            return trouble
        return request

    async def _resolved(self, request: StartRequest | Rejected) -> Target | Rejected:
        if isinstance(request, Rejected):
            return request
        try:
            return await self._resolver.resolve(request)
        except Rejected as trouble:
            return trouble

    async def _looked_up(
        self, claim: Claim, document: Mapping[str, Any], target: Target | None
    ) -> Outcome | None:
        ref = _folder_of(document) or self._rules.default_folder
        try:
            folder = target.folder if target else await self._resolver.folder(ref) if ref else None
        except Rejected as why:
            if claim.safe_at is not None:
                detail = f"an earlier StartJobs may have happened and cannot be looked up: {why.detail}"
                return Deferred(Later.OUTCOME_UNKNOWN, detail, delay_of(Later.BUSY, 1, None), claim.safe_at)
            return None
        # No folder, none ever: nothing can have been sent.
        if folder is None:
            return None
        asked = target.asked if target else jobs_asked(document)
        return await self._starter.look_up(claim, folder, target, asked)

    def _bounded(self, case: Case, claim: Claim, outcome: Outcome) -> Outcome:
        """Turns a rejection that may be premature into a deferral, and a deferral too many into an end."""
        past = case.past
        if isinstance(outcome, Refused) and _premature(outcome.why, case):
            seconds = delay_of(Later.NOT_YET_VISIBLE, _unseen(case) + 1, None)
            outcome = Deferred(Later.NOT_YET_VISIBLE, outcome.why.detail, seconds, claim.safe_at)
        if isinstance(outcome, Deferred):
            attempts = past.attempt + past.deliveries
            outcome = last_straw(outcome, attempts, self._rules.max_attempts, self._clock())
        lost = not case.delivery.is_open and isinstance(outcome, (Deferred, Refused, Unsettled))
        # Somebody else has the message: to defer it as well would make two of it.
        return Returned() if lost else outcome


def _premature(why: Rejected, case: Case) -> bool:
    return why.code in _UNKNOWN_NAMES and may_still_appear(_unseen(case))


def _unseen(case: Case) -> int:
    """How often this request was deferred for a name that nobody knew."""
    return sum(attempt.code == Later.NOT_YET_VISIBLE for attempt in case.past.history)


def _check_reply_to(message: Message, prefix: str) -> None:
    if message.reply_to and message.reply_to.startswith(f"{prefix}."):
        raise Rejected(
            Code.INVALID_REQUEST,
            f"reply_to names '{message.reply_to}', a queue of Jobrelay itself",
            "name a queue of your own, or leave reply_to out",
            violations=(Violation("", "the AMQP property reply_to names a queue of Jobrelay"),),
        )


def _folder_of(document: Mapping[str, Any]) -> FolderRef | None:
    folder = document.get("folder")
    try:
        return FolderRef.of(folder) if folder else None
    except (AttributeError, TypeError):
        return None
