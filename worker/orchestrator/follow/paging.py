"""How a list of jobs is read by the time of their changes, page by page, and no row skipped. Pure.

    one page             rows at or after `since`, by time and Id
    it was full          the next one begins at its last time, less a grain: instants are never compared for
                         equality, as servers store and show them at different precisions
    full of one instant  that second is read by Id, which no two rows share
    it was not full      the round is over; the next one looks back, for rows that became visible late: to the
                         first page that was asked for within 2 s of what it reached to

No page is asked for by its number of rows (`$skip`): rows leave a page while it is read. All times are the
server's, in microseconds since 1970; of our own clock only durations count.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from worker.domain.jobs import Cursor
from worker.domain.words import JobState
from worker.orchestrator.wire import PAGE

Rows = Sequence[Mapping[str, Any]]
MODIFIED = "LastModificationTime"
OVERLAP_S = 2.0
"""Seconds by which a change may become visible after its own time, or a server's clocks may differ."""
LONGEST_OVERLAP_S = 12.0
"""A round looks back to its first page that may lack late rows, but no further than this in all."""
TIMELESS = (JobState.SUSPENDED, JobState.RESUMED, JobState.STOPPING, JobState.TERMINATING)
"""The states that change none of the times that servers without `LastModificationTime` filter by."""
_SECOND = 1_000_000
_GRAIN = 10_000
_BY_MODIFICATION, _BY_TIMES = "m", "t"
_WORD = re.compile(r"([mt])([0-9]{1,17})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """How far one list is read: rows of *by* at or after *since* are next, and *newest* is the last seen.

    *after* is the last Id of a second that is read by Id. *begun* is when this round's first page was asked
    for that may lack late rows, in seconds of our clock; *ahead* is by how much the server's is ahead of
    that at least, in microseconds, as far as it is known.
    """

    by: str
    since: int = 0
    newest: int = 0
    after: int | None = None
    begun: float | None = None
    ahead: int | None = None

    def options(self) -> dict[str, str | int]:
        """The OData options of its next page."""
        condition, order = f"{self.by} ge {written(self.since)}", f"{self.by},Id"
        if self.after is not None:
            condition += f" and {self.by} lt {written(self.since + _SECOND)} and Id gt {self.after}"
            order = "Id"
        return _page(condition, order, f"Id,Key,State,ResumeVersion,{self.by}")

    def read(self, rows: Rows, asked_at: float, now: float) -> tuple["Place", bool]:
        """The place after its page was *rows*, and whether more of its round is left.

        Raises `ValueError` where the rows are not those that were asked for, in their order.
        """
        times = [moment(row.get(self.by)) for row in rows]
        if times and min(times) < self.since - _GRAIN:
            raise ValueError("the server has no heed of the filter")
        reached = times[-1] if times and self.after is None else self.since + _SECOND
        begun = asked_at if self.begun is None and not self._is_settled(reached, asked_at) else self.begun
        here = replace(self, newest=max([self.newest, *times]), begun=begun)
        if self.after is not None:
            return _on_by_id(here, rows), True
        if times != sorted(times):
            raise ValueError("the server has no heed of the order")
        if len(rows) < PAGE:
            return _over(here, asked_at if begun is None else begun, now), False
        since = reached - _GRAIN
        return (replace(here, since=since) if since > self.since else replace(here, after=0)), True

    def _is_settled(self, reached: int, asked_at: float) -> bool:
        """Whether all changes up to *reached* were to be seen by then: none can come late any more."""
        return self.ahead is not None and reached < self.ahead + int((asked_at - OVERLAP_S) * _SECOND)


def _on_by_id(place: Place, rows: Rows) -> Place:
    if len(rows) < PAGE:
        return replace(place, since=place.since + _SECOND, after=None)
    return replace(place, after=_id(rows[-1]))


def _over(place: Place, begun: float, now: float) -> Place:
    """The place from which the next round begins."""
    overlap = min(OVERLAP_S + now - begun, LONGEST_OVERLAP_S)
    since = max(0, place.newest - int(overlap * _SECOND))
    return Place(place.by, since, place.newest, ahead=place.newest - int(now * _SECOND))


@dataclass(frozen=True, slots=True)
class States:
    """How far the jobs in states without a time are read: one page in each round, those after Id *after*."""

    after: int = 0
    by: ClassVar[str] = "State"

    def options(self) -> dict[str, str | int]:
        """The OData options of its next page."""
        states = " or ".join(f"State eq '{state}'" for state in TIMELESS)
        return _page(f"({states}) and Id gt {self.after}", "Id", "Id,Key,State,ResumeVersion")

    def read(self, rows: Rows, _asked_at: float, _now: float) -> tuple["States", bool]:
        """The place after its page was *rows*; the round never waits for another."""
        return States(_id(rows[-1]) if len(rows) >= PAGE else 0), False


@dataclass(frozen=True, slots=True)
class Round(Cursor):
    """The lists of one folder: *left* are to be read in this round, the first next; *done* have been."""

    left: tuple[Place | States, ...]
    done: tuple[Place | States, ...] = ()

    def read(self, rows: Rows, asked_at: float, now: float) -> tuple["Round", bool]:
        """The round after the first list's page was *rows*, and whether there is more of it to read."""
        place, full = self.left[0].read(rows, asked_at, now)
        if full:
            return Round((place, *self.left[1:]), self.done), True
        left, done = self.left[1:], (*self.done, place)
        return (Round(left, done), True) if left else (Round(done), False)

    @property
    def by_modification(self) -> bool:
        """Whether it is read by the time of the last change, whatever has changed."""
        return self.left[0].by == MODIFIED

    @property
    def word(self) -> str:
        """Which kind of server it is for, and the time from which nothing is skipped, late rows neither."""
        since = max(0, self.since() - int(LONGEST_OVERLAP_S * _SECOND))
        return f"{_BY_MODIFICATION if self.by_modification else _BY_TIMES}{since}"

    def since(self) -> int:
        """The time from which the least is read."""
        return min(place.since for place in (*self.left, *self.done) if isinstance(place, Place))


def newest_first(by: str) -> dict[str, str | int]:
    """The OData options that find the newest *by* of a folder."""
    return {"orderby": f"{by} desc,Id desc", "top": 1, "select": f"Id,{by}", "count": "false"}


def begun_at(rows: Rows, by: str) -> int:
    """The time from which a scan begins that follows `newest_first`: in an empty folder, the beginning."""
    found = rows[0].get(by) if rows else None
    return 0 if found is None else max(0, moment(found) - int(OVERLAP_S * _SECOND))


def round_from(since: int, *, by_modification: bool) -> Round:
    """A round over all lists that a server of either kind needs, from *since* on."""
    if by_modification:
        return Round((Place(MODIFIED, since, since),))
    return Round((Place("EndTime", since, since), Place("StartTime", since, since), States()))


def round_of(word: str) -> Round | None:
    """The round that said *word* of itself, from a little earlier on; None where it is no such word."""
    found = _WORD.fullmatch(word)
    return found and round_from(int(found[2]), by_modification=found[1] == _BY_MODIFICATION)


def moment(value: Any) -> int:
    """An instant of the server's, with any number of digits; without an offset it is UTC."""
    if not isinstance(value, str):
        raise ValueError("a job's time is no text")  # noqa: TRY004 - all that does not fit is a ValueError
    found = datetime.fromisoformat(value)
    return (found.replace(tzinfo=found.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)


def written(microseconds: int) -> str:
    """An instant as OData takes it."""
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _id(row: Mapping[str, Any]) -> int:
    if type(row.get("Id")) is not int:
        raise ValueError("a job's Id is no number")
    return int(row["Id"])


def _page(condition: str, order: str, columns: str) -> dict[str, str | int]:
    return {"filter": condition, "orderby": order, "top": PAGE, "select": columns, "count": "false"}
