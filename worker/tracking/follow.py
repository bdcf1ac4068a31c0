"""One look at one job: it is read by id, and what is new is told, kept and acknowledged, in that order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from worker.domain.events import ids_of, job_duplicate
from worker.domain.failures import Overtaken, Rejected, Unavailable
from worker.domain.flight.events import job_state, since, tracking_expired
from worker.domain.flight.steps import Patience, Step, anew, next_step, told
from worker.domain.jobs import Job, JobState
from worker.domain.outcomes import own_and_surplus
from worker.domain.processes import Folder
from worker.domain.requests import FolderRef
from worker.pipeline.once.start import call_off
from worker.pipeline.ports import Clock, Orchestrator, Outbox
from worker.tracking.ports import Telemetry
from worker.tracking.slots import Slot

_SEARCHED_MOST = 10_000
FRESH_S = 1.0
"""Who waits longer to tell a state looks again: others may have it, and have told what comes after."""

_log = structlog.get_logger(__name__)


class _Look:
    """A look at the job of *slot*, which is read as often as it takes to tell what is true."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.seen: Job | None = None
        """The job as it was read; None where it is gone or not to be read."""
        self.at = 0.0
        """When it was read, in epoch seconds."""
        self.reasons: Sequence[str] | None = None
        """Why it is Pending; None as long as nobody has asked."""
        self._took = 0.0
        self._fresh_until = 0.0

    async def read(self, job: Callable[[Slot], Awaitable[Job | None]], clock: Clock) -> None:
        """Reads it. Who answers slowly is given as long again as he took before: he is not asked for ever."""
        self.at, began = clock(), _now()
        self.seen = await job(self.slot)
        self.slot.read_at = began
        self._fresh_until = began + FRESH_S + self._took
        self._took = _now() - began

    def may_be_told(self) -> bool:
        """False where others may have told what comes after it.

        They may have the job long before this is known here: the broker gives it to them when it misses our
        heartbeats, and of that a broken line tells nothing. After an end nothing comes.
        """
        ends = self.seen is not None and self.seen.terminal
        return self.slot.in_hand and (ends or _now() <= self._fresh_until)


