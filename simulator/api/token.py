"""Tokens: OAuth client credentials, the old user key, and on-prem user and password."""

from base64 import b64decode
from binascii import Error as BadBase64
from typing import Any
from urllib.parse import parse_qsl

from simulator.calls import Call, Reply, read_json, reply
from simulator.errors import ERRORS, wrapped

_HALVES = ("", ".Read", ".Write")


def connect(call: Call) -> Reply:
    """POST …/connect/token, form-encoded: 200 with a token, or 400 with `error` as OAuth names it."""
    if not call.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return _refused("invalid_request", "The body must be form-encoded.")
    form = dict(parse_qsl(call.content.decode("utf-8", "replace")))
    if form.get("grant_type") != "client_credentials":
        return _refused("unsupported_grant_type")
    client = _client(call, form)
    if client is None:
        return _refused("invalid_client")
    allowed = set(client["scope"].split())
    asked = set(form.get("scope", client["scope"]).split())
    if not _granted(asked, allowed):
        return _refused("invalid_scope")
    token, seconds = call.world.tokens.issue("client_credentials", frozenset(asked), client["id"])
    return reply(
        {
            "access_token": token,
            "expires_in": int(seconds),
            "token_type": "Bearer",
            "scope": " ".join(sorted(asked)),
        }
    )


def _client(call: Call, form: dict[str, str]) -> dict[str, Any] | None:
    """The registered application whose id and secret came in the form or as basic authorization."""
    name, secret = form.get("client_id"), form.get("client_secret")
    kind, _, basic = call.headers.get("Authorization", "").partition(" ")
    if name is None and kind.lower() == "basic":
        try:
            name, _, secret = b64decode(basic).decode().partition(":")
        except (BadBase64, UnicodeDecodeError):
            return None
    clients = call.world.identity["clients"]
    return next((one for one in clients if one["id"] == name and one["secret"] == secret), None)


def _granted(asked: set[str], allowed: set[str]) -> bool:
    """Every scope asked for is allowed, itself or through its whole; never a whole with both halves."""
    bases = {scope.removesuffix(".Read").removesuffix(".Write") for scope in asked}
    if any(all(base + half in asked for half in _HALVES) for base in bases):
        return False
    return bool(asked) and all(
        scope in allowed or scope.removesuffix(".Read").removesuffix(".Write") in allowed for scope in asked
    )


def _refused(error: str, description: str | None = None) -> Reply:
    return reply({"error": error, **({"error_description": description} if description else {})}, 400)


def user_key(call: Call) -> Reply:
    """POST /oauth/token, JSON: the legacy cloud's user key, which does not rotate."""
    try:
        given = read_json(call.content)
    except ValueError:
        return reply({"error": "invalid_request"}, 400)
    known = call.world.identity["userKeys"]
    pair = (given.get("client_id"), given.get("refresh_token")) if isinstance(given, dict) else (None, None)
    if not isinstance(given, dict) or given.get("grant_type") != "refresh_token":
        return reply({"error": "unsupported_grant_type"}, 400)
    if not any(pair == (one["clientId"], one["userKey"]) for one in known):
        return reply(
            {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}, 403
        )
    token, seconds = call.world.tokens.issue("user_key", None, str(pair[0]))
    scope = "openid profile email offline_access"
    return reply(
        {
            "access_token": token,
            "id_token": token,
            "scope": scope,
            "expires_in": int(seconds),
            "token_type": "Bearer",
        }
    )


def authenticate(call: Call) -> Reply:
    """POST /api/Account/Authenticate, JSON: on-prem user and password; names of keys in any case."""
    given = {name.lower(): value for name, value in call.json().items()}
    identity = call.world.identity
    tenant = given.get("tenancyname") or identity["tenant"]
    pair = (given.get("usernameoremailaddress"), given.get("password"))
    users = [(one["username"], one["password"]) for one in identity["users"]]
    if str(tenant).lower() != identity["tenant"].lower() or pair not in users:
        return reply(wrapped(ERRORS["BadCredentials"]), ERRORS["BadCredentials"].status)
    token, _ = call.world.tokens.issue("password", None, str(pair[0]))
    return reply(
        {
            "result": token,
            "targetUrl": None,
            "success": True,
            "error": None,
            "unAuthorizedRequest": False,
            "__abp": True,
        }
    )
