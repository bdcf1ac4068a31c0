"""One HTTP exchange at a time, each of known fate: answered, certainly not sent, or lost on the way.

No cookie is kept or sent, no redirect followed (a 307 would repeat a POST), no proxy variable read.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

import aiohttp

from worker import tls
from worker.domain.failures import Later, OutcomeUnknown, Unavailable
from worker.orchestrator import refusals
from worker.orchestrator.http.budget import OPEN, Gate
from worker.orchestrator.http.content import Unreadable, content_of
from worker.orchestrator.http.reports import SILENT, OnExchange, Reports
from worker.orchestrator.http.secrets import Secrets
from worker.orchestrator.kinds import LOST, NOT_SENT
from worker.orchestrator.wire import Call, Reply
from worker.settings import Settings
from worker.version import version

CONNECT_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 5.0

_HEADERS = {
    "User-Agent": f"jobrelay/{version()}",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
}


class Connection:
    """The session and its timeouts. Knows nothing of tokens."""

    def __init__(
        self, settings: Settings, reports: Reports = SILENT, on_exchange: OnExchange = lambda _: None
    ) -> None:
        total = settings.http_timeout_s
        connect = min(CONNECT_TIMEOUT_S, total / 2)
        self._total = total
        self._timeout = aiohttp.ClientTimeout(total=total, connect=connect)
        # Half of the time each, so that a call that hangs has its second chance within the time.
        self._safe_timeout = aiohttp.ClientTimeout(total=total / 2, connect=connect / 2)
        self._limit = math.ceil(settings.concurrency * 1.25) + 16  # beside the starts: look-ups
        self._renewal_interval = max(60.0, 2 * total)
        self._renewed_at = -math.inf
        self._reports = reports
        self._on_exchange = on_exchange
        self.secrets = Secrets(settings)
        self._tls = tls.of_orchestrator(settings)
        self._retired: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = self._new_session()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for session in (self._retired, self._session):
            if session is not None:
                await _close(session)

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limit, ssl=self._tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            auto_decompress=False,  # it would unpack without a bound
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
            await _close(retired)

    async def once(self, call: Call, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Sends once. Raises `Unavailable` when nothing was sent, `OutcomeUnknown` when no answer came."""
        return await self._exchange(call, headers, body, self._timeout)

    async def safely(
        self, call: Call, headers: Mapping[str, str], body: bytes | None = None, gate: Gate = OPEN
    ) -> Reply:
        """For calls that may be repeated: tries up to four times within HTTP_TIMEOUT_S, with full jitter.

        Gives the last answer, or raises `Unavailable`. A Retry-After is obeyed where it fits the time. Each
        try goes through *gate*.
        """
        deadline = time.monotonic() + self._total
        await gate.enter(0)
        for attempt in range(refusals.TRIES):
            outcome = await self._attempt(call, headers, body)
            gate.heard(outcome)
            pause = refusals.pause_after(outcome, attempt)
            if pause is None or time.monotonic() + pause > deadline:
                break
            try:
                await gate.enter(pause)
            except Unavailable:
                break  # what the server said tells more
            self._reports.retry(call.operation)
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome

    async def briefly(self, call: Call, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Sends once what may be repeated. Raises `Unavailable` when no answer came."""
        outcome = await self._attempt(call, headers, body)
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
            return Unavailable(Later.UNREACHABLE, lost.detail, outage=True, sent=True)

    async def _exchange(
        self, call: Call, headers: Mapping[str, str], body: bytes | None, limits: aiohttp.ClientTimeout
    ) -> Reply:
        started, outcome = time.perf_counter(), "lost"
        exchange = self._on_exchange(call)
        sent = {**headers, **exchange.headers} if exchange is not None else headers
        try:
            async with self._session.request(
                call.method, call.url, headers=sent, data=body, timeout=limits, allow_redirects=False
            ) as response:
                content = await content_of(response)
            reply = Reply(response.status, response.headers, content, self.secrets.masked)
            outcome = str(reply.status)
        except NOT_SENT as error:
            outcome = "unsent"
            raise _unsent(call, error) from error
        except LOST as error:
            raise _lost(call, error, time.perf_counter() - started) from error
        finally:
            if exchange is not None:
                exchange.ended(outcome)
            self._reports.call(call.operation, outcome, time.perf_counter() - started)
        return reply


async def _close(session: aiohttp.ClientSession) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await session.close()


def _unsent(call: Call, error: Exception) -> Unavailable:
    # The whole text of a refused connection says "ssl:default" also where there is no TLS.
    said = getattr(error, "strerror", None)
    why = said if isinstance(said, str) else str(error)
    why = "it took too long" if isinstance(error, TimeoutError) else why
    why = tls.trouble(error, "JOBRELAY_ORCHESTRATOR_CA_FILE", "JOBRELAY_ORCHESTRATOR_URL") or why
    where = f"{call.url.host}:{call.url.port}"
    detail = f"{call.operation} was not sent: no connection to {where}: {why}"
    return Unavailable(Later.UNREACHABLE, detail, outage=True)


def _lost(call: Call, error: Exception, seconds: float) -> OutcomeUnknown:
    why = str(error) if isinstance(error, Unreadable) else type(error).__name__
    why = "no answer in time" if isinstance(error, TimeoutError) else why
    return OutcomeUnknown(f"the answer to {call.operation} was lost after {seconds:.1f} s: {why}")
