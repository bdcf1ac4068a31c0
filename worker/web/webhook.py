"""`POST /webhooks/orchestrator`: Orchestrator's notices are checked, and the jobs that they name handed on.

Whoever sends whatever gets an answer below 500, at once: Orchestrator turns a webhook off for an hour after
one failure. Nothing of what was sent is logged.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import orjson
import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

from worker.domain.webhooks import MOST_BYTES, PATH, SIGNATURE, Notice, Recent, Verdict, is_signed, notice_of
from worker.web.answers import in_json

_WITHIN_S = 5.0
_READ_AWAY_S = 1.0
_TELL_EVERY_S = 60.0
_REMEMBERED = 10_000
_BROKEN = (OSError, web.RequestPayloadError, HttpProcessingError)
_OFF = "set JOBRELAY_WEBHOOK_SECRET to take webhook notices, then: jobrelay webhook register URL"
_SIGNED = (
    "the webhook in Orchestrator must have the secret that JOBRELAY_WEBHOOK_SECRET names: "
    "jobrelay webhook register URL gives it that"
)
_REFUSED = {
    Verdict.UNSIGNED: (401, f"there is no {SIGNATURE}; {_SIGNED}"),
    Verdict.FORGED: (401, f"{SIGNATURE} is not that of this body; {_SIGNED}"),
    Verdict.UNREADABLE: (400, "send a notice of Orchestrator's: application/json with a Type and an EventId"),
    Verdict.OVERSIZED: (413, f"send at most {MOST_BYTES} bytes"),
    Verdict.SLOW: (408, f"send the whole body within {_WITHIN_S:g} s"),
    Verdict.CUT: (400, "send the body whole, and as its headers announce it"),
}

_log = structlog.get_logger(__name__)


class _Refused(Exception):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


class Webhook:
    """The webhook's end. Without *secrets* it takes nothing.

    *look* is told the keys of the jobs that may have changed, after the answer; it returns at once. *count*
    hears what became of each notice.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        look: Callable[[Sequence[str]], None],
        count: Callable[[str], None],
        within_s: float = _WITHIN_S,
    ) -> None:
        self._secrets = secrets
        self._look = look
        self._count = count
        self._within_s = within_s
        self._recent = Recent(_REMEMBERED)
        self._told: dict[Verdict, float] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The answer to a request of any method; never an exception."""
        if not self._secrets:
            return in_json(404, {"error": "webhook notices are not taken here", "remedy": _OFF})
        if request.method != "POST":
            return in_json(405, {"error": "Method Not Allowed", "remedy": f"POST to {PATH}"}, Allow="POST")
        try:
            notice = self._read(request, await self._body(request))
        except _Refused as refused:
            return await self._refuse(request, refused.verdict)
        return self._take(notice)

    async def _body(self, request: web.Request) -> bytes:
        """The body, as far as it is worth reading: no more of it than fits, no longer than the deadline."""
        if SIGNATURE not in request.headers:
            raise _Refused(Verdict.UNSIGNED)
        if (request.content_length or 0) > MOST_BYTES:
            raise _Refused(Verdict.OVERSIZED)
        body = bytearray()
        try:
            async with asyncio.timeout(self._within_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise _Refused(Verdict.OVERSIZED)
        except TimeoutError:
            raise _Refused(Verdict.SLOW) from None
        except _BROKEN:
            raise _Refused(Verdict.CUT) from None
        return bytes(body)

    def _read(self, request: web.Request, body: bytes) -> Notice:
        if not is_signed(request.headers[SIGNATURE], body, self._secrets):
            raise _Refused(Verdict.FORGED)
        notice = None
        if request.content_type == "application/json":
            with suppress(ValueError):
                notice = notice_of(orjson.loads(body))
        if notice is None:
            raise _Refused(Verdict.UNREADABLE)
        return notice

    def _take(self, notice: Notice) -> web.Response:
        verdict = Verdict.TAKEN if notice.jobs else Verdict.IGNORED
        if self._recent.has(notice.event_id):
            verdict = Verdict.REPEATED
        if verdict is Verdict.TAKEN:
            asyncio.get_running_loop().call_soon(self._look, notice.jobs)
        self._count(verdict)
        return in_json(200, {"notice": verdict})

    async def _refuse(self, request: web.Request, verdict: Verdict) -> web.Response:
        """Answers first, then reads away what is under way: closing upon it could cut off the answer."""
        self._count(verdict)
        self._tell(verdict)
        status, remedy = _REFUSED[verdict]
        answer = in_json(status, {"error": f"this notice is {verdict}", "remedy": remedy})
        with suppress(*_BROKEN):
            await answer.prepare(request)
            await answer.write_eof()
            async with asyncio.timeout(_READ_AWAY_S):
                async for _ in request.content.iter_any():
                    pass
        return answer

    def _tell(self, verdict: Verdict) -> None:
        """In the log, once a minute: anybody can send anything, as often as they like."""
        now = time.monotonic()
        if now - self._told.get(verdict, -_TELL_EVERY_S) >= _TELL_EVERY_S:
            self._told[verdict] = now
            _log.warning("webhook.refused", why=str(verdict), remedy=_REFUSED[verdict][1])
