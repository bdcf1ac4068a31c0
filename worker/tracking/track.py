"""Follows each job by id until it is over, and says each change of its state.

A plain tracker: every job in hand is read once in each interval. What it knows of a job is in its message,
so a tracker that dies loses nothing, and the next one goes on where it was.
"""

import asyncio
import random
from collections.abc import AsyncIterable, Mapping
from socket import gethostname
from typing import Any

import structlog

from worker.contracts import parse, violations
from worker.domain.events import ids_of, job_duplicate, job_state
from worker.domain.failures import Code, Overtaken, Rejected, Unavailable
from worker.domain.jobs import Job, is_news
from worker.domain.messages import letter, past_of
from worker.domain.outcomes import own_and_surplus
from worker.domain.processes import Folder
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.once.start import call_off
from worker.pipeline.ports import Clock, Delivery, Orchestrator, Outbox, Telemetry

_READS_AT_ONCE = 16
# Given back at once, a message that we fail at would go round as fast as it can.
_AFTER_DEFECT_S = 5.0

_log = structlog.get_logger(__name__)


class Tracker:
    """Keeps invariant 6: a job's states are announced one by one, in order, and none after a terminal one."""

    def __init__(
        self,
        orchestrator: Orchestrator,
        outbox: Outbox,
        telemetry: Telemetry,
        stopping: Stopping,
        clock: Clock,
    ) -> None:
        self._orchestrator = orchestrator
        self._outbox = outbox
        self._telemetry = telemetry
        self._stopping = stopping
        self._clock = clock
        self._reading = asyncio.Semaphore(_READS_AT_ONCE)
        self._in_hand = 0

    async def run(self, deliveries: AsyncIterable[Delivery], source: str, interval_s: float) -> None:
        """Follows the job of every delivery; returns when they end and all are settled or given back."""
        async with asyncio.TaskGroup() as tasks:
            async for delivery in deliveries:
                tasks.create_task(self._follow(delivery, source, interval_s))

    async def _follow(self, delivery: Delivery, source: str, interval_s: float) -> None:
        """Sees one job to its next news. A defect of ours costs this job a delay, nobody else."""
        try:
            await self._follow_on(delivery, source, interval_s)
        except Overtaken:
            _log.info("job.overtaken", message_id=delivery.message.message_id)
        except Exception:  # noqa: BLE001 - whatever it is, the other jobs must not pay for it
            _log.exception("job.unsettled", message_id=delivery.message.message_id)
            await self._stopping.pause(_AFTER_DEFECT_S)
            delivery.give_back()

    async def _follow_on(self, delivery: Delivery, source: str, interval_s: float) -> None:
        known = await self._read(delivery)
        if known is None:
            return
        self._count(1)
        try:
            seen = await self._news(delivery, known, interval_s)
            if seen is None:
                delivery.give_back()
                return
            event = job_state(source, known, seen, self._clock())
            await self._outbox.announce(event, lambda: delivery.is_open)
            if seen.terminal and known["doubted"]:
                await self._tell_surplus(source, known)
            if not seen.terminal:
                await self._outbox.track(_next(known, seen))
            delivery.ack()
        finally:
            self._count(-1)

    async def _news(self, delivery: Delivery, known: Mapping[str, Any], interval_s: float) -> Job | None:
        """Waits for a state that has not been announced; None when this tracker no longer may."""
        pause = random.uniform(0, min(interval_s, 1.0))  # noqa: S311 - spreads the first reads
        while True:
            await self._stopping.pause(pause)
            if self._stopping or not delivery.is_open:
                return None
            seen = await self._look(known)
            if seen is not None and is_news(known["state"], known["resumeVersion"], seen):
                return seen
            pause = interval_s * random.uniform(0.8, 1.2)  # noqa: S311 - keeps reads spread

    async def _look(self, known: Mapping[str, Any]) -> Job | None:
        try:
            async with self._reading:
                return await self._orchestrator.job(known["folder"]["id"], known["job"]["id"])
        except (Unavailable, Rejected) as why:
            _log.info("job.unread", job=known["job"]["key"], reason=why.detail)
            return None

    async def _tell_surplus(self, source: str, known: Mapping[str, Any]) -> None:
        """Announces the jobs of a second start, where an earlier one had been doubted and was only late."""
        at = known["folder"]
        folder = Folder(at["id"], at["key"], at["path"], modern=True)
        try:
            jobs = await self._orchestrator.find(folder, known["reference"], known["process"]["name"])
        except Unavailable as why:
            _log.warning("job.not_looked_up", job=known["job"]["key"], reason=why.detail)
            return
        own, surplus = own_and_surplus(jobs)
        await call_off(self._orchestrator, folder, surplus)
        for job in surplus:
            kept = {**known, "job": ids_of(own[0])}
            await self._outbox.announce(job_duplicate(source, kept, job, self._clock()))
        if surplus:
            self._telemetry.duplicates(len(surplus))

    async def _read(self, delivery: Delivery) -> Mapping[str, Any] | None:
        """The tracking document, or None when the message was none and is a dead letter now."""
        message = delivery.message
        try:
            document = parse(message.body)
            wrong = "; ".join(f"{v.pointer} {v.message}" for v in violations("tracking.v1", document))
        except Rejected as why:
            document, wrong = None, why.detail
        if not wrong and isinstance(document, dict):
            return document
        now = self._clock()
        reason = (Code.INVALID_REQUEST, f"not a tracking message: {wrong}")
        headers = letter(message, past_of(message, now, 0), reason, gethostname(), now)
        await self._outbox.bury(message, headers)
        delivery.ack()
        return None

    def _count(self, change: int) -> None:
        self._in_hand += change
        self._telemetry.tracked(self._in_hand)


def _next(known: Mapping[str, Any], seen: Job) -> dict[str, Any]:
    """The tracking document after *seen* was announced."""
    return {
        **known,
        "state": seen.state,
        "previousState": known["state"],
        "resumeVersion": seen.resume_version,
        "generation": known["generation"] + 1,
    }
