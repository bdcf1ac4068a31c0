"""Jobs as compact records, and the store that finds them without reading them all."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from simulator.odata.filter import Predicate
from simulator.odata.syntax import Compare, In, Literal, Logic, Node, Path

Row = dict[str, Any]
FIRST_JOB_ID = 9001
FINAL = frozenset({"Successful", "Faulted", "Stopped"})
OPEN = frozenset({"Pending", "Running", "Stopping", "Terminating", "Suspended", "Resumed"})


_PLAIN = frozenset(
    {"ReleaseKey", "ReleaseName", "Strategy", "InputArguments", "Reference", "JobsCount", "NoOfRobots"}
)
_NOTHING: dict[str, Any] = {}


class Batch:
    """What the jobs of one StartJobs call share: where they run, when they were committed, and what was sent.

    `extra` is what was sent beside the usual properties; mostly nothing.
    """

    __slots__ = (
        "count",
        "created_us",
        "extra",
        "first_id",
        "folder",
        "input_text",
        "key",
        "no_of_robots",
        "priority",
        "reference",
        "release",
        "strategy",
    )

    def __init__(self, release: Row, folder: Row, info: dict[str, Any], key: str, created_us: int) -> None:
        self.release = release
        self.folder = folder
        self.key = key
        self.created_us = created_us
        self.reference: str = info.get("Reference") or ""
        self.strategy: str | None = info.get("Strategy")
        self.no_of_robots: int | None = info.get("NoOfRobots")
        self.input_text: str | None = info.get("InputArguments")
        self.extra = {name: info[name] for name in info.keys() - _PLAIN} or _NOTHING
        self.priority: int = 45
        self.first_id = 0
        self.count = 0

    @property
    def info(self) -> dict[str, Any]:
        """The startInfo that would start the like again."""
        sent = {
            "ReleaseKey": self.release["Key"],
            "Strategy": self.strategy,
            "InputArguments": self.input_text,
            "Reference": self.reference,
        }
        return {**sent, **self.extra}


class Job:
    """One job. Instants are milliseconds since 1970; `due` is the loop time of its next step, 0 for none."""

    __slots__ = (
        "batch",
        "due",
        "ended",
        "error",
        "host",
        "id",
        "info",
        "key",
        "machine",
        "modified",
        "next",
        "output",
        "output_file",
        "persistence",
        "plan",
        "resumed",
        "resumes",
        "robot",
        "started",
        "state",
        "stop_strategy",
    )

    def __init__(self, number: int, key: str, batch: Batch, plan: str) -> None:
        self.id = number
        self.key = key
        self.batch = batch
        self.plan = plan
        self.state = "Pending"
        self.next = ""
        self.due = 0.0
        self.robot: Row | None = None
        self.machine: Row | None = None
        self.host: str | None = None
        self.started: int | None = None
        self.ended: int | None = None
        self.resumed: int | None = None
        self.resumes: int | None = None
        self.persistence: str | None = None
        self.modified: int | None = None
        self.info: str | None = None
        self.output: str | None = None
        self.output_file: str | None = None
        self.error: dict[str, Any] | None = None
        self.stop_strategy: str | None = batch.extra.get("StopStrategy")

    @property
    def created(self) -> int:
        """When it was committed, as stored."""
        return self.batch.created_us // 1000


class Jobs:
    """All jobs in the order of their ids, with indexes on what clients ask for."""

    def __init__(self) -> None:
        self.rows: list[Job] = []
        self.by_key: dict[str, Job] = {}
        self.by_reference: dict[str, list[Batch]] = {}
        self.by_batch: dict[str, list[Batch]] = {}
        self.open: dict[int, Job] = {}
        self.ended: list[Job] = []

    def add(self, job: Job) -> None:
        """Takes a new job in."""
        self.rows.append(job)
        self.by_key[job.key] = job
        self.open[job.id] = job

    def add_batch(self, batch: Batch) -> None:
        """Takes in a batch, whose jobs have the ids from `first_id` on."""
        if batch.reference:
            self.by_reference.setdefault(batch.reference.lower(), []).append(batch)
        self.by_batch.setdefault(batch.key, []).append(batch)

    def of(self, batch: Batch) -> Sequence[Job]:
        """The jobs of a batch."""
        first = batch.first_id - FIRST_JOB_ID
        return self.rows[first : first + batch.count]

    def close(self, job: Job) -> None:
        """Moves a job that came to its end out of the open ones."""
        if self.open.pop(job.id, None) is not None:
            self.ended.append(job)

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
        best: Sequence[Job] = self.rows
        for term in tree.items if isinstance(tree, Logic) and tree.op == "and" else [tree]:
            found = self._by_values(term) if not isinstance(term, Compare) else self._by_comparison(term)
            if found is not None and len(found) < len(best):
                best = found
        return best

    def _by_comparison(self, term: Compare) -> Sequence[Job] | None:
        if term.op == "eq":
            return self._by_values(term)
        if not isinstance(term.left, Path) or not isinstance(term.right, Literal):
            return None
        name, value = term.left.parts[-1].lower(), term.right.value
        if len(term.left.parts) > 1 or not isinstance(value, int | float):
            return None
        if name == "id":
            return self._slice(term.op, value, lambda job: job.id)
        if name == "creationtime":
            return self._slice(term.op, value, lambda job: job.created)
        if name == "endtime" and term.op in ("ge", "gt"):
            return self._ended_since(value)
        return None

    def _slice(self, op: str, value: float, key: Any) -> Sequence[Job]:
        if op in ("gt", "ge"):
            return self.rows[(bisect_left if op == "ge" else bisect_right)(self.rows, value, key=key) :]
        if op in ("lt", "le"):
            return self.rows[: (bisect_left if op == "lt" else bisect_right)(self.rows, value, key=key)]
        return self.rows

    def _ended_since(self, value: float) -> Sequence[Job]:
        first = bisect_left(self.ended, value, key=lambda job: job.ended or 0)
        return sorted(self.ended[first:], key=lambda job: job.id)

    def _by_values(self, term: Node | None) -> Sequence[Job] | None:
        """Rows for `name eq v`, `name in (…)` and `name eq v or name eq w`, where `name` is indexed."""
        pairs = list(_equalities(term))
        if not pairs or any(name is None for name, _ in pairs) or len({name for name, _ in pairs}) > 1:
            return None
        name, values = pairs[0][0], [value for _, value in pairs]
        if name == "state":
            return list(self.open.values()) if {str(value).title() for value in values} <= OPEN else None
        if name not in ("id", "key", "reference", "batchexecutionkey") or "" in values:
            return None
        found = {job.id: job for value in values for job in self._at(name, value)}
        return [found[number] for number in sorted(found)]

    def _at(self, name: str, value: Any) -> list[Job]:
        if name == "id":
            one = self.get(value) if isinstance(value, int) else None
            return [one] if one else []
        text = value.lower() if isinstance(value, str) else ""
        if name == "key":
            return [self.by_key[text]] if text in self.by_key else []
        batches = (self.by_reference if name == "reference" else self.by_batch).get(text, [])
        return [job for batch in batches for job in self.of(batch)]


def _equalities(term: Node | None) -> Iterator[tuple[str | None, Any]]:
    match term:
        case Compare("eq", Path((name,)), Literal(_, value)):
            yield name.lower(), value
        case In(Path((name,)), values):
            for literal in values:
                yield name.lower(), literal.value
        case Logic("or", items):
            for item in items:
                yield from _equalities(item)
        case _:
            yield None, None


def in_folder(folder: Row) -> Predicate:
    """Whether a job belongs to that folder."""
    return lambda job: job.batch.folder is folder
