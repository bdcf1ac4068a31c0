"""One attempt at a request: looked up where it must be, understood, done; and what its failure means.

What is done is a `Doing`, for each kind of request its own. When it may be done, and what may end it instead,
is decided here for all of them (invariant 3).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Generic

import structlog

from worker.domain.failures import DEFECT, Code, Later, Rejected, Unavailable
from worker.domain.outcomes import (
    Deferred,
    Done,
    Outcome,
    Refused,
    Returned,
    Unsettled,
    delay_of,
    exhausted,
    expired,
    last_straw,
    may_still_appear,
)
from worker.domain.requests import FolderRef
from worker.pipeline.case import Case
from worker.pipeline.holding.blame import Fared
from worker.pipeline.holding.outage import Outage
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.once.claim import Claim, Claims
from worker.pipeline.once.doing import Doing, R, T, Try
from worker.pipeline.ports import Clock
from worker.pipeline.rules import Rules

_UNKNOWN_NAMES = (
    Code.PROCESS_UNKNOWN,
    Code.FOLDER_UNKNOWN,
    Code.ROBOT_UNKNOWN,
    Code.MACHINE_UNKNOWN,
    Code.QUEUE_UNKNOWN,
)
# Orchestrator no longer knows the folder, the process or its key: what was cached of them is out of date.
_STALE = (1002, 1100, 1674)

_log = structlog.get_logger(__name__)


class Attempts(Generic[R, T]):
    """Makes attempts at requests of one kind until each has an outcome."""

    def __init__(
        self, doing: Doing[R, T], claims: Claims, outage: Outage, rules: Rules, clock: Clock
    ) -> None:
        self.kind = doing.kind
        self.schema = doing.schema
        self._doing = doing
        self._claims = claims
        self._outage = outage
        self._rules = rules
        self._clock = clock

    async def outcome(self, case: Case, document: Mapping[str, Any]) -> Outcome:
        """What is to become of the request. In an outage it is held here until Orchestrator is back."""
        claim = await self._claims.open(case)
        if not isinstance(claim, Claim):
            return claim
        outcome = None
        try:
            outcome = await self._outcome(Try(case, claim, document, self._validated(case, document)))
            return Returned(claim.safe_at) if isinstance(outcome, Returned) else outcome
        finally:
            case.folder_id = claim.folder_id
            await self._claims.close(claim, outcome)

    async def _outcome(self, this: Try[R]) -> Outcome:
        if isinstance(this.request, Rejected) and not this.claim.look:
            # Nothing was sent for it, and Orchestrator need not be there to refuse it.
            return self._bounded(this, Refused(this.request))
        fared = Fared()
        while not (self._outage.why and self._is_worn(this.case)):
            async with self._outage.passage(this.claim.still_mine, this.expires_at, fared) as stopping:
                if stopping or not this.claim.still_mine():
                    return Returned()
                if self._clock() >= this.expires_at:
                    return self._bounded(this, Refused(expired(this.expires_at)))
                outcome = await self._attempted(this, fared, stopping)
            if outcome is not None:
                return self._bounded(this, outcome)
            await self._outage.rest()
        # The broker counts how often it gave it out, in an outage too: as a new message it begins anew.
        return self._bounded(this, replace(_deferred(this, self._outage.why), counts=False))

    async def _attempted(self, this: Try[R], fared: Fared, stopping: Stopping) -> Outcome | None:
        """One attempt; None when another is due: Orchestrator is away, or has hardly failed so far."""
        try:
            outcome = await self._tried(this)
        except Rejected as why:
            outcome = Refused(why)
        except Unavailable as why:
            if why.outage:
                return _deferred(this, why) if self._outage.failed_at(fared, why) else None
            if why.answer is not None:
                self._outage.worked()
            elif stopping:
                return Returned()  # nobody but us said no: a turn was taken away, or a POST kept back
            return _deferred(this, why)
        except Exception:  # noqa: BLE001 - a defect must cost this request a delay, not the others
            _log.exception("request.failed", request_id=this.case.sender.request_id)
            return _deferred(this, DEFECT)
        if isinstance(outcome, Done) or (isinstance(outcome, Refused) and outcome.why.answer):
            self._outage.worked()
        return outcome

    async def _tried(self, this: Try[R]) -> Outcome:
        """Looks the request up if it may have been sent; only then may anything end or start it."""
        target = await self._resolved(this.request)
        if this.claim.look:
            found = await self._looked_up(this, None if isinstance(target, Rejected) else target)
            if this.claim.told is not None and not _doubled(found, this.claim.told_in):
                return this.claim.told
            if found is not None:
                return found
        if isinstance(this.request, Rejected):
            raise this.request
        if isinstance(target, Rejected):
            raise target
        if this.case.tries > self._rules.max_attempts:
            raise exhausted(
                this.case.tries, "it was never settled, not even by a failure: a worker may have died of it"
            )
        return await self._done(this, this.request, target)

    async def _done(self, this: Try[R], request: R, target: T) -> Outcome:
        """Does it; once more with fresh names when Orchestrator no longer knows the cached ones."""
        this.claim.expires_at = request.expires_at
        try:
            return await self._permitted(this, target)
        except Rejected as why:
            if why.answer is None or why.answer.error_code not in _STALE:
                raise
        return await self._permitted(this, await self._doing.resolve(request, fresh=True))

    async def _permitted(self, this: Try[R], target: T) -> Outcome:
        """Does it, if its sender may have that done to what its names mean now."""
        self._rules.permission.to_do(this.case.message, self.kind, target.folder.path, target.name)
        return await self._doing.do(this.claim, target)

    def _validated(self, case: Case, document: Mapping[str, Any]) -> R | Rejected:
        if case.refusal is not None:
            return case.refusal
        try:
            request = self._doing.read(document, self._rules.default_folder)
            self._rules.check_sender(case.message, self.kind)
        except Rejected as trouble:
            return trouble
        return request

    async def _resolved(self, request: R | Rejected) -> T | Rejected:
        if isinstance(request, Rejected):
            return request
        try:
            return await self._doing.resolve(request)
        except Rejected as trouble:
            return trouble

    async def _looked_up(self, this: Try[R], target: T | None) -> Outcome | None:
        ref, claim = this.folder or self._rules.default_folder, this.claim
        if claim.folder_id is not None and not (target and target.folder.id == claim.folder_id):
            # It was sent elsewhere: by another body, or before a name meant what it means now.
            ref, target = FolderRef(id=claim.folder_id), None
        try:
            folder = target.folder if target else await self._doing.folder(ref) if ref else None
        except Rejected as why:
            if claim.safe_at is not None:
                detail = f"what was sent earlier may have happened and cannot be looked up: {why.detail}"
                return Deferred(Later.OUTCOME_UNKNOWN, detail, delay_of(Later.BUSY, 1, None), claim.safe_at)
            return None
        # No folder, none ever: nothing can have been sent.
        return await self._doing.look_up(this, folder, target) if folder else None

    def _bounded(self, this: Try[R], outcome: Outcome) -> Outcome:
        """Turns a rejection that may be premature into a deferral, and a deferral too many into an end."""
        case = this.case
        if isinstance(outcome, Refused) and _premature(outcome.why, case):
            seconds = delay_of(Later.NOT_YET_VISIBLE, _unseen(case) + 1, None)
            outcome = Deferred(Later.NOT_YET_VISIBLE, outcome.why.detail, seconds, this.claim.safe_at)
        if isinstance(outcome, Deferred) and outcome.counts:
            outcome = last_straw(outcome, case.tries + 1, self._rules.max_attempts, self._clock())
        lost = not case.delivery.is_open and isinstance(outcome, (Deferred, Refused, Unsettled))
        # Somebody else has the message: to defer it as well would make two of it.
        return Returned() if lost else outcome

    def _is_worn(self, case: Case) -> bool:
        """True when one delivery more would be one too many."""
        return case.past.deliveries > 0 and case.tries >= self._rules.max_attempts


def _deferred(this: Try[Any], why: Unavailable) -> Deferred:
    """What could not be looked up may have been sent, whatever stood in the way."""
    doubtful = this.claim.look and why is not DEFECT
    code = Later.OUTCOME_UNKNOWN if doubtful else why.code
    seconds = delay_of(why.code, this.case.past.attempt, why.retry_after)
    return Deferred(code, why.detail, seconds, this.claim.safe_at, why.answer)


def _doubled(found: Outcome | None, told_in: int | None) -> bool:
    """True where a look-up showed a start beside the one in folder *told_in*, or not whether there is one."""
    if isinstance(found, Done):
        return bool(found.surplus) or told_in not in (None, found.folder.id)
    return found is not None


def _premature(why: Rejected, case: Case) -> bool:
    return why.code in _UNKNOWN_NAMES and may_still_appear(_unseen(case))


def _unseen(case: Case) -> int:
    """How often this request was deferred for a name that nobody knew."""
    return sum(attempt.code == Later.NOT_YET_VISIBLE for attempt in case.past.history)
