"""Orchestrator's verbs, as the pipeline knows them. Keeps the promises of `pipeline.ports.Orchestrator`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

import orjson
from yarl import URL

from worker.domain.failures import Rejected
from worker.domain.jobs import Changes, Cursor, Job
from worker.domain.processes import Folder, Machine, Process, Robot, Session
from worker.domain.requests import FolderRef
from worker.domain.words import JobState
from worker.orchestrator import refusals, wire
from worker.orchestrator.auth import Auth
from worker.orchestrator.catalog import Catalog
from worker.orchestrator.follow.paging import round_of
from worker.orchestrator.follow.reasons import Reasons
from worker.orchestrator.follow.scan import Scan
from worker.orchestrator.follow.unknown import Unknown
from worker.orchestrator.http.budget import Budget, Turns
from worker.orchestrator.http.connection import Connection
from worker.orchestrator.http.reports import SILENT, OnExchange, Reports
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.lookup import JOBS, Lookup
from worker.orchestrator.queues import Queues
from worker.orchestrator.rows.jobs import job_of
from worker.orchestrator.webhooks import Webhooks
from worker.orchestrator.wire import Call
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of Orchestrator without asking it, for readiness. A reason is None when all is well."""

    token_ok: bool
    token_reason: str | None
    reachable: bool
    reason: str | None


