"""Once: a request's jobs are started by one POST, or found to have been started by an earlier one.

A POST is sent only if no earlier one can have happened. Where one may have, its jobs are looked up by
Reference first, and absence counts only after the last moment at which that POST could still commit.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from worker.domain import arguments
from worker.domain.events import rfc3339
from worker.domain.failures import Code, Later, OutcomeUnknown, Rejected, Unavailable
from worker.domain.jobs import Job, JobState
from worker.domain.outcomes import (
    HOLD_S,
    Adopt,
    Deferred,
    Post,
    Returned,
    Started,
    Told,
    Wait,
    delay_within,
    expired,
    next_step,
    own_and_surplus,
)
from worker.domain.processes import Folder, Process, Target
from worker.pipeline.holding.gate import Gate, Turn
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.once.claim import Claim, Claims
from worker.pipeline.ports import Clock, Orchestrator

_HELD_TRIES = 3
# The longest Retry-After that is waited for in hand: a longer one is announced, and waited for elsewhere.
_PATIENCE_S = 30.0
_ATTACHMENT_API = 20

_log = structlog.get_logger(__name__)


class Starter:
    """Starts jobs once. *commit_slack_s* is how long a POST whose answer was lost may still commit."""

    def __init__(
        self,
        orchestrator: Orchestrator,
        claims: Claims,
        gate: Gate,
        commit_slack_s: float,
        clock: Clock,
        stopping: Stopping,
    ) -> None:
        self._orchestrator = orchestrator
        self._claims = claims
        self._gate = gate
        self._commit_slack_s = commit_slack_s
        self._clock = clock
        self._stopping = stopping

    async def look_up(
        self, claim: Claim, folder: Folder, target: Target | None, asked: int | None
    ) -> Started | Deferred | Returned | None:
        """Finds out what became of earlier POSTs. None: nothing did, and nothing can any more."""
        name = target.process.name if target else None
        while True:
            jobs = await self._orchestrator.find(folder, claim.reference, name, since=claim.since)
            own, surplus = own_and_surplus(jobs)
            match next_step(len(own), asked, self._clock(), claim.safe_at):
                case Adopt():
                    claim.settled()
                    await call_off(self._orchestrator, folder, [*surplus, *(own if claim.cancelled else ())])
                    return replace(_adopted(folder, target, own, surplus), doubted=claim.doubted)
                case Post():
                    claim.disproved()
                    return None
                case Wait(seconds) if seconds > HOLD_S:
                    return self._come_back(claim, seconds)
                case Wait(seconds):
                    await self._stopping.pause(seconds)
            if self._stopping:
                return Returned()

    async def start(self, claim: Claim, target: Target) -> Started | Deferred | Returned | Told:
        """Sends the POST, and settles a lost answer by looking up."""
        body = await self._body(claim, target)
        tries = 0
        while True:
            try:
                async with self._gate.turn(lambda: self._is_wanted(claim)) as turn:
                    self._guard_expiry(claim)
                    if not self._is_wanted(claim):
                        return Returned()
                    outcome = await self._claimed_and_sent(claim, target, body, turn)
            except Unavailable as why:
                tries += 1
                if claim.look or not _worth_holding(why, tries):
                    raise
                # The gate knows how long a 429 holds, all that is in hand together.
                if why.code is not Later.THROTTLED:
                    await self._stopping.pause(random.uniform(0, 2**tries / 4))  # noqa: S311 - jitter
            else:
                if outcome is not None:
                    return outcome

    async def _claimed_and_sent(
        self, claim: Claim, target: Target, body: Mapping[str, Any], turn: Turn
    ) -> Started | Deferred | Returned | Told | None:
        """One POST, if the ledger grants it; None when nothing came of it, or of the one in its way."""
        told = await self._claims.enter(claim, target.folder.id)
        if told is not None:
            return told
        if not claim.look:
            started = await self._sent(claim, target, body, turn)
            if started is not None:
                return await self._still_alone(claim, started)
        turn.over()
        return await self.look_up(claim, target.folder, target, target.asked)

    async def _sent(
        self, claim: Claim, target: Target, body: Mapping[str, Any], turn: Turn
    ) -> Started | None:
        """Sends one POST; None when its answer was lost. While it is under way the claim is in doubt."""
        claim.doubt(claim.mine.safe_at)
        try:
            post = self._orchestrator.start(target.folder, body, may_send=lambda: self._may_send(claim))
            jobs = await turn.spend(post)
        except OutcomeUnknown:
            claim.doubt(self._clock() + self._commit_slack_s)
            return None
        except (Rejected, Unavailable):
            claim.settled()
            raise
        claim.settled()
        return replace(_started(target, jobs), doubted=claim.doubted)

    def _may_send(self, claim: Claim) -> bool:
        return self._is_wanted(claim) and self._clock() <= claim.send_by

    def _is_wanted(self, claim: Claim) -> bool:
        return claim.still_mine() and not self._stopping

    async def _still_alone(self, claim: Claim, started: Started) -> Started:
        """Looks for a second start, where somebody else may have made it while this answer was on its way."""
        if claim.still_mine():
            return started
        try:
            jobs = await self._orchestrator.find(
                started.folder, claim.reference, started.process.name, since=claim.since
            )
        except Unavailable:
            return started
        own, surplus = own_and_surplus(jobs)
        await call_off(self._orchestrator, started.folder, surplus)
        return replace(started, jobs=own, surplus=surplus) if surplus else started

    async def _body(self, claim: Claim, target: Target) -> Mapping[str, Any]:
        body = {**target.start_info, "Reference": claim.reference}
        if target.arguments is None:
            return body
        size = arguments.length(target.arguments)
        if size <= arguments.LONGEST:
            return body | {"InputArguments": target.arguments}
        if not target.folder.modern or (self._orchestrator.api_version or 0) < _ATTACHMENT_API:
            raise Rejected(
                Code.ARGUMENTS_TOO_LONG,
                f"the input arguments are {size} characters of JSON; Orchestrator takes {arguments.LONGEST}",
                "pass a reference to the data instead of the data (servers with API 20 take attachments)",
            )
        content = target.arguments.encode()
        attachment = await self._orchestrator.attach(target.folder, "input.json", content)
        return body | {"InputFile": attachment}

    def _guard_expiry(self, claim: Claim) -> None:
        if claim.expires_at is not None and self._clock() >= claim.expires_at.timestamp():
            raise expired(claim.expires_at.timestamp())

    def _come_back(self, claim: Claim, seconds: float) -> Deferred:
        safe_at = rfc3339(self._clock() + seconds)
        return Deferred(
            Later.OUTCOME_UNKNOWN,
            f"an earlier StartJobs may have happened; it is looked up again until {safe_at}",
            delay_within(seconds),
            claim.safe_at,
        )


async def call_off(orchestrator: Orchestrator, folder: Folder, surplus: Sequence[Job]) -> None:
    """Stops what never should have been started, as far as it has not begun to run. Never fails."""
    pending = [job.id for job in surplus if job.state == JobState.PENDING]
    if not pending:
        return
    try:
        await orchestrator.stop(folder, pending)
    except (Rejected, Unavailable) as why:
        _log.warning("job.duplicate_not_stopped", jobs=pending, reason=why.detail)


def _worth_holding(why: Unavailable, tries: int) -> bool:
    """True when a short wait in hand is cheaper than a round through the delay queues."""
    if why.outage or why.code is Later.BUSY or tries > _HELD_TRIES:
        return False
    return (why.retry_after or 0) <= _PATIENCE_S


def _started(target: Target, jobs: Sequence[Job]) -> Started:
    requested = target.asked or len(jobs)
    return Started(target.folder, target.process, str(target.strategy), jobs, requested, adopted=False)


def _adopted(folder: Folder, target: Target | None, jobs: Sequence[Job], surplus: Sequence[Job]) -> Started:
    if target is not None:
        strategy, requested = str(target.strategy), max(target.asked or 0, len(jobs))
        return Started(folder, target.process, strategy, jobs, requested, adopted=True, surplus=surplus)
    name = jobs[0].release_name or ""
    process = Process(id=0, name=name, package_id="", version="", release_key="")
    return Started(folder, process, "", jobs, len(jobs), adopted=True, surplus=surplus)
