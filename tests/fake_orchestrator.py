"""Orchestrator in memory: keeps its port's promises (`pipeline.ports`), and fails as a test tells it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from uuid import NAMESPACE_OID, uuid5

import pytest
from fakes import Clock

from worker.domain.failures import Answer, Code, Failure, Later, OutcomeUnknown, Rejected, Unavailable
from worker.domain.jobs import Changes, Cursor, Job, Sighting
from worker.domain.processes import Folder, Machine, Process, Robot
from worker.domain.requests import FolderRef

MODERN = Folder(101, "0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0101", "Shared", modern=True)
CLASSIC = Folder(102, "0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0102", "Old", modern=False)
TRIAGE = Process(
    55, "SupportTriage_Demo", "SupportTriage", "1.0.1", "99587436-4ce5-480d-988c-6d7f43787a2c", "Demo"
)
_MOST_CALLS = 10_000


@dataclass(frozen=True, slots=True)
class Lost:
    """A POST whose answer is lost: *commits* jobs were made (None: all asked), *late* seconds after it."""

    commits: int | None = 0
    late: float = 0.0


@dataclass(frozen=True, slots=True)
class Known(Cursor):
    """What has been given of a folder's jobs."""

    sightings: frozenset[Sighting]
    said: ClassVar[dict[str, "Known"]] = {}

    @property
    def word(self) -> str:
        """Known to all tenants of this process."""
        self.said[str(hash(self))] = self
        return str(hash(self))


