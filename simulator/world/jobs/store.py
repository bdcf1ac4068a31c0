"""The store of jobs: finds them without reading them all, by what clients ask for."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import Any

from simulator.moments import now_ms
from simulator.odata.filter import Predicate
from simulator.odata.syntax import Compare, In, Literal, Logic, Node, Path
from simulator.world.jobs import FINAL, OPEN, Batch, Job, Row

FIRST_JOB_ID = 9001
_TEXTS = ("key", "reference", "batchexecutionkey")


class Jobs:
    """All jobs in the order of their ids, with indexes on what clients ask for.

    `changed` has them in the order of their last change, `started` and `ended` in that of their times.
    """

    def __init__(self) -> None:
        self.rows: list[Job] = []
        self.by_key: dict[str, Job] = {}
        self.by_reference: dict[str, list[Batch]] = {}
        self.by_batch: dict[str, list[Batch]] = {}
        self.by_state: dict[str, dict[int, Job]] = {state: {} for state in OPEN | FINAL}
        self.changed: dict[int, Job] = {}
        self.started: list[Job] = []
        self.ended: list[Job] = []

    def add(self, job: Job) -> None:
        """Takes a new job in."""
        self.rows.append(job)
        self.by_key[job.key] = job
        self.by_state[job.state][job.id] = self.changed[job.id] = job

    def add_batch(self, batch: Batch) -> None:
        """Takes in a batch, whose jobs have the ids from `first_id` on."""
        if batch.reference:
            self.by_reference.setdefault(batch.reference.lower(), []).append(batch)
        self.by_batch.setdefault(batch.key, []).append(batch)

    def move(self, job: Job, state: str) -> None:
        """Puts a job into a state, now; its start and its end are noted the first time."""
        del self.by_state[job.state][job.id], self.changed[job.id]
        job.state, job.modified = state, now_ms()
        self.by_state[state][job.id] = self.changed[job.id] = job
        if state == "Running" and job.started is None:
            job.started = job.modified
            self.started.append(job)
        elif state in FINAL:
            job.ended = job.modified
            self.ended.append(job)

    def of(self, batch: Batch) -> Sequence[Job]:
        """The jobs of a batch."""
        first = batch.first_id - FIRST_JOB_ID
        return self.rows[first : first + batch.count]

    @property
    def next_id(self) -> int:
        """The id that the next job gets."""
        return FIRST_JOB_ID + len(self.rows)

    def get(self, number: int) -> Job | None:
        """The job with that id."""
        index = number - FIRST_JOB_ID
        return self.rows[index] if 0 <= index < len(self.rows) else None

    def candidates(self, tree: Node | None) -> Sequence[Job]:
        """Rows in the order of ids among which all that match `tree` are; few, where an index allows it."""
        found = self._narrowed(tree)
        return self.rows if found is None else found

    def _narrowed(self, node: Node | None) -> Sequence[Job] | None:
        match node:
            case Logic("and", items):
                found = [rows for item in items if (rows := self._narrowed(item)) is not None]
                return min(found, key=len, default=None)
            case Logic("or", items):
                parts = [self._narrowed(item) for item in items]
                return None if None in parts else _by_id(job for part in parts for job in part or ())
            case In(Path((name,)), values):
                return self._by_values(name.lower(), [literal.value for literal in values])
            case Compare("eq", Path((name,)), Literal(_, value)):
                return self._by_values(name.lower(), [value])
            case Compare(op, Path((name,)), Literal(_, value)) if isinstance(value, int | float):
                return self._by_range(name.lower(), op, value)
        return None

    def _by_range(self, name: str, op: str, value: float) -> Sequence[Job] | None:
        if name == "id":
            return _slice(self.rows, op, value, lambda job: job.id)
        if name == "creationtime":
            return _slice(self.rows, op, value, lambda job: job.created)
        if op not in ("ge", "gt"):
            return None
        if name == "endtime":
            return _by_id(_slice(self.ended, op, value, lambda job: job.ended or 0))
        if name == "starttime":
            return _by_id(_slice(self.started, op, value, lambda job: job.started or 0))
        return _by_id(self._changed_since(value)) if name == "lastmodificationtime" else None

    def _changed_since(self, value: float) -> Iterable[Job]:
        return takewhile(lambda job: job.changed >= value, reversed(self.changed.values()))

    def _by_values(self, name: str, values: list[Any]) -> Sequence[Job] | None:
        if name == "state":
            states = [self.by_state.get(str(value).title()) for value in values]
            return None if None in states else _by_id(job for jobs in states for job in (jobs or {}).values())
        if name == "lastmodificationtime" and isinstance(values[0], int | float):
            return _by_id(self._changed_since(min(values)))
        if name not in ("id", *_TEXTS) or "" in values:
            return None
        return _by_id(job for value in values for job in self._at(name, value))

    def _at(self, name: str, value: Any) -> Sequence[Job]:
        if name == "id":
            one = self.get(value) if isinstance(value, int) else None
            return [one] if one else []
        text = value.lower() if isinstance(value, str) else ""
        if name == "key":
            return [self.by_key[text]] if text in self.by_key else []
        batches = (self.by_reference if name == "reference" else self.by_batch).get(text, [])
        return [job for batch in batches for job in self.of(batch)]


def _slice(rows: list[Job], op: str, value: float, key: Callable[[Job], float]) -> list[Job]:
    """The part of *rows*, which are in the order of *key*, that may match."""
    if op in ("gt", "ge"):
        return rows[(bisect_left if op == "ge" else bisect_right)(rows, value, key=key) :]
    if op in ("lt", "le"):
        return rows[: (bisect_left if op == "lt" else bisect_right)(rows, value, key=key)]
    return rows


def _by_id(jobs: Iterable[Job]) -> list[Job]:
    """Each of them once, in the order of ids."""
    found = {job.id: job for job in jobs}
    return [found[number] for number in sorted(found)]


def in_folder(folder: Row) -> Predicate:
    """Whether a job belongs to that folder."""
    return lambda job: job.batch.folder is folder
