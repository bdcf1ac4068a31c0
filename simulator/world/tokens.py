"""Who may call: tokens with their lifetimes and scopes, and the rolling limit on the two list calls."""

import time
from base64 import urlsafe_b64encode
from collections import deque
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

import orjson

LIFETIMES = {"client_credentials": 3600, "user_key": 86400, "password": 1800}


@dataclass(slots=True)
class Grant:
    """What a token allows. `scopes` None means all; `expires` is monotonic seconds, None for never."""

    mode: str
    scopes: frozenset[str] | None
    expires: float | None

    def allows(self, scope: str, *, write: bool) -> bool:
        """Whether it holds one of the scopes in `scope`, or the Read or Write half of one."""
        if self.scopes is None:
            return True
        half = ".Write" if write else ".Read"
        return any(one in self.scopes or one + half in self.scopes for one in scope.split())


class Tokens:
    """All tokens ever issued, with those that the seed holds ready."""

    def __init__(self, static: list[str], lifetimes: dict[str, float]) -> None:
        self.grants = {token: Grant("access_token", None, None) for token in static}
        self.lifetimes: dict[str, float] = {**LIFETIMES, **lifetimes}

    def issue(self, mode: str, scopes: frozenset[str] | None, subject: str) -> tuple[str, float]:
        """A new token, shaped like a JWT, and its lifetime in seconds."""
        seconds = self.lifetimes[mode]
        claims = {
            "sub": subject,
            "client_id": subject,
            "scope": sorted(scopes or ()),
            "exp": int(time.time() + seconds),
        }
        token = ".".join((_part({"alg": "none", "typ": "JWT"}), _part(claims), token_urlsafe(24)))
        self.grants[token] = Grant(mode, scopes, time.monotonic() + seconds)
        return token, seconds

    def check(self, token: str) -> Grant | None:
        """The grant of a token that is known and not expired."""
        grant = self.grants.get(token)
        if grant is None or (grant.expires is not None and grant.expires <= time.monotonic()):
            return None
        return grant

    def expire(self, token: str) -> None:
        """Ends a token now."""
        if token in self.grants:
            self.grants[token].expires = 0.0


def _part(value: Any) -> str:
    return urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


class Limiter:
    """At most so many calls in a rolling window; a call refused does not count."""

    def __init__(self) -> None:
        self.calls: deque[float] = deque()

    def admit(self, limit: int, seconds: float) -> tuple[bool, int, int]:
        """Whether this call is admitted, how many are left, and after how many seconds to ask again."""
        now = time.monotonic()
        while self.calls and self.calls[0] <= now - seconds:
            self.calls.popleft()
        if len(self.calls) >= limit:
            return False, 0, max(1, int(self.calls[0] + seconds - now) + 1)
        self.calls.append(now)
        return True, limit - len(self.calls), 0