@dataclass
class Orchestrator:
    """One tenant in memory. `meets` scripts what the next calls of a verb meet with."""

    folders: list[Folder] = field(default_factory=lambda: [MODERN, CLASSIC])
    catalog: dict[int, list[Process]] = field(
        default_factory=lambda: {101: [replace(TRIAGE, environment=None)], 102: [TRIAGE]}
    )
    robots_of: dict[int, list[Robot]] = field(default_factory=dict)
    machines_of: dict[int, list[Machine]] = field(default_factory=dict)
    sessions: dict[int, Robot] = field(default_factory=dict)
    api_version: int | None = 20
    clock: Clock = field(default_factory=Clock)
    script: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    calls: list[tuple[str, Any]] = field(default_factory=list)
    jobs: list[tuple[float, int, Job]] = field(default_factory=list)
    page: int = 1000
    reasons: dict[int, list[str]] = field(default_factory=dict)
    lines: dict[str, list[dict[str, str | None]]] = field(default_factory=dict)

    async def probe(self) -> None:
        """One cheap call."""
        await self._called("probe", None)

    async def folder(self, ref: FolderRef, *, fresh: bool = False) -> Folder:
        """Finds a folder."""
        await self._called("folder", (ref, fresh))
        for folder in self.folders:
            if folder.path == ref.path or folder.id == ref.id or (ref.key and folder.key == ref.key):
                return folder
        raise Rejected(Code.FOLDER_UNKNOWN, f"there is no folder {ref}", "check it")

    async def processes(self, folder: Folder, *, fresh: bool = False) -> Sequence[Process]:
        """Lists the processes of a folder: the same object as long as nothing was read anew."""
        await self._called("processes", fresh)
        return self.catalog.setdefault(folder.id, [])

    async def robots(
        self, folder: Folder, environment: str | None = None, *, fresh: bool = False
    ) -> Sequence[Robot]:
        """Lists the robots of a folder."""
        await self._called("robots", (environment, fresh))
        return self.robots_of.get(folder.id, [])

    async def robot_of_session(self, folder: Folder, session_id: int) -> Robot | None:
        """The robot behind a session's id."""
        await self._called("robot_of_session", (folder.id, session_id))
        return self.sessions.get(session_id)

    async def machines(self, folder: Folder, *, fresh: bool = False) -> Sequence[Machine]:
        """Lists the machine templates of a folder."""
        await self._called("machines", fresh)
        return self.machines_of.get(folder.id, [])

    async def attach(self, folder: Folder, name: str, content: bytes) -> str:
        """Keeps an attachment."""
        await self._called("attach", (folder.id, name, content))
        return "6f1f0c7e-0000-4000-8000-000000000001"

    async def start(
        self, folder: Folder, start_info: Mapping[str, Any], *, may_send: Callable[[], bool] | None = None
    ) -> Sequence[Job]:
        """Makes jobs, unless the script says otherwise or *may_send* says no."""
        if may_send is not None and not may_send():
            raise Unavailable(Later.UNREACHABLE, "not sent")
        met = await self._called("start", dict(start_info))
        count = start_info.get("JobsCount") or len(start_info.get("RobotIds", ())) or 1
        if isinstance(met, Lost):
            commits = count if met.commits is None else met.commits
            self.commit(folder, start_info["Reference"], commits, met.late)
            raise OutcomeUnknown("the answer was lost")
        return self.commit(folder, start_info["Reference"], count if met is None else met)

    async def find(
        self, folder: Folder, reference: str, release_name: str | None, *, since: float | None = None
    ) -> Sequence[Job]:
        """All jobs of a Reference that are committed by now, oldest first."""
        await self._called("find", (folder.id, reference, release_name, since))
        there = [(job, at) for at, where, job in self.jobs if where == folder.id]
        now = self.clock()
        return [job for job, at in there if job.reference == reference and at <= now]

    async def job(self, folder_id: int, job_id: int) -> Job | None:
        """One job; a `Job` in the script is its new row, and stays it."""
        met = await self._called("job", job_id)
        if isinstance(met, Job):
            self._becomes(job_id, met)
        return next((job for _, where, job in self.jobs if job.id == job_id and where == folder_id), None)

    async def changes(self, folder_id: int, cursor: Cursor | None) -> Changes:
        """What of the folder's jobs is not as it was at *cursor*; `page` of them at most."""
        met = await self._called("changes", (folder_id, cursor))
        if isinstance(met, Changes):
            return met
        seen = [_sighting(job) for at, where, job in self.jobs if where == folder_id and at <= self.clock()]
        if not isinstance(cursor, Known):
            return Changes((), Known(frozenset(seen)), more=False)
        new = [each for each in seen if each not in cursor.sightings]
        given = new[: self.page]
        return Changes(given, Known(cursor.sightings.union(given)), more=len(given) == self.page)

    def cursor(self, word: str) -> Cursor | None:
        """Who said it."""
        return Known.said.get(word)

    async def pending_reasons(self, folder_id: int, job_id: int) -> Sequence[str]:
        """Why a job waits: what `reasons` says of it, while it is Pending."""
        await self._called("pending_reasons", (folder_id, job_id))
        waits = any(job.id == job_id and job.state == "Pending" for _, _, job in self.jobs)
        return self.reasons.get(job_id, []) if waits else []

    async def error_lines(self, folder_id: int, job_key: str) -> Sequence[Mapping[str, str | None]]:
        """The last of what `lines` has of a job."""
        await self._called("error_lines", (folder_id, job_key))
        return self.lines.get(job_key, [])[-10:]

    async def job_by_key(self, folder: Folder, key: str) -> Job | None:
        """One job by its GUID."""
        await self._called("job_by_key", (folder.id, key))
        return next((job for _, where, job in self.jobs if job.key == key and where == folder.id), None)

    async def stop(self, folder: Folder, job_ids: Sequence[int], strategy: str = "SoftStop") -> None:
        """Stops jobs; one that is over makes it refuse them all."""
        await self._called("stop", (folder.id, list(job_ids), strategy))
        if any(job.terminal and job.id in job_ids for _, _, job in self.jobs):
            raise Rejected(Code.ORCHESTRATOR_REFUSED, "1658: it is over", answer=Answer(409, 1658))
        for job_id in job_ids:
            self.becomes(job_id, state="Stopped")

    def becomes(self, job_id: int, **changes: Any) -> None:
        """Changes a job's row."""
        for _, _, job in self.jobs:
            if job.id == job_id:
                self._becomes(job_id, replace(job, **changes))

    def _becomes(self, job_id: int, row: Job) -> None:
        self.jobs = [(at, where, row if job.id == job_id else job) for at, where, job in self.jobs]

    def commit(self, folder: Folder, reference: str, count: int = 1, late: float = 0.0) -> list[Job]:
        """Makes *count* jobs, visible *late* seconds from now."""
        first = len(self.jobs) + 1
        created = "2026-11-21T10:00:00.1234567Z"
        batch = _guid(f"batch {first}")
        made = [
            Job(9000 + n, _guid(f"job {n}"), batch, "Pending", reference, created, TRIAGE.name)
            for n in range(first, first + count)
        ]
        self.jobs += [(self.clock() + late, folder.id, job) for job in made]
        return made

    def meets(self, verb: str, *what: Any) -> None:
        """What the next calls of *verb* meet with: a failure, an event to await, a number of jobs, None."""
        self.script[verb] += what

    def count(self, verb: str) -> int:
        """How often *verb* was called."""
        return sum(called == verb for called, _ in self.calls)

    def asked(self, verb: str) -> list[Any]:
        """What *verb* was called with."""
        return [what for called, what in self.calls if called == verb]

    async def _called(self, verb: str, what: Any) -> Any:
        self.calls.append((verb, what))
        if len(self.calls) >= _MOST_CALLS:
            pytest.fail("it never ends")  # no `Exception`: nobody takes it for a defect and goes on
        met = self.script[verb].pop(0) if self.script[verb] else None
        await asyncio.sleep(0)
        if isinstance(met, asyncio.Event):
            await met.wait()
            return None
        if isinstance(met, Failure | Exception):
            raise met
        return met


def _sighting(job: Job) -> Sighting:
    return Sighting(job.key.lower(), job.state, job.resume_version)


def _guid(name: str) -> str:
    return str(uuid5(NAMESPACE_OID, name))
