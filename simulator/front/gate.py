"""The gate before a handler: forgery token, token, scope, rate limit, folder; in that order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from simulator.calls import Call, Reply, folder_named
from simulator.errors import Refusal, body, look_up, wrapped
from simulator.front.routes import Route
from simulator.odata.model import ODataError
from simulator.world.faults import LIMITED
from simulator.world.tables import World
from simulator.world.tokens import Grant

COOKIE = "XSRF-TOKEN-S"
_NOBODY = Grant("none", frozenset(), None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request's path leads: the base that it was called under, its route and arguments."""

    base: str
    route: Route
    args: tuple[str, ...]
    cloud: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as received, its body read."""

    url: str
    place: Place
    method: str
    params: dict[str, str]
    headers: Mapping[str, str]
    content: bytes


def answer(world: World, asked: Asked, *, half: bool = False) -> Reply:
    """The true answer. Nothing is awaited here, so that a call is done wholly or not at all."""
    place, version = asked.place, world.behaviour["apiVersion"]
    rules = world.behaviour["cloudRules"]
    call = Call(
        world=world,
        origin=asked.url,
        base=asked.url + place.base,
        args=place.args,
        params=asked.params,
        headers=asked.headers,
        content=asked.content,
        cloud=(version >= 18 or place.cloud) if rules is None else rules,
        version=version,
        grant=_NOBODY,
        half=half,
    )
    try:
        limits = _admit(call, place.route, asked.method)
        found = place.route.handler(call)
    except Refusal as refusal:
        return _refused(refusal, call)
    except ODataError as error:
        return _refused(Refusal("InvalidRequest", str(error)), call)
    return found._replace(headers={**found.headers, **limits}) if limits else found


def _admit(call: Call, route: Route, method: str) -> dict[str, str]:
    """Everything between the socket and the handler, in the order of the real server."""
    if route.scope is None:
        return {}
    if method != "GET" and "Cookie" in call.headers and not _forgery_token(call):
        raise Refusal("Forgery")
    call.grant = _grant(call)
    if not call.grant.allows(route.scope, write=route.write):
        raise Refusal("NotAuthorized")
    limits = _limit(call, route.operation) if route.operation in LIMITED else {}
    if route.folder != "none":
        call.folder = _folder(call, route)
    return limits


def _grant(call: Call) -> Grant:
    kind, _, token = call.headers.get("Authorization", "").partition(" ")
    grant = call.world.tokens.check(token.strip()) if kind.lower() == "bearer" else None
    tenant = call.headers.get("X-UIPATH-TenantName", call.world.identity["tenant"])
    if grant is None or tenant.lower() != call.world.identity["tenant"].lower():
        raise Refusal("NotAuthenticated", headers={"WWW-Authenticate": "Bearer"})
    return grant


def _limit(call: Call, operation: str) -> dict[str, str]:
    most, seconds = _most(call, operation)
    if not most:
        return {}
    admitted, left, wait = call.world.limits[operation].admit(most, seconds)
    if not admitted:
        call.world.ledger.throttle(operation)
        raise Refusal("TooManyRequests", headers={"Retry-After": str(wait), "X-RateLimit-Remaining": "0"})
    return {"X-RateLimit-Remaining": str(left if left >= 10 else 0)}


def _most(call: Call, operation: str) -> tuple[int, float]:
    rules = call.world.behaviour
    if operation == "StartJobs":
        return rules["startsPerSecond"], 1.0
    return (rules["rateLimitPerMinute"] if call.cloud else 0), rules["rateLimitSeconds"]


def _folder(call: Call, route: Route) -> Any:
    by_name = (
        route.folder == "own" and b'"ReleaseKey"' not in call.content and b'"ReleaseName"' in call.content
    )
    optional = by_name or (route.folder == "cross" and call.cloud)
    folder = folder_named(call.headers, call.world, needed=not optional)
    if folder and not folder["_modern"] and not call.world.behaviour["strictApiVersion"]:
        call.version = min(call.version, 19)
    return folder


def _refused(refusal: Refusal, call: Call) -> Reply:
    if refusal.name == "Forgery":
        return Reply(400, b"")
    error = look_up(refusal.name, call.world.behaviour["errors"])
    if refusal.message:
        error = error._replace(message=refusal.message)
    old = error.status == 401 and not call.cloud
    shown = wrapped(error) if old else body(error, call.version)
    return Reply(error.status, orjson.dumps(shown), refusal.headers)


def _forgery_token(call: Call) -> bool:
    """Whether the cookies' forgery token came in its header, too."""
    cookies = dict(part.strip().partition("=")[::2] for part in call.headers.get("Cookie", "").split(";"))
    token = cookies.get(COOKIE)
    return token is not None and call.headers.get("X-XSRF-TOKEN") == token
