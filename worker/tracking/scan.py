"""Scans: where many jobs are in flight, one tracker for each folder lists what changed, and shows it to all.

Orchestrator counts lists, and does not count reads by id: so few jobs are read one by one, and of many only
those that a scan shows to have changed.
"""

import asyncio
from uuid import uuid4

import structlog

from worker.domain.failures import Rejected, Unavailable
from worker.domain.jobs import Cursor
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.ports import Orchestrator
from worker.tracking.ports import Leases
from worker.tracking.share import Sharing, lease_of

FROM, UNTIL = 200, 100
"""A folder is scanned from so many jobs in flight, and until there are so few."""
_LOOK_EVERY_S = 1.0
_MINUTE_S = 60.0
_AFTER_DEFECT_S = 30.0

_log = structlog.get_logger(__name__)


class Scanner:
    """Scans the folders whose lease it gets; together with the others within *a_minute* lists a minute."""

    def __init__(
        self, orchestrator: Orchestrator, sharing: Sharing, leases: Leases, interval_s: float, a_minute: int
    ) -> None:
        self._orchestrator = orchestrator
        self._sharing = sharing
        self._leases = leases
        self._interval_s = interval_s
        self._a_minute = a_minute
        self._running: set[int] = set()

    async def run(self, stopping: Stopping) -> None:
        """Scans until the worker is to stop."""
        async with asyncio.TaskGroup() as tasks:
            while not stopping:
                for folder, count in self._sharing.folders().items():
                    wanted = count >= FROM and self._sharing.holds(folder) and folder not in self._running
                    if wanted and await self._leases.take(lease_of(folder)):
                        self._running.add(folder)
                        tasks.create_task(self._scan(folder, stopping))
                await stopping.pause(_LOOK_EVERY_S)

    async def _scan(self, folder: int, stopping: Stopping) -> None:
        """Scans a folder while that is worth while. A defect costs it a delay, and others may try."""
        lease = lease_of(folder)
        try:
            await self._rounds(folder, lease, stopping)
        except Exception:  # noqa: BLE001 - whatever it is, the other folders must not pay for it
            _log.exception("scan.broken", folder=folder)
            await self._leases.release(lease)
            await stopping.pause(_AFTER_DEFECT_S)
        finally:
            self._running.discard(folder)
            await self._leases.release(lease)

    async def _rounds(self, folder: int, lease: str, stopping: Stopping) -> None:
        began = _now()
        chain, number, cursor = self._place(folder)
        try:
            while not stopping and self._leases.held(lease) and self._wanted(folder):
                try:
                    page = await self._orchestrator.changes(folder, cursor)
                except (Unavailable, Rejected) as why:
                    _log.info("scan.failed", folder=folder, reason=why.detail)
                    await stopping.pause(self._interval_s)
                    continue
                cursor, number = page.cursor, number + 1
                self._sharing.rows(folder, chain, number, page)
                await stopping.pause(self._pause(began, more=page.more))
                began = began if page.more else _now()
        finally:
            if not self._wanted(folder):
                self._sharing.ended(folder, chain)

    def _place(self, folder: int) -> tuple[str, int, Cursor | None]:
        """Where the scan goes on that another tracker has left, or a new chain's beginning."""
        left = self._sharing.left(folder)
        cursor = left and self._orchestrator.cursor(left.word)
        return (left.chain, left.number, cursor) if left and cursor else (uuid4().hex, 0, None)

    def _wanted(self, folder: int) -> bool:
        return self._sharing.folders().get(folder, 0) >= UNTIL

    def _pause(self, began: float, *, more: bool) -> float:
        """Seconds to the next list: all scans share the minute; a round takes an interval at least."""
        apart = _MINUTE_S * max(1, self._sharing.scanned()) / self._a_minute
        return apart if more else max(apart, self._interval_s - (_now() - began))


def _now() -> float:
    return asyncio.get_running_loop().time()
