"""Finds jobs by Reference, and every answer is a proof.

"No job" means that the server took the filter, in this folder, and that every page was read. Whatever
else happens is `Unavailable`.
"""

import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from worker.domain.failures import Answer, Later, Rejected, Unavailable
from worker.domain.jobs import Job
from worker.orchestrator import wire
from worker.orchestrator.http.budget import Gate
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.jobs import job_of
from worker.orchestrator.refusals import FOLDER_GONE

LONGEST_URL = 1800
"""Bytes. Proxies and old servers cut or refuse longer addresses."""
LOOK_BACK_S = 24 * 3600.0
"""How far back is searched, in seconds, where the server cannot filter by Reference."""
_SCANNING_S = 600.0  # one strange Reference that a server refuses must not make it scan for ever

TOO_LONG = frozenset({413, 414, 431})
_PERHAPS_SHORTER = TOO_LONG | {400}


class Means(IntEnum):
    """How a server can be asked, the best first. The first one it takes is kept, SCAN for a while."""

    IN = 0
    OR = 1
    SCAN = 2


class Search:
    """Asks one Orchestrator for jobs by Reference, in the way that it takes."""

    def __init__(self, transport: Transport, base: str) -> None:
        self._transport = transport
        self._base = base
        self.room = LONGEST_URL - len(str(self._url("() and Id gt 999999999999"))) - len("Reference%20in%20")
        """Bytes that the References of one call may take in its address."""
        self._means = Means.IN
        self._scans_until = 0.0

    async def jobs(
        self, folder_id: int, wanted: Mapping[str, str | None], since: float, gate: Gate
    ) -> dict[str, list[Job]]:
        """The jobs of every Reference that is *wanted* (with its release's name), or `Unavailable`."""
        found: dict[str, list[Job]] = {reference: [] for reference in wanted}
        for job in await self._found(folder_id, wanted, since, gate):
            found.setdefault(job.reference, []).append(job)
        return found

    def shorten(self, refused: Iterable[str]) -> None:
        """Asks for half as much at once from now on: somebody on the way finds such an address too long."""
        self.room = min(self.room, sum(map(size_of, refused))) // 2

    async def _found(
        self, folder_id: int, wanted: Mapping[str, str | None], since: float, gate: Gate
    ) -> Iterable[Job]:
        for means in self._worth_asking():
            try:
                jobs = [
                    job
                    for condition in conditions(means, wanted, since, self.room)
                    for job in await self._rows(folder_id, condition, gate)
                ]
            except Rejected as refusal:
                if means is Means.SCAN or not refuses_filter(refusal.answer):
                    raise _not_sure(refusal.detail, refusal.answer) from refusal
                continue
            if means is not Means.SCAN:
                _check_filtered(jobs, wanted)
            self._keep(means)
            return _each_once(jobs)
        raise AssertionError("the last means returns or raises")

    def _worth_asking(self) -> Sequence[Means]:
        over = self._means is Means.SCAN and time.monotonic() >= self._scans_until
        return list(Means)[0 if over else self._means :]

    def _keep(self, means: Means) -> None:
        if means is Means.SCAN and self._means is not means:
            self._scans_until = time.monotonic() + _SCANNING_S
        self._means = means

    async def _rows(self, folder_id: int, condition: str, gate: Gate) -> list[Job]:
        """Every page, by key: rows that vanish meanwhile cannot hide others."""
        jobs: list[Job] = []
        last = -1
        while True:
            here = condition if last < 0 else f"({condition}) and Id gt {last}"
            call = wire.Call("JobsList", "GET", self._url(here))
            page = await self._transport.get(call, wire.page_of, folder_id, gate=gate)
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


def size_of(reference: str) -> int:
    """Bytes that *reference* takes in an address."""
    return len(wire.escaped(wire.literal(reference))) + 1


def may_be_ones_fault(why: Unavailable) -> bool:
    """True where fewer References might be answered: one of them, or the length, may be the reason."""
    if why.outage or why.code is not Later.FAILING:
        return False
    answer = why.answer
    if answer is None or not answer.message:
        return True
    return answer.status in _PERHAPS_SHORTER and answer.error_code not in FOLDER_GONE


def refuses_filter(answer: Answer | None) -> bool:
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