class Follower:
    """Looks at jobs. What it knows of one is in its message: who dies in a look loses nothing."""

    def __init__(
        self,
        orchestrator: Orchestrator,
        outbox: Outbox,
        telemetry: Telemetry,
        source: str,
        patience: Patience,
        clock: Clock,
    ) -> None:
        self._orchestrator = orchestrator
        self._outbox = outbox
        self._telemetry = telemetry
        self._source = source
        self._patience = patience
        self._clock = clock
        self._searched: dict[tuple[str, str], None] = {}

    async def look(self, slot: Slot) -> bool:
        """Reads the job of *slot*. True where its message is settled: something was told, or is kept anew.

        What could not be told at once is read again first. Raises `Overtaken` where the message is somebody
        else's by now.
        """
        look = _Look(slot)
        while True:
            try:
                await look.read(self._read, self._clock)
                return await self._followed(look)
            except Unavailable as why:
                _log.info("job.unread", job=slot.key, reason=why.detail)
                return False
            except Overtaken:
                if not slot.in_hand:
                    raise

    async def _followed(self, look: _Look) -> bool:
        slot = look.slot
        step = next_step(slot.known, look.seen, look.at, self._patience)
        if step is Step.KEEP:
            return False
        await self._take(step, look)
        slot.receipt.ack()
        return True

    async def renew(self, slot: Slot, *, covered: bool) -> None:
        """Publishes the message again as it is, before the broker misses its ack; or lets others have it.

        *covered*: scans speak for the job, so that who gets it now need not read it.
        """
        seen = {"seenAt": self._clock()} if covered else {}
        await self._keep(slot, anew(slot.document, **seen))
        slot.receipt.ack()

    async def _read(self, slot: Slot) -> Job | None:
        try:
            return await self._orchestrator.job(slot.folder_id, slot.job_id)
        except Rejected as why:
            _log.info("job.refused", job=slot.key, reason=why.detail)
            return None

    async def _take(self, step: Step, look: _Look) -> None:
        slot, seen = look.slot, look.seen
        document = slot.document
        match step:
            case Step.TELL if seen is not None:
                await self._tell(look, document, seen)
            case Step.EXPLAIN if seen is not None:
                await self._explain(look, document, seen)
            case Step.MISS:
                folder = await moved(self._orchestrator, document["folder"])
                await self._keep(slot, anew(document, missingSince=look.at, folder=folder))
            case Step.FIND:
                await self._keep(slot, anew(document, missingSince=None))
            case Step.EXPIRE:
                event = tracking_expired(self._source, document, self._clock())
                await self._outbox.announce(event, lambda: slot.in_hand)
                self._telemetry.expired()

    async def _keep(self, slot: Slot, document: Mapping[str, Any]) -> None:
        """Who has lost the message leaves it to whoever has it now: two of one job would both be followed."""
        await self._outbox.track(document, lambda: slot.in_hand)

    async def _tell(self, look: _Look, document: dict[str, Any], seen: Job) -> None:
        logs = await self._lines(look.slot) if seen.state == JobState.FAULTED else ()
        event = job_state(self._source, document, seen, self._clock(), logs=logs)
        await self._outbox.announce(event, look.may_be_told)
        self._telemetry.told(seen.state, since(seen.ended_at, self._clock()) if seen.terminal else None)
        if seen.terminal and document["doubted"]:
            await self._look_for_surplus(document)
        if not seen.terminal:
            await self._keep(look.slot, told(document, seen, look.at))

    async def _explain(self, look: _Look, document: dict[str, Any], seen: Job) -> None:
        slot = look.slot
        if look.reasons is None:
            look.reasons = await self._reasons(slot)
        if look.reasons:
            event = job_state(self._source, document, seen, self._clock(), reasons=look.reasons)
            await self._outbox.announce(event, look.may_be_told)
        await self._keep(slot, anew(document, explained=True))

    async def _reasons(self, slot: Slot) -> Sequence[str]:
        try:
            return await self._orchestrator.pending_reasons(slot.folder_id, slot.job_id)
        except (Unavailable, Rejected) as why:
            _log.info("job.unexplained", job=slot.key, reason=why.detail)
            return ()

    async def _lines(self, slot: Slot) -> Any:
        """What the robot said last; a job that has failed is told without it rather than late."""
        try:
            return await self._orchestrator.error_lines(slot.folder_id, slot.key)
        except (Unavailable, Rejected) as why:
            _log.info("job.logs_unread", job=slot.key, reason=why.detail)
            return ()

    async def _look_for_surplus(self, known: Mapping[str, Any]) -> None:
        """Looks for jobs of a second start, where an earlier one had been doubted and was only late.

        A request may have thousands of jobs: once none can come any more, one look is enough for all of them.
        """
        start = known["reference"], known["trackedSince"]
        if start in self._searched:
            return
        began = self._clock()
        looked = await self._tell_surplus(known)
        none_can_come = datetime.fromisoformat(known["trackedSince"]).timestamp() + self._patience.commit_s
        if looked and began >= none_can_come:
            self._searched[start] = None
            if len(self._searched) > _SEARCHED_MOST:
                del self._searched[next(iter(self._searched))]

    async def _tell_surplus(self, known: Mapping[str, Any]) -> bool:
        """Announces the jobs of a second start that are there. False where nobody can tell now."""
        at = known["folder"]
        folder = Folder(at["id"], at["key"], at["path"], modern=True)
        try:
            jobs = await self._orchestrator.find(folder, known["reference"], known["process"]["name"])
        except Unavailable as why:
            _log.warning("job.not_looked_up", job=known["job"]["key"], reason=why.detail)
            return False
        own, surplus = own_and_surplus(jobs)
        await call_off(self._orchestrator, folder, surplus)
        for job in surplus:
            kept = {**known, "job": ids_of(own[0])}
            await self._outbox.announce(job_duplicate(self._source, kept, job, self._clock()))
        if surplus:
            self._telemetry.duplicates(len(surplus))
        return True


async def moved(orchestrator: Orchestrator, folder: Mapping[str, Any]) -> Mapping[str, Any]:
    """A folder of a tracking document as it is now: its id may change, its key does not."""
    if not folder["key"]:
        return folder
    try:
        found = await orchestrator.folder(FolderRef(key=folder["key"]), fresh=True)
    except (Unavailable, Rejected):
        return folder
    return {**folder, "id": found.id, "path": found.path}


def _now() -> float:
    return asyncio.get_running_loop().time()
