"""The HTTP server: from a request's path to its answer, with the headers that every answer has."""

import asyncio
from functools import lru_cache
from secrets import token_urlsafe
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from simulator.calls import Reply
from simulator.front.control import control
from simulator.front.gate import COOKIE, Asked, Place, answer
from simulator.front.routes import CONNECT, USER_KEY, known, resolve
from simulator.front.strike import PORTAL, strike
from simulator.notices import Notices
from simulator.seed import load
from simulator.world.jobs import Job
from simulator.world.rows import Row
from simulator.world.tables import World

_JSON = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8"


_LOGINS = ("/token", "/Authenticate")
_NO_QUERY: dict[str, str] = {}


class Simulator:
    """One simulated tenant behind an HTTP handler; `url` is where it listens."""

    def __init__(self, seed: Any = None) -> None:
        self.url = ""
        self.notices = Notices()
        self.world = self._new_world(seed)
        self.place = lru_cache(4096)(self._place)

    def reseed(self, seed: Any) -> None:
        """Puts a new world in place of the old, or raises SeedError and keeps it."""
        world = self._new_world(seed)
        self.world.clock.stop()
        self.world = world
        self.place.cache_clear()

    def _new_world(self, seed: Any) -> World:
        return World(load(seed), self._announce, self._post)

    def _announce(self, event: str, job: Job) -> None:
        if self.world.webhooks:
            self.notices.announce(self.world, event, job)

    def _post(self, event: Row, webhook: Row) -> None:
        self.notices.post(self.world, event, webhook)

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Starts what runs beside the server; called once, when the URL is known."""
        self.notices.begin(tasks)

    async def end(self) -> None:
        """Ends what `begin` started."""
        self.world.clock.stop()
        await self.notices.end()

    @property
    def _bases(self) -> list[str]:
        """The bases that an API path may follow, longest first: cloud or suite, its gateway, on-prem."""
        tenant = f"/{self.world.identity['organization']}/{self.world.identity['tenant']}"
        return [f"{tenant}/orchestrator_", tenant, ""]

    def _place(self, method: str, path: str) -> Place | None:
        """Where a path leads; None for nowhere."""
        folded, organization = path.lower(), self.world.identity["organization"].lower()
        connects = ("/identity_/connect/token", f"/{organization}/identity_/connect/token")
        if method == "POST" and folded in (*connects, "/identity/connect/token"):
            return Place("", CONNECT, (), cloud=folded in connects)
        if method == "POST" and folded == "/oauth/token":
            return Place("", USER_KEY, (), cloud=True)
        if folded.startswith("/_blobs/"):
            found = resolve(method, f"/_blobs/({path.rpartition('/')[2]})")
            return Place("", *found, cloud=True) if found else None
        for base in self._bases:
            if folded.startswith((f"{base.lower()}/odata/", f"{base.lower()}/api/")):
                found = resolve(method, path[len(base) :])
                return Place(path[: len(base)], *found, cloud=bool(base)) if found else None
        return None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request; the handler of the HTTP server."""
        content = await request.read()
        if request.path.startswith("/_sim/"):
            return control(self.world, self.reseed, request, content)
        world = self.world
        world.requests.append((request.method, request.raw_path, request.headers, content))
        if world.behaviour["latencyMs"][1]:
            await asyncio.sleep(world.random.uniform(*world.behaviour["latencyMs"]) / 1000)
        place = self.place(request.method, request.path)
        if place is None:
            return self._astray(request)
        asked = Asked(
            self.url,
            place,
            request.method,
            dict(request.query) if "?" in request.raw_path else _NO_QUERY,
            request.headers,
            content,
        )
        world.ledger.count(place.route.operation)
        fault = (
            world.faults.take(place.route.operation, content, world.random) if world.faults.rules else None
        )
        if fault is not None:
            return await strike(fault, world, asked, request, lambda found: self._response(found, request))
        return self._response(answer(world, asked), request)

    def _response(self, found: Reply, request: web.BaseRequest) -> web.Response:
        """The answer with the headers that every answer has."""
        headers = CIMultiDict({"api-supported-versions": _versions(self.world.behaviour["apiVersion"])})
        if found.body:
            headers["Content-Type"] = _JSON
            headers["OData-Version"] = "4.0"
        headers.update(found.headers)
        if self.world.behaviour["cookies"] and (request.method == "GET" or request.path.endswith(_LOGINS)):
            headers["Set-Cookie"] = f"{COOKIE}={token_urlsafe(16)}; path=/; httponly; samesite=lax"
        return web.Response(status=found.status, body=found.body, headers=headers)

    def _astray(self, request: web.BaseRequest) -> web.Response:
        """A path that leads nowhere: the portal's page for GET, as Cloud answers; else 404 or 405."""
        for base in self._bases:
            if request.path.lower().startswith(f"{base.lower()}/odata/"):
                return web.Response(status=405 if known(request.path[len(base) :]) else 404)
        status = 200 if request.method == "GET" else 404
        return web.Response(status=status, body=PORTAL, content_type="text/html")


@lru_cache(16)
def _versions(newest: int) -> str:
    return ", ".join(f"{number}.0" for number in range(11, newest + 1))
