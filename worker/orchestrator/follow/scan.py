"""Reads which jobs of a folder changed: by the time of their last change where the server filters by it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from worker.domain.failures import Rejected
from worker.domain.jobs import Changes, Cursor
from worker.orchestrator import wire
from worker.orchestrator.follow import paging
from worker.orchestrator.follow.paging import MODIFIED, Round
from worker.orchestrator.http.budget import Budget, Turns
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.lookup.proof import refuses_filter
from worker.orchestrator.rows.jobs import sighting_of

ASK_AGAIN_S = 3600.0
"""How long it is believed that a server does not filter by `LastModificationTime`, in seconds."""


class Scan:
    """Scans of one Orchestrator, at the pace of *budget*; look-ups of requests in hand go first."""

    def __init__(self, transport: Transport, base: str, budget: Budget) -> None:
        self._transport = transport
        self._base = base
        self._budget = budget
        self._refused_until = -1.0

    async def changes(self, folder_id: int, cursor: Cursor | None) -> Changes:
        """Keeps the promise of `pipeline.ports.Orchestrator.changes`."""
        if _now() >= self._refused_until:
            try:
                return await self._changes(folder_id, cursor, by_modification=True)
            except Rejected as refusal:
                if not refuses_filter(refusal.answer):
                    raise
                self._refused_until = _now() + ASK_AGAIN_S
        return await self._changes(folder_id, cursor, by_modification=False)

    async def _changes(self, folder_id: int, cursor: Cursor | None, *, by_modification: bool) -> Changes:
        if not isinstance(cursor, Round):
            return await self._begun(folder_id, by_modification=by_modification)
        if cursor.by_modification is not by_modification:
            cursor = paging.round_from(cursor.since(), by_modification=by_modification)
        return await self._page(folder_id, cursor)

    async def _begun(self, folder_id: int, *, by_modification: bool) -> Changes:
        by = MODIFIED if by_modification else "CreationTime"

        def parse(document: Any) -> Changes:
            since = paging.begun_at(wire.page_of(document).rows, by)
            return Changes((), paging.round_from(since, by_modification=by_modification), more=False)

        return await self._get(folder_id, paging.newest_first(by), parse)

    async def _page(self, folder_id: int, cursor: Round) -> Changes:
        asked_at = _now()

        def parse(document: Any) -> Changes:
            rows = wire.page_of(document).rows
            after, more = cursor.read(rows, asked_at, _now())
            return Changes(wire.each(sighting_of, rows), after, more)

        return await self._get(folder_id, cursor.left[0].options(), parse)

    async def _get(
        self, folder_id: int, options: Mapping[str, str | int], parse: Callable[[Any], Changes]
    ) -> Changes:
        call = wire.Call("JobsScan", "GET", wire.url(self._base, "/odata/Jobs", **options))
        turns = Turns(self._budget, urgent=False)
        return await self._transport.get(call, parse, folder_id, gate=turns)


def _now() -> float:
    return asyncio.get_running_loop().time()
