"""A token for every call: one request makes it for all tasks, another renews it before it expires.

Four ways to sign in, by `JOBRELAY_AUTH`; each is a `Grant`. No secret appears in a failure or a repr.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import orjson
from pydantic import SecretStr
from yarl import URL

from worker.domain.failures import Later, Unavailable
from worker.orchestrator import refusals
from worker.orchestrator.cache import Flight
from worker.orchestrator.wire import Call, Reply, Send, mapping
from worker.settings import Settings

USER_KEY_URL = "https://account.uipath.com/oauth/token"
ASSUMED_LIFE_S = 1800.0
"""Life of a token whose endpoint does not say it: that of /api/Account/Authenticate, in seconds."""
PAUSE_AFTER_REFUSAL_S = 1.0
PAUSE_AFTER_FAILED_RENEWAL_S = 10.0
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A bearer token; times are of the monotonic clock. Its text is never shown."""

    text: str = field(repr=False)
    renew_at: float = math.inf
    expires_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Grant:
    """How to ask for a token, and which settings to look at when that is refused."""

    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    settings: str
    token_field: str = "access_token"  # noqa: S105 - a name


def token_url(base: str) -> str:
    """The identity server's token endpoint beside an Orchestrator at *base*."""
    url = URL(base)
    segments = [segment for segment in url.path.split("/") if segment]
    if (url.host or "").endswith((".uipath.com", ".uipath.us")) and segments:
        path = f"/{segments[0]}/identity_/connect/token"
    elif segments and segments[-1] == "orchestrator_":
        path = "/identity_/connect/token"
    else:
        path = "/identity/connect/token"
    return str(url.origin().with_path(path))


def grant_of(settings: Settings) -> Grant:
    """The request that AUTH stands for. The personal access token has none."""
    base = (settings.orchestrator_url or "").rstrip("/")
    if settings.auth == "user_key":
        return _user_key(settings, settings.token_url or USER_KEY_URL)
    if settings.auth == "password":
        return _password(settings, settings.token_url or f"{base}/api/Account/Authenticate")
    return _client_credentials(settings, settings.token_url or token_url(base))


def _client_credentials(settings: Settings, url: str) -> Grant:
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id or "",
        "client_secret": _secret(settings.client_secret),
        "scope": settings.scope,
    }
    body = "&".join(f"{name}={quote_plus(value)}" for name, value in form.items()).encode()
    return Grant(url, _FORM, body, "JOBRELAY_CLIENT_ID and JOBRELAY_CLIENT_SECRET")


def _user_key(settings: Settings, url: str) -> Grant:
    key = _secret(settings.user_key)
    document = {"grant_type": "refresh_token", "client_id": settings.client_id, "refresh_token": key}
    return Grant(url, _JSON, orjson.dumps(document), "JOBRELAY_CLIENT_ID and JOBRELAY_USER_KEY")


def _password(settings: Settings, url: str) -> Grant:
    document = {
        "tenancyName": settings.tenant or "Default",
        "usernameOrEmailAddress": settings.username,
        "password": _secret(settings.password),
    }
    names = "JOBRELAY_USERNAME, JOBRELAY_PASSWORD and JOBRELAY_TENANT"
    return Grant(url, _JSON, orjson.dumps(document), names, "result")


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