class Client:
    """Orchestrator, for the time of an `async with`.

    *reports* hears what it does, *on_exchange* of every HTTP exchange as it begins.
    """

    def __init__(
        self, settings: Settings, reports: Reports = SILENT, on_exchange: OnExchange = lambda _: None
    ) -> None:
        self._unknown = Unknown(reports.unknown_word)
        self._base = (settings.orchestrator_url or "").rstrip("/")
        self._connection = Connection(settings, reports, on_exchange)
        self._auth = Auth(settings, self._connection.safely)
        self._transport = Transport(self._connection, self._auth, settings.tenant)
        self._catalog = Catalog(self._transport, self._base, settings.cache_ttl_s, reports.read)
        self._budget = Budget(settings.poll_budget_per_min, reports)
        self._lookup = Lookup(self._transport, self._base, self._budget, reports.lookup, JOBS)
        self.queues = Queues(self._transport, self._base, self._catalog, settings, reports)
        self._scan = Scan(self._transport, self._base, self._budget)
        self._reasons = Reasons(self._transport, self._base, self._budget)
        self.webhooks = Webhooks(self._transport, self._base)
        self._start = self._call("StartJobs", f"/odata/Jobs/{wire.ODATA}.StartJobs", "POST")
        self._stop = self._call("StopJobs", f"/odata/Jobs/{wire.ODATA}.StopJobs", "POST")
        self._attach = self._call("Attachments", "/odata/Attachments", "POST")
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._connection)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def hurry(self) -> None:
        """From now on no look-up waits for its turn: it has one at once, or is `Unavailable`."""
        self._budget.close()
        self.queues.hurry()

    @property
    def api_version(self) -> int | None:
        """The major API version that the server says it speaks; None before its first answer."""
        return self._transport.api_version

    def status(self) -> Reach:
        """The last that is known of token and server."""
        token, server = self._auth.trouble, self._transport.trouble
        return Reach(token is None, token, server is None, server)

    async def probe(self) -> None:
        """One cheap GET, sent once: raises what stands in the way, and makes `status` tell of it."""
        await self._transport.look(self._call("Folders", "/odata/Folders", top=1), wire.mapping)

    async def folder(self, ref: FolderRef, *, fresh: bool = False) -> Folder:
        """Finds a folder, or raises `Rejected(FOLDER_UNKNOWN)`."""
        return await self._catalog.folder(ref, fresh=fresh)

    async def processes(self, folder: Folder, *, fresh: bool = False) -> Sequence[Process]:
        """Lists the processes of a folder that are not deleted."""
        return await self._catalog.processes(folder, fresh=fresh)

    async def robots(
        self, folder: Folder, environment: str | None = None, *, fresh: bool = False
    ) -> Sequence[Robot]:
        """Lists the robots of a folder, or of one environment of a classic folder."""
        return await self._catalog.robots(folder, environment, fresh=fresh)

    async def robot_of_session(self, folder: Folder, session_id: int) -> Robot | None:
        """The robot behind a session's id: tells somebody who sent the one for the other."""
        return await self._catalog.robot_of_session(folder, session_id)

    async def sessions(self, folder: Folder) -> Sequence[Session]:
        """The sessions of a folder's robots, with their states, read anew."""
        return await self._catalog.sessions(folder)

    async def machines(self, folder: Folder, *, fresh: bool = False) -> Sequence[Machine]:
        """Lists the machine templates of a modern folder."""
        return await self._catalog.machines(folder, fresh=fresh)

    async def start(
        self,
        folder: Folder,
        start_info: Mapping[str, Any],
        *,
        may_send: Callable[[], bool] | None = None,
    ) -> Sequence[Job]:
        """Calls StartJobs once: the jobs it made, oldest first, or one of the three kinds of failure.

        Sent again only after a 401 (with a new token) and after an empty 400 (over a new connection): both
        are refusals from before Orchestrator looks at the request. *may_send* is asked right before each
        sending, once the token is there; its no is `Unavailable`.
        """
        body = orjson.dumps({"startInfo": dict(start_info)})
        reply = await self._transport.post(self._start, folder.id, body, may_send=may_send)
        jobs = _jobs_in(reply, start_info.get("Reference"))
        if jobs:
            return jobs
        raise refusals.why_not_done("StartJobs", reply, "the job may have been started")

    async def find(
        self, folder: Folder, reference: str, release_name: str | None, *, since: float | None = None
    ) -> Sequence[Job]:
        """All jobs whose Reference equals *reference* to the byte, oldest first. Raises when not sure.

        Calls of one moment share one look-up, and so do all that come while it waits for its turn in the
        list budget; who would wait too long for it gets `Unavailable(THROTTLED)`. *since* (epoch seconds) is
        used only by servers that do not filter by Reference: nothing older is searched there, by default
        nothing older than a day.
        """
        return await self._lookup.find(folder.id, reference, release_name, since)

    async def job(self, folder_id: int, job_id: int) -> Job | None:
        """One job by id with its output; None when it is gone (404, unless it is said of the folder).

        `Rejected` where it may not be read (403; errorCode 1100 or 1101: the folder), `Unavailable` where
        nothing is known now (which a 404 of a web page is, too).
        """
        call = self._call("JobById", f"/odata/Jobs({job_id})", expand="Robot")
        try:
            job = await self._transport.get(call, lambda row: _the_job(job_id, row), folder_id)
        except Rejected as refusal:
            answer = refusal.answer
            if answer and answer.status == 404 and answer.error_code not in refusals.FOLDER_GONE:
                return None
            raise
        self._unknown.heed(JobState, job.state)
        return job

    async def changes(self, folder_id: int, cursor: Cursor | None) -> Changes:
        """One page of the folder's jobs that changed since *cursor*; None begins now, and gives no jobs."""
        return await self._scan.changes(folder_id, cursor)

    def cursor(self, word: str) -> Cursor | None:
        """A cursor from what another one said of itself; None where it is no such word."""
        return round_of(word)

    async def pending_reasons(self, folder_id: int, job_id: int) -> Sequence[str]:
        """Why a Pending job does not run (ValidateExistingJob); empty where the server does not say."""
        return await self._reasons.pending(folder_id, job_id)

    async def error_lines(self, folder_id: int, job_key: str) -> Sequence[Mapping[str, str | None]]:
        """The last lines of the job's log of level Error or Fatal (RobotLogs), oldest first."""
        return await self._reasons.error_lines(folder_id, job_key)

    async def look_at_logs(self, folder: Folder) -> None:
        """Reads one line of the folder's logs: raises what stands in the way of `error_lines`."""
        await self._reasons.look_at_logs(folder.id)

    async def job_by_key(self, folder: Folder, key: str) -> Job | None:
        """One job by its GUID; None when that folder has none. A list call."""
        call = self._call("JobsList", "/odata/Jobs", filter=f"Key eq {key}", top=1)
        turns = Turns(self._budget, urgent=True)
        return await self._transport.get(call, lambda page: _the_keyed(key, page), folder.id, gate=turns)

    async def stop(self, folder: Folder, job_ids: Sequence[int], strategy: str = "SoftStop") -> None:
        """Asks jobs to stop (SoftStop or Kill): those that are Pending never run. May be repeated."""
        body = orjson.dumps({"jobIds": list(job_ids), "strategy": strategy})
        reply = await self._transport.post(self._stop, folder.id, body, safe=True)
        if not reply.ok:
            raise refusals.why_not_read("StopJobs", reply)

    async def attach(self, folder: Folder, name: str, content: bytes) -> str:
        """Uploads *content* as an attachment and returns its id (API 20 and newer).

        May be repeated: an attachment that no job uses does nothing.
        """
        body = orjson.dumps({"Name": name})
        reply = await self._transport.post(self._attach, folder.id, body, safe=True)
        upload = self._transport.read(self._attach, reply, wire.upload_of)
        call = Call("AttachmentContent", upload.verb, upload.url)
        own = upload.url.origin() == URL(self._base).origin()
        await self._transport.upload(call, upload, content, own=own)
        return upload.id

    def _call(self, operation: str, path: str, method: str = "GET", **options: str | int) -> Call:
        return Call(operation, method, wire.url(self._base, path, **options))


def _jobs_in(reply: wire.Reply, reference: str | None) -> Sequence[Job]:
    """The jobs that an answer to StartJobs names; none when it names none or cannot be believed."""
    if not reply.ok:
        return ()
    try:
        jobs = wire.each(job_of, wire.page_of(orjson.loads(reply.body)).rows)
    except ValueError:
        return ()
    repeated = len({job.id for job in jobs}) < len(jobs)
    strange = reference is not None and any(job.reference not in ("", reference) for job in jobs)
    return () if repeated or strange else jobs


def _the_keyed(key: str, page: Any) -> Job | None:
    jobs = wire.each(job_of, wire.page_of(page).rows)
    if any(job.key.lower() != key for job in jobs):
        raise ValueError("another job came than was asked for")
    return jobs[0] if jobs else None


def _the_job(job_id: int, row: Any) -> Job:
    job = job_of(wire.mapping(row))
    if job.id != job_id:
        raise ValueError("another job came than was asked for")
    return job
