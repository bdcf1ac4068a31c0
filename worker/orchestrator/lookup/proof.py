"""Finds what has a Reference, in a list of Orchestrator's, and every answer is a proof.

"No job" (or item) means that the server took the filter, in this folder, and that every page was read.
Whatever else happens is `Unavailable`.
"""

import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Generic, Protocol, TypeVar

from worker.domain.failures import Answer, Later, Rejected, Unavailable
from worker.orchestrator import wire
from worker.orchestrator.http.budget import Gate
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.refusals import FOLDER_GONE
from worker.orchestrator.rows.jobs import job_of

LONGEST_URL = 1800
"""Bytes. Proxies and old servers cut or refuse longer addresses."""
LOOK_BACK_S = 24 * 3600.0
"""How far back is searched, in seconds, where the server cannot filter by Reference."""
_SCANNING_S = 600.0  # one strange Reference that a server refuses must not make it scan for ever

TOO_LONG = frozenset({413, 414, 431})
_PERHAPS_SHORTER = TOO_LONG | {400}


class Referenced(Protocol):
    """A row that carries a Reference."""

    @property
    def id(self) -> int:
        """Its number, by which a list is read on."""

    @property
    def key(self) -> str:
        """Its GUID."""

    @property
    def reference(self) -> str:
        """What it was made with."""


R = TypeVar("R", bound=Referenced)


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """A list that is asked by Reference: of *most* rows a page. *parse* raises `ValueError`."""

    operation: str
    path: str
    most: int
    parse: Callable[[Mapping[str, Any]], R]


JOBS = Listing("JobsList", "/odata/Jobs", wire.PAGE, job_of)


class Means(IntEnum):
    """How a server can be asked, the best first. The first one it takes is kept, SCAN for a while."""

    IN = 0
    OR = 1
    SCAN = 2


class Search(Generic[R]):
    """Asks one Orchestrator for rows of a list by Reference, in the way that it takes."""

    def __init__(self, transport: Transport, base: str, listing: Listing[R]) -> None:
        self._transport = transport
        self._base = base
        self._listing = listing
        self.room = LONGEST_URL - len(str(self._url("() and Id gt 999999999999"))) - len("Reference%20in%20")
        """Bytes that the References of one call may take in its address."""
        self._means = Means.IN
        self._scans_until = 0.0

    async def rows(
        self, folder_id: int, wanted: Mapping[str, str | None], since: float, gate: Gate
    ) -> dict[str, list[R]]:
        """The rows of every Reference that is *wanted* (with its release's name), or `Unavailable`."""
        found: dict[str, list[R]] = {reference: [] for reference in wanted}
        for row in await self._found(folder_id, wanted, since, gate):
            found.setdefault(row.reference, []).append(row)
        return found

    def shorten(self, refused: Iterable[str]) -> None:
        """Asks for half as much at once from now on: somebody on the way finds such an address too long."""
        self.room = min(self.room, sum(map(size_of, refused))) // 2

    async def _found(
        self, folder_id: int, wanted: Mapping[str, str | None], since: float, gate: Gate
    ) -> Iterable[R]:
        for means in self._worth_asking():
            try:
                rows = [
                    row
                    for condition in conditions(means, wanted, since, self.room)
                    for row in await self._pages(folder_id, condition, gate)
                ]
            except Rejected as refusal:
                if means is Means.SCAN or not refuses_filter(refusal.answer):
                    raise _not_sure(refusal.detail, refusal.answer) from refusal
                continue
            if means is not Means.SCAN:
                _check_filtered(rows, wanted)
            self._keep(means)
            return _each_once(rows)
        raise AssertionError("the last means returns or raises")

    def _worth_asking(self) -> Sequence[Means]:
        over = self._means is Means.SCAN and time.monotonic() >= self._scans_until
        return list(Means)[0 if over else self._means :]

    def _keep(self, means: Means) -> None:
        if means is Means.SCAN and self._means is not means:
            self._scans_until = time.monotonic() + _SCANNING_S
        self._means = means

    async def _pages(self, folder_id: int, condition: str, gate: Gate) -> list[R]:
        """Every page, by key: rows that vanish meanwhile cannot hide others."""
        rows: list[R] = []
        last = -1
        while True:
            here = condition if last < 0 else f"({condition}) and Id gt {last}"
            call = wire.Call(self._listing.operation, "GET", self._url(here))
            page = await self._transport.get(call, wire.page_of, folder_id, gate=gate)
            more = self._comparable(page.rows)
            rows += more
            if len(more) >= page.count if page.count is not None else len(more) < self._listing.most:
                return rows
            newest = max((row.id for row in more), default=-1)
            if newest <= last:
                raise _not_sure(f"the list was cut after {len(rows)} rows")
            last = newest

    def _comparable(self, rows: Sequence[dict[str, Any]]) -> tuple[R, ...]:
        if not all("Reference" in row for row in rows):
            raise _not_sure("this Orchestrator's rows carry no Reference (for jobs, API 11 brought it)")
        try:
            return wire.each(self._listing.parse, rows)
        except ValueError as error:
            raise _not_sure(str(error)) from error

    def _url(self, condition: str) -> Any:
        return wire.url(
            self._base,
            self._listing.path,
            filter=condition,
            orderby="Id",
            top=self._listing.most,
            count="true",
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


def _check_filtered(rows: Iterable[Referenced], wanted: Iterable[str]) -> None:
    """A row that nobody asked for: the server has no heed of the filter, so what is missing may be there."""
    asked = {_as_collated(reference) for reference in wanted}
    if not all(_as_collated(row.reference) in asked for row in rows):
        raise _not_sure("the server gave rows of other References than it was asked for")


def _as_collated(reference: str) -> str:
    """Alike for what databases take for equal: they disregard case, width and blanks at the end."""
    return unicodedata.normalize("NFKC", reference).casefold().rstrip()


def _each_once(rows: Iterable[R]) -> Iterable[R]:
    """The rows without those that came twice, as rows do that move between pages."""
    once: dict[int, R] = {}
    for row in rows:
        first = once.setdefault(row.id, row)
        if (first.key, first.reference) != (row.key, row.reference):
            raise _not_sure(f"the server gave two different jobs (or items) of Id {row.id}")
    return once.values()


def _not_sure(why: str, answer: Answer | None = None) -> Unavailable:
    return Unavailable(Later.FAILING, f"the look-up by Reference proved nothing: {why}", answer=answer)
