"""Finds jobs by Reference: many questions of one moment become one call, and every answer is a proof.

"No job" means that the server took the filter, in this folder, and that every page was read. Whatever
else happens is `Unavailable`.
"""

import asyncio
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from worker.domain.failures import Answer, Later, Rejected, Unavailable
from worker.domain.jobs import Job
from worker.orchestrator import wire
from worker.orchestrator.cache import Flight
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.jobs import job_of
from worker.orchestrator.refusals import FOLDER_GONE

MOMENT_S = 0.02
"""How long a look-up waits for others of its folder, in seconds."""
MOST_REFERENCES = 50
LONGEST_URL = 1800
"""Bytes. Proxies and old servers cut or refuse longer addresses."""
LOOK_BACK_S = 24 * 3600.0
"""How far back is searched, in seconds, where the server cannot filter by Reference."""


class Means(IntEnum):
    """How a server can be asked, the best first. The first one it takes is kept."""

    IN = 0
    OR = 1
    SCAN = 2


class _Batch:
    """The look-ups of one folder that wait for the same call."""

    def __init__(self, room: int) -> None:
        self.wanted: dict[str, str | None] = {}
        self.since = time.time() - LOOK_BACK_S
        self._room = room

    def takes(self, reference: str) -> bool:
        return reference in self.wanted or (
            len(self.wanted) < MOST_REFERENCES and _size(reference) <= self._room
        )

    def add(self, reference: str, release_name: str | None, since: float | None) -> None:
        if reference not in self.wanted:
            self._room -= _size(reference)
        self.wanted[reference] = release_name
        self.since = min(self.since, since or self.since)


class Lookup:
    """Gathered look-ups by Reference."""

    def __init__(self, transport: Transport, base: str) -> None:
        self._transport = transport
        self._base = base
        self._room = LONGEST_URL - len(str(self._url("() and Id gt 999999999999"))) - len("Reference%20in%20")
        self._means = Means.IN
        self._open: dict[int, tuple[_Batch, Flight[dict[str, list[Job]]]]] = {}

    async def find(
        self, folder_id: int, reference: str, release_name: str | None, since: float | None
    ) -> Sequence[Job]:
        """All jobs with exactly this Reference, oldest first, or `Unavailable`."""
        flight = self._join(folder_id, reference, release_name, since)
        await asyncio.sleep(MOMENT_S)
        return (await flight.result()).get(reference, ())

    def _join(
        self, folder_id: int, reference: str, release_name: str | None, since: float | None
    ) -> Flight[dict[str, list[Job]]]:
        batch, flight = self._open.get(folder_id, (None, None))
        if batch is None or flight is None or not batch.takes(reference):
            batch = _Batch(self._room)
            flight = Flight(lambda: self._answer(folder_id, batch))
            self._open[folder_id] = batch, flight
        batch.add(reference, release_name, since)
        return flight

    async def _answer(self, folder_id: int, batch: _Batch) -> dict[str, list[Job]]:
        if self._open.get(folder_id, (None, None))[0] is batch:
            del self._open[folder_id]
        found: dict[str, list[Job]] = {}
        for job in await self._jobs(folder_id, batch):
            found.setdefault(job.reference, []).append(job)
        return found

    async def _jobs(self, folder_id: int, batch: _Batch) -> Iterable[Job]:
        for means in Means:
            if means < self._means:
                continue
            try:
                jobs = [
                    job
                    for condition in conditions(means, batch.wanted, batch.since, self._room)
                    for job in await self._rows(folder_id, condition)
                ]
            except Rejected as refusal:
                if means is Means.SCAN or not _refuses_filter(refusal.answer):
                    raise _not_sure(refusal.detail, refusal.answer) from refusal
                continue
            if means is not Means.SCAN:
                _check_filtered(jobs, batch.wanted)
            self._means = means
            return _each_once(jobs)
        raise AssertionError("the last means returns or raises")

    async def _rows(self, folder_id: int, condition: str) -> list[Job]:
        """Every page, by key: rows that vanish meanwhile cannot hide others."""
        jobs: list[Job] = []
        last = -1
        while True:
            here = condition if last < 0 else f"({condition}) and Id gt {last}"
            call = wire.Call("JobsList", "GET", self._url(here))
            page = await self._transport.get(call, wire.page_of, folder_id)
            more = _comparable(page.rows)
            jobs += more
            if len(more) >= page.count if page.count is not None else len(more) < wire.PAGE:
                return jobs
            newest = max((job.id for job in more), default=-1)
            if newest <= last:
                raise _not_sure(f"the list of jobs was cut after {len(jobs)} rows")
            last = newest

    def _url(self, condition: str) -> Any:
        return wire.url(
            self._base, "/odata/Jobs", filter=condition, orderby="Id", top=wire.PAGE, count="true"
        )


