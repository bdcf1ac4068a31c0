"""One HTTP exchange at a time, each of known fate: answered, certainly not sent, or lost on the way.

`Connection` is the bare line; `Transport` adds the token, the folder and the meaning of the answers.
No cookie is kept or sent, no redirect followed (a 307 would repeat a POST), no proxy variable read.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any, Self, TypeVar

import aiohttp
import orjson

from worker.domain.failures import Later, OutcomeUnknown, Unavailable
from worker.orchestrator import refusals
from worker.orchestrator.auth import Auth, Token
from worker.orchestrator.wire import Call, Reply, Send, Upload
from worker.settings import Settings

T = TypeVar("T")
OnCall = Callable[[str, str, float], None]
"""Told of every exchange: the operation, what came of it (a status, `unsent` or `lost`), and seconds."""

CONNECT_TIMEOUT_S = 5.0


class Connection:
    """The session and its timeouts. Knows nothing of tokens."""

    def __init__(self, settings: Settings, on_call: OnCall | None = None) -> None:
        total = settings.http_timeout_s
        connect = min(CONNECT_TIMEOUT_S, total / 2)
        self._budget = total
        self._timeout = aiohttp.ClientTimeout(total=total, connect=connect)
        # Half of the time each, so that a call that hangs has its second chance within the time.
        self._safe_timeout = aiohttp.ClientTimeout(total=total / 2, connect=connect / 2)
        self._limit = math.ceil(settings.concurrency * 1.25) + 16  # beside the starts: look-ups
        self._renewal_interval = max(60.0, 2 * total)
        self._renewed_at = -math.inf
        self._on_call = on_call
        self._retired: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = self._new_session()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for session in (self._retired, self._session):
            if session is not None:
                await session.close()

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limit),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"jobrelay/{_version()}", "Accept": "application/json"},
            trust_env=False,
        )

    async def renew(self) -> None:
        """Goes on over fresh connections, at most once in a while; calls under way keep theirs.

        The interval is longer than any call, so the session that retired last time is idle by now.
        """
        now = time.monotonic()
        if now - self._renewed_at < self._renewal_interval:
            return
        self._renewed_at = now
        retired, self._retired, self._session = self._retired, self._session, self._new_session()
        if retired is not None:
            await retired.close()

    async def once(self, call: Call, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Sends once. Raises `Unavailable` when nothing was sent, `OutcomeUnknown` when no answer came."""
        return await self._exchange(call, headers, body, self._timeout)

    async def safely(self, call: Call, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """For calls that may be repeated: tries up to four times within HTTP_TIMEOUT_S, with full jitter.

        Gives the last answer, or raises `Unavailable`. A Retry-After is obeyed where it fits the time.
        """
        deadline = time.monotonic() + self._budget
        for attempt in range(refusals.TRIES):
            outcome = await self._attempt(call, headers, body)
            pause = refusals.pause_after(outcome, attempt)
            if pause is None or time.monotonic() + pause > deadline:
                break
            await asyncio.sleep(pause)
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome

    async def _attempt(
        self, call: Call, headers: Mapping[str, str], body: bytes | None
    ) -> Reply | Unavailable:
        try:
            return await self._exchange(call, headers, body, self._safe_timeout)
        except Unavailable as unsent:
            return unsent
        except OutcomeUnknown as lost:
            return Unavailable(Later.UNREACHABLE, lost.detail, outage=True)

    async def _exchange(
        self, call: Call, headers: Mapping[str, str], body: bytes | None, limits: aiohttp.ClientTimeout
    ) -> Reply:
        started, outcome = time.perf_counter(), "lost"
        try:
            async with self._session.request(
                call.method, call.url, headers=headers, data=body, timeout=limits, allow_redirects=False
            ) as response:
                reply = Reply(response.status, response.headers, await response.read())
            outcome = str(reply.status)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            outcome = "unsent"
            raise _unsent(call, error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(call, error, time.perf_counter() - started) from error
        finally:
            if self._on_call is not None:
                self._on_call(call.operation, outcome, time.perf_counter() - started)
        return reply


class Transport:
    """Calls with token and folder, and answers with a meaning."""

    def __init__(self, connection: Connection, auth: Auth, tenant: str | None) -> None:
        self._connection = connection
        self._auth = auth
        self._common = {"X-UIPATH-TenantName": tenant} if tenant else {}
        self._token: Token | None = None
        self._headers: dict[tuple[int | None, bool], dict[str, str]] = {}
        self._versions = ""
        self.api_version: int | None = None
        self.trouble: str | None = "nothing was asked of Orchestrator yet"

    async def get(
        self,
        call: Call,
        parse: Callable[[Any], T],
        folder_id: int | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> T:
        """Reads something, trying again as `Connection.safely` does.

        Raises `Unavailable`, or `Rejected` with the server's answer where it says no.
        """
        reply = await self._authorised(self._connection.safely, call, folder_id, None, extra)
        return self.read(call, reply, parse)

    async def post(self, call: Call, folder_id: int, body: bytes, *, safe: bool = False) -> Reply:
        """Posts exactly once, unless *safe*; only a refusal before execution (401, empty 400) repeats it."""
        send = self._connection.safely if safe else self._connection.once
        reply = await self._authorised(send, call, folder_id, body)
        if reply.status == 400 and refusals.is_empty_400(reply):
            await self._connection.renew()
            reply = await self._authorised(send, call, folder_id, body)
        return reply

    async def upload(self, call: Call, upload: Upload, content: bytes) -> None:
        """Sends *content* where *upload* says; our token goes there only when it is asked for."""
        if upload.requires_auth:
            send = self._connection.safely
            reply = await self._authorised(send, call, None, content, upload.headers)
        else:
            reply = await self._connection.safely(call, upload.headers, content)
        if not reply.ok:
            raise refusals.why_not_read(call.operation, reply)

    def read(self, call: Call, reply: Reply, parse: Callable[[Any], T]) -> T:
        """The answer, parsed; or the failure that it is."""
        problem = ""
        if reply.ok:
            try:
                return parse(orjson.loads(reply.body))
            except ValueError as error:
                problem = str(error)
        failure = refusals.why_not_read(call.operation, reply, problem)
        if isinstance(failure, Unavailable):
            self.trouble = failure.detail
        raise failure

    async def _authorised(
        self,
        send: Send,
        call: Call,
        folder_id: int | None,
        body: bytes | None,
        extra: Mapping[str, str] | None = None,
    ) -> Reply:
        token = await self._auth.current()
        for last in (False, True):
            headers = self._headers_of(token, folder_id, posting=body is not None)
            try:
                reply = await send(call, {**headers, **extra} if extra else headers, body)
            except (Unavailable, OutcomeUnknown) as failure:
                self.trouble = failure.detail
                raise
            self._note(call, reply)
            if reply.status != 401:
                self._auth.accepted()
                return reply
            if last:
                break
            token = await self._auth.renewed(token, reply)
        raise self._auth.refused(reply)

    def _headers_of(self, token: Token, folder_id: int | None, *, posting: bool) -> dict[str, str]:
        """One dictionary per token, folder and kind of call, built once."""
        if token is not self._token:
            self._token, self._headers = token, {}
        headers = self._headers.get((folder_id, posting))
        if headers is None:
            headers = {"Authorization": f"Bearer {token.text}", **self._common}
            if folder_id is not None:
                headers["X-UIPATH-OrganizationUnitId"] = str(folder_id)
            if posting:
                headers["Content-Type"] = "application/json"
            self._headers[folder_id, posting] = headers
        return headers

    def _note(self, call: Call, reply: Reply) -> None:
        self.trouble = None if reply.status < 500 else f"{call.operation} got {reply.status}"
        versions = reply.headers.get("api-supported-versions", "")
        if versions and versions != self._versions:
            self._versions = versions
            majors = [part.strip().partition(".")[0] for part in versions.split(",")]
            self.api_version = max((int(major) for major in majors if major.isdecimal()), default=None)


def _unsent(call: Call, error: Exception) -> Unavailable:
    why = "it took too long" if isinstance(error, TimeoutError) else str(error)
    where = f"{call.url.host}:{call.url.port}"
    detail = f"{call.operation} was not sent: no connection to {where}: {why}"
    return Unavailable(Later.UNREACHABLE, detail, outage=True)


def _lost(call: Call, error: Exception, seconds: float) -> OutcomeUnknown:
    why = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    return OutcomeUnknown(f"the answer to {call.operation} was lost after {seconds:.1f} s: {why}")


def _version() -> str:
    try:
        return metadata.version("jobrelay")
    except metadata.PackageNotFoundError:
        return "0"