class Auth:
    """The token of the moment. Renewed five minutes (or a fifth of its life) before it expires.

    While a token is good, a renewal that fails is not felt: it is tried again ten seconds later.
    """

    def __init__(self, settings: Settings, send: Send, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._clock = clock
        self._static = settings.auth == "access_token"
        self._grant = None if self._static else grant_of(settings)
        self._token = Token(_secret(settings.access_token)) if self._static else None
        self._flight: Flight[Token] | None = None
        self._no_renewal_before = -math.inf
        self._no_request_before = -math.inf
        self.trouble: str | None = None if self._static else "no token was asked for yet"
        self._failure: Unavailable | None = None

    async def current(self) -> Token:
        """A token to send, or `Unavailable`."""
        token, now = self._token, self._clock()
        if token is None or now >= token.expires_at:
            return await self._renew()
        if now < token.renew_at or now < self._no_renewal_before or self._flight is not None:
            return token
        try:
            return await self._renew()
        except Unavailable:
            self._no_renewal_before = now + PAUSE_AFTER_FAILED_RENEWAL_S
            return token

    async def renewed(self, refused: Token, reply: Reply) -> Token:
        """Another token than *refused*; the one in use if that is another already."""
        if self._static:
            raise self.refused(reply)
        if self._token is refused:
            self._token = None
        return await self.current()

    def refused(self, reply: Reply) -> Unavailable:
        """The failure when Orchestrator refuses a token that it has no reason to refuse."""
        hint = (
            "JOBRELAY_ACCESS_TOKEN is wrong or has expired"
            if self._static
            else "the token is of another tenant or identity server: look at JOBRELAY_ORCHESTRATOR_URL, "
            "JOBRELAY_TOKEN_URL and JOBRELAY_TENANT"
        )
        said = refusals.said("Orchestrator", refusals.answer_of(reply))
        return self._note(_refusal(f"{said}; {hint}"))

    def accepted(self) -> None:
        """Orchestrator took the token: what was wrong before is over."""
        self.trouble = None

    async def _renew(self) -> Token:
        if self._failure is not None and self._clock() < self._no_request_before:
            # A wrong password that is sent over and over locks the account.
            raise Unavailable(self._failure.code, self._failure.detail, outage=True)
        flight = self._flight
        if flight is None:
            flight = self._flight = Flight(self._request)
        try:
            return await flight.result()
        finally:
            if flight is self._flight and flight.is_over:
                self._flight = None

    async def _request(self) -> Token:
        assert self._grant is not None  # noqa: S101 - a static token is never requested
        call = Call("Token", "POST", URL(self._grant.url))
        try:
            reply = await self._send(call, self._grant.headers, self._grant.body)
            self._token = token_of(self._grant, reply, self._clock())
        except Unavailable as failure:
            raise self._note(failure) from failure.__cause__
        self.trouble = self._failure = None
        return self._token

    def _note(self, failure: Unavailable) -> Unavailable:
        self.trouble = failure.detail
        if failure.code is Later.CREDENTIALS_REFUSED:
            self._failure = failure
            self._no_request_before = self._clock() + PAUSE_AFTER_REFUSAL_S
        return failure


def token_of(grant: Grant, reply: Reply, now: float) -> Token:
    """The token in an answer of the endpoint, or `Unavailable` with what is to be looked at."""
    document = _document(reply)
    text = document.get(grant.token_field)
    if not reply.ok or not isinstance(text, str) or not text:
        raise _why_no_token(grant, reply, document)
    if not text.isprintable():
        raise _refusal(f"the token endpoint {grant.url} gave a token that no HTTP header can carry")
    life = document.get("expires_in")
    life = float(life) if isinstance(life, int | float) and life > 0 else ASSUMED_LIFE_S
    return Token(text, renew_at=now + life - min(300.0, life / 5), expires_at=now + life)


def _why_no_token(grant: Grant, reply: Reply, document: Mapping[str, Any]) -> Unavailable:
    answer = refusals.answer_of(reply)
    said = refusals.said(f"the token endpoint {grant.url}", answer)
    if reply.status == 429:
        return Unavailable(
            Later.THROTTLED, said, outage=True, retry_after=refusals.retry_after(reply), answer=answer
        )
    if reply.status >= 500 and not document.get("__abp"):
        return Unavailable(Later.FAILING, said, outage=True, answer=answer)
    if not document or 300 <= reply.status < 400:
        return _refusal(f"{said}; this is no token endpoint: look at JOBRELAY_TOKEN_URL")
    scope = document.get("error") == "invalid_scope"
    return _refusal(f"{said}; look at {'JOBRELAY_SCOPE' if scope else grant.settings}")


def _refusal(detail: str) -> Unavailable:
    return Unavailable(Later.CREDENTIALS_REFUSED, detail, outage=True)


def _document(reply: Reply) -> Mapping[str, Any]:
    try:
        return mapping(orjson.loads(reply.body))
    except ValueError:
        return {}
