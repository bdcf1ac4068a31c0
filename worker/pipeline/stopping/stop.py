"""A stop request is carried out: its jobs are asked to stop, or what was not started yet is cancelled.

It may be carried out twice, so it needs no ledger of its own: StopJobs may be repeated, and its events have
the same ids. The tombstone of a cancelled request stands in the ledger of starts, where a start's own claim
meets it in one step.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from worker.domain.failures import DEFECT, Later, Rejected, Unavailable
from worker.domain.jobs import Job
from worker.domain.outcomes import (
    HOLD_S,
    Cancelled,
    Deferred,
    Outcome,
    Refused,
    Returned,
    StopAsked,
    delay_of,
    exhausted,
    last_straw,
)
from worker.domain.processes import Folder
from worker.domain.requests import Entry, FolderRef, Kind
from worker.pipeline.case import Case
from worker.pipeline.holding.blame import Fared
from worker.pipeline.holding.outage import Outage
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.ports import Clock, Ledger, Orchestrator
from worker.pipeline.rules import Rules
from worker.pipeline.stopping import decide
from worker.pipeline.stopping.decide import Ask, Cancel, Nothing, StopRequest, Wait
from worker.pipeline.validate import hold_to

REMEMBERED_S = 24 * 3600.0
"""How long a request that was not started yet stays cancelled, in seconds."""
_GLANCE_S = 0.1
_LOOKS = 3

_log = structlog.get_logger(__name__)


class Stops:
    """Carries stop requests out until each has an outcome."""

    kind = Kind.STOP
    schema = decide.SCHEMA

    def __init__(
        self,
        orchestrator: Orchestrator,
        ledger: Ledger,
        outage: Outage,
        stopping: Stopping,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._orchestrator = orchestrator
        self._ledger = ledger
        self._outage = outage
        self._stopping = stopping
        self._rules = rules
        self._clock = clock

    async def outcome(self, case: Case, document: Mapping[str, Any]) -> Outcome:
        """What is to become of the stop request. It is held here while Orchestrator answers nothing."""
        try:
            if case.refusal is not None:
                raise case.refusal
            request = self._read(case, document)
        except Rejected as why:
            return Refused(why)
        if case.tries > self._rules.max_attempts:
            return Refused(exhausted(case.tries, "a worker may have died of it"))
        fared, outcome = Fared(), None
        while outcome is None:
            await self._outage.reads(case.in_hand)
            if self._stopping or not case.in_hand():
                return Returned()
            outcome = await self._attempted(case, request, fared)
        if isinstance(outcome, Deferred):
            outcome = last_straw(outcome, case.tries + 1, self._rules.max_attempts, self._clock())
        return outcome if case.in_hand() else Returned()

    def _read(self, case: Case, document: Mapping[str, Any]) -> StopRequest:
        hold_to(self.schema, document, self._rules.default_folder)
        self._rules.check_sender(case.message, self.kind)
        return StopRequest.of(document, self._rules.default_folder)

    async def _attempted(self, case: Case, request: StopRequest, fared: Fared) -> Outcome | None:
        """One attempt; None when another is due: Orchestrator is away, or has hardly failed so far."""
        try:
            return await self._carried_out(case, request)
        except Rejected as why:
            return Refused(why)
        except Unavailable as why:
            if why.outage and not self._outage.failed_at(fared, why):
                await self._outage.rest()
                return None
            failure = why
        except Exception:  # noqa: BLE001 - a defect must cost this request a delay, not the others
            _log.exception("stop.failed", request_id=request.request_id)
            failure = DEFECT
        seconds = delay_of(failure.code, case.past.attempt, failure.retry_after)
        return Deferred(failure.code, failure.detail, seconds, answer=failure.answer)

    async def _carried_out(self, case: Case, request: StopRequest) -> Outcome:
        """Looks again where what was seen has changed: a job has ended meanwhile, or a start has begun."""
        refused: Rejected | None = None
        for _ in range(_LOOKS):
            stands = await self._once_known(request)
            at = FolderRef(id=stands.folder_id) if stands and stands.folder_id else request.folder
            folder, looked_at = await self._orchestrator.folder(at), self._clock()
            found = await self._found(request, folder)
            step = self._step(request, found, stands, looked_at)
            self._permit(case, step, folder, found)
            match step:
                case Ask(jobs):
                    try:
                        return await self._asked(request, folder, found, jobs)
                    except Rejected as why:
                        refused = why
                case Cancel(over):
                    if (cancelled := await self._cancelled(request, over)) is not None:
                        return cancelled
                case Nothing():
                    raise decide.unknown(request, folder)
                case Wait():
                    break
        if refused is not None:
            raise refused
        raise Unavailable(Later.NOT_YET_VISIBLE, f"the {request} are being started; they are stopped then")

    def _step(
        self, request: StopRequest, found: Sequence[Job], stands: Entry | None, looked_at: float
    ) -> Ask | Cancel | Wait | Nothing:
        if request.target is None:
            return decide.ask(found) if found else Nothing()
        return decide.next_step(found, stands, looked_at)

    def _permit(
        self, case: Case, step: Ask | Cancel | Wait | Nothing, folder: Folder, found: Sequence[Job]
    ) -> None:
        """Raises `Rejected` where the sender may not stop each of these, or cancel what is not known yet."""
        for job in found:
            self._rules.permission.to_do(case.message, self.kind, folder.path, job.release_name)
        if isinstance(step, Cancel):
            self._rules.permission.to_do(case.message, self.kind, None, None)

    async def _once_known(self, request: StopRequest) -> Entry | None:
        """What the ledger knows of the target, after a few seconds in which a POST may come to its end."""
        if request.target is None:
            return None
        until = self._clock() + HOLD_S
        stands = await self._ledger.known(request.target)
        while decide.is_under_way(stands, self._clock()) and self._clock() < until and not self._stopping:
            await self._stopping.pause(_GLANCE_S)
            stands = await self._ledger.known(request.target)
        return stands

    async def _found(self, request: StopRequest, folder: Folder) -> Sequence[Job]:
        if request.job_key is not None:
            job = await self._orchestrator.job_by_key(folder, request.job_key)
            return [job] if job else []
        reference = f"{self._rules.prefix}:{request.target}"
        return await self._orchestrator.find(folder, reference, None)

    async def _asked(
        self, request: StopRequest, folder: Folder, found: Sequence[Job], jobs: Sequence[Job]
    ) -> StopAsked:
        if jobs:
            await self._orchestrator.stop(folder, [job.id for job in jobs], request.strategy)
        target = request.target or decide.request_of(found[0], self._rules.prefix)
        return StopAsked(folder, found, request.strategy, target)

    async def _cancelled(self, request: StopRequest, over: str | None) -> Cancelled | None:
        """None where something was sent meanwhile."""
        until = self._clock() + REMEMBERED_S
        tombstone = Entry(request.request_id, "", None, settled=False, safe_at=until, cancelled=True)
        if await self._ledger.cancel(str(request.target), tombstone, over=over) is not None:
            return None
        return Cancelled(tombstone, request.target, certain=self._ledger.shared)
