"""A start: StartJobs as what is done once, and its jobs as what a look-up by Reference finds of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from worker.domain import arguments
from worker.domain.failures import Code, Rejected, Unavailable
from worker.domain.jobs import Job, JobState
from worker.domain.outcomes import Deferred, Returned, Started, Told, own_and_surplus
from worker.domain.processes import Folder, Process, Target
from worker.pipeline.once.claim import Claim
from worker.pipeline.once.once import Found, Once
from worker.pipeline.ports import Orchestrator

_ATTACHMENT_API = 20

_log = structlog.get_logger(__name__)


class Starter:
    """Starts jobs once."""

    def __init__(self, orchestrator: Orchestrator, once: Once) -> None:
        self._orchestrator = orchestrator
        self._once = once

    async def look_up(
        self, claim: Claim, folder: Folder, target: Target | None, asked: int | None
    ) -> Started | Deferred | Returned | None:
        """Finds out what became of earlier POSTs. None: nothing did, and nothing can any more."""
        return await self._once.look_up(claim, _Start(self._orchestrator, claim, folder, target, asked))

    async def start(self, claim: Claim, target: Target) -> Started | Deferred | Returned | Told:
        """Sends the POST, and settles a lost answer by looking up."""
        body = await self._body(claim, target)
        start = _Start(self._orchestrator, claim, target.folder, target, target.asked, body)
        return await self._once.do(claim, start)

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


@dataclass(frozen=True, slots=True)
class _Start:
    """The jobs of one request; see `Deed`. *target* and *body* are there where it may be sent."""

    orchestrator: Orchestrator
    claim: Claim
    folder: Folder
    target: Target | None
    asked: int | None
    body: Mapping[str, Any] | None = None
    operation: str = "StartJobs"

    async def find(self) -> Found[Job]:
        name = self.target.process.name if self.target else None
        claim = self.claim
        jobs = await self.orchestrator.find(self.folder, claim.reference, name, since=claim.since)
        return Found(*own_and_surplus(jobs))

    async def send(self, may_send: Callable[[], bool]) -> Started:
        if self.target is None or self.body is None:
            raise TypeError("a start is sent with its target and its body")
        jobs = await self.orchestrator.start(self.folder, self.body, may_send=may_send)
        return replace(_started(self.target, jobs), doubted=self.claim.doubted)

    async def adopt(self, found: Found[Job]) -> Started:
        cancelled = found.own if self.claim.cancelled else ()
        await call_off(self.orchestrator, self.folder, [*found.surplus, *cancelled])
        adopted = _adopted(self.folder, self.target, found.own, found.surplus)
        return replace(adopted, doubted=self.claim.doubted)

    async def still_alone(self, done: Started) -> Started:
        try:
            found = await self.find()
        except Unavailable:
            return done
        await call_off(self.orchestrator, self.folder, found.surplus)
        return replace(done, jobs=found.own, surplus=found.surplus) if found.surplus else done


async def call_off(orchestrator: Orchestrator, folder: Folder, surplus: Sequence[Job]) -> None:
    """Stops what never should have been started, as far as it has not begun to run. Never fails."""
    pending = [job.id for job in surplus if job.state == JobState.PENDING]
    if not pending:
        return
    try:
        await orchestrator.stop(folder, pending)
    except (Rejected, Unavailable) as why:
        _log.warning("job.duplicate_not_stopped", jobs=pending, reason=why.detail)


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