def conditions(means: Means, wanted: Mapping[str, str | None], since: float, room: int) -> list[str]:
    """The filters that together ask for all that is *wanted* (Reference -> release's name)."""
    if means is Means.SCAN:
        after = datetime.fromtimestamp(since, UTC).strftime("CreationTime ge %Y-%m-%dT%H:%M:%SZ")
        names = set(wanted.values())
        if None in names:
            return [after]
        return [f"ReleaseName eq {wire.literal(name)} and {after}" for name in sorted(filter(None, names))]
    literals = [wire.literal(reference) for reference in wanted]
    if len(literals) == 1:
        return [f"Reference eq {literals[0]}"]
    if means is Means.IN:
        return [f"Reference in ({','.join(literals)})"]
    return list(_packed([f"Reference eq {each}" for each in literals], room))


def _packed(parts: Sequence[str], room: int) -> Iterable[str]:
    """Joins *parts* with `or`, as many at a time as the address has room for."""
    packed: list[str] = []
    used = 0
    for part in parts:
        size = len(wire.escaped(f" or {part}"))
        if packed and used + size > room:
            yield " or ".join(packed)
            packed, used = [], 0
        packed.append(part)
        used += size
    yield " or ".join(packed)


def _size(reference: str) -> int:
    return len(wire.escaped(wire.literal(reference))) + 1


def _refuses_filter(answer: Answer | None) -> bool:
    """True when the server does not know this kind of filter: not a word on the folder, not an empty 400."""
    return bool(answer and answer.status == 400 and answer.message and answer.error_code not in FOLDER_GONE)


def _comparable(rows: Sequence[dict[str, Any]]) -> tuple[Job, ...]:
    if not all("Reference" in row for row in rows):
        raise _not_sure("this Orchestrator's jobs carry no Reference (API 11 brought it)")
    try:
        return wire.each(job_of, rows)
    except ValueError as error:
        raise _not_sure(str(error)) from error


def _check_filtered(jobs: Iterable[Job], wanted: Iterable[str]) -> None:
    """A row that nobody asked for: the server has no heed of the filter, so what is missing may be there."""
    asked = {_as_collated(reference) for reference in wanted}
    if not all(_as_collated(job.reference) in asked for job in jobs):
        raise _not_sure("the server gave jobs of other References than it was asked for")


def _as_collated(reference: str) -> str:
    """Alike for what databases take for equal: they disregard case, width and blanks at the end."""
    return unicodedata.normalize("NFKC", reference).casefold().rstrip()


def _each_once(jobs: Iterable[Job]) -> Iterable[Job]:
    """The jobs without those that came twice, as rows do that move between pages."""
    once: dict[int, Job] = {}
    for job in jobs:
        first = once.setdefault(job.id, job)
        if (first.key, first.reference) != (job.key, job.reference):
            raise _not_sure(f"the server gave two different jobs of Id {job.id}")
    return once.values()


def _not_sure(why: str, answer: Answer | None = None) -> Unavailable:
    return Unavailable(Later.FAILING, f"the look-up by Reference proved nothing: {why}", answer=answer)
