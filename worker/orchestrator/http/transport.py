"""Calls with token and folder, and answers with a meaning."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import orjson

from worker.domain.failures import Later, OutcomeUnknown, Unavailable
from worker.orchestrator import refusals
from worker.orchestrator.auth import Auth, Token
from worker.orchestrator.http.budget import Gate
from worker.orchestrator.http.connection import Connection
from worker.orchestrator.wire import Call, Reply, Send, Upload

T = TypeVar("T")


class Transport:
    """Every call of Orchestrator's API goes through here."""

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
        gate: Gate | None = None,
    ) -> T:
        """Reads something, trying again as `Connection.safely` does, each time through *gate*.

        Raises `Unavailable`, or `Rejected` with the server's answer where it says no.
        """
        send: Send = partial(self._connection.safely, gate=gate) if gate else self._connection.safely
        reply = await self._heard(send, call, folder_id, None, extra)
        return self.read(call, reply, parse)

    async def look(self, call: Call, parse: Callable[[Any], T]) -> T:
        """Reads something, at the first try or not at all; raises as `get` does."""
        return self.read(call, await self._authorised(self._connection.briefly, call, None, None), parse)

    async def post(
        self,
        call: Call,
        folder_id: int | None,
        body: bytes | None,
        *,
        safe: bool = False,
        may_send: Callable[[], bool] | None = None,
    ) -> Reply:
        """Sends exactly once, unless *safe*; only a refusal before execution (401, empty 400) repeats it.

        *may_send* is asked right before each exchange, after all that had to be waited for; its no is
        `Unavailable`.
        """
        send: Send = self._connection.safely if safe else self._connection.once
        if may_send is not None:
            send = _while(may_send, send)
        return await self._heard(send, call, folder_id, body)

    async def upload(self, call: Call, upload: Upload, content: bytes, *, own: bool) -> None:
        """Sends *content* where *upload* says. Our token goes to *own* hosts only, when it is asked for."""
        if upload.requires_auth and own:
            send = self._connection.safely
            reply = await self._authorised(send, call, None, content, upload.headers)
        else:
            reply = await self._elsewhere(call, upload.headers, content)
        if not reply.ok:
            raise refusals.why_not_read(call.operation, reply)

    async def _elsewhere(self, call: Call, headers: Mapping[str, str], content: bytes) -> Reply:
        """To a host that is not Orchestrator's: that it is away is no outage."""
        try:
            return await self._connection.safely(call, headers, content)
        except Unavailable as why:
            raise replace(why, outage=False) from why

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

    async def _heard(
        self,
        send: Send,
        call: Call,
        folder_id: int | None,
        body: bytes | None,
        extra: Mapping[str, str] | None = None,
    ) -> Reply:
        """An answer, asked for once more over a new connection where the antiforgery filter gave it."""
        reply = await self._authorised(send, call, folder_id, body, extra)
        if reply.status == 400 and refusals.is_empty_400(reply):
            await self._connection.renew()
            reply = await self._authorised(send, call, folder_id, body, extra)
        return reply

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
                if isinstance(failure, OutcomeUnknown) or failure.outage:
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
            self._connection.secrets.learn(token.text)
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


def _while(may_send: Callable[[], bool], send: Send) -> Send:
    async def sent(call: Call, headers: Mapping[str, str], body: bytes | None) -> Reply:
        if not may_send():
            raise Unavailable(Later.UNREACHABLE, "not sent: this worker may no longer start the request")
        return await send(call, headers, body)

    return sent
