"""`/_sim/…`: what tests tell the simulator and ask it; no authentication, and no part of Orchestrator's API.

GET ledger, requests (`?last=N`), faults, kinds (what a fault may do), behaviour, webhooks. POST faults, seed,
ends (the jobs that run end one by one, at a rate). PATCH behaviour (some keys of it, in the running world),
jobs/ID (a state, and `info`, `output`, `error`), items/ID (a Status, and what goes with it). DELETE faults,
requests, items/ID.
"""

import time
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from simulator.front.transactions import move, remove
from simulator.seed import SeedError, behaviour
from simulator.seed.checks import Key, anything, mapping, number, one_of, record, text
from simulator.world.entities import entities
from simulator.world.faults import KINDS
from simulator.world.jobs import FINAL, OPEN
from simulator.world.tables import World

Act = Callable[[World, web.BaseRequest, Any], Any]
_NUDGE = record(
    {
        "state": Key(one_of(*sorted((FINAL | OPEN) - {"Pending"})), required=True),
        "info": Key(text),
        "output": Key(mapping(anything)),
        "error": Key(mapping(anything)),
    },
    partial=True,
)
_ENDS = record(
    {
        "perSecond": Key(number(0.001, 1e6), required=True),
        "outcomes": Key(mapping(number(0, 1e9)), lambda: {"Successful": 1.0}),
    }
)


def control(
    world: World, reseed: Callable[[Any], None], request: web.BaseRequest, content: bytes
) -> web.StreamResponse:
    """The answer to a control call: JSON, 404 for an unknown one, 400 with the place of a mistake."""
    name = request.path.removeprefix("/_sim/").strip("/")
    try:
        given = orjson.loads(content) if content else None
        if (request.method, name) == ("POST", "seed"):
            reseed(given)
            return _json({"seeded": True})
        act = _ACTS.get((request.method, name.partition("/")[0]))
        if act is None:
            return _json({"error": f"unknown; known are {', '.join(map(' '.join, _ACTS))}, POST seed"}, 404)
        return _json(act(world, request, given))
    except (SeedError, LookupError, orjson.JSONDecodeError) as error:
        return _json({"error": str(error)}, 400)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def _requests(world: World, request: web.BaseRequest, _given: Any) -> Any:
    last = request.query.get("last", "")
    kept = list(world.requests)[-int(last) if last.isdecimal() else 0 :]
    return [_request(*one) for one in kept]


def _request(method: str, target: str, headers: Any, content: bytes) -> dict[str, Any]:
    path, _, query = target.partition("?")
    shown = [[name, value] for name, value in headers.items() if name.lower() != "authorization"]
    body = content.decode("utf-8", "replace")
    return {"method": method, "path": path, "query": query, "headers": shown, "body": body}


def _add_faults(world: World, _request: web.BaseRequest, given: Any) -> Any:
    world.faults.add(given)
    return world.faults.listed()


def _drop_faults(world: World, _request: web.BaseRequest, _given: Any) -> Any:
    world.faults.rules.clear()
    return []


def _drop_requests(world: World, _request: web.BaseRequest, _given: Any) -> Any:
    world.requests.clear()
    return []


def _behave(world: World, _request: web.BaseRequest, given: Any) -> Any:
    if not isinstance(given, dict):
        raise SeedError("behaviour", "an object expected")
    world.behaviour = behaviour(given, world.behaviour)
    return world.behaviour


def _webhooks(world: World, _request: web.BaseRequest, _given: Any) -> Any:
    counts = ("delivered", "failed", "skipped")
    return [
        {"Id": row["Id"], "Url": row["Url"], "open": row["_open_until"] > time.monotonic()}
        | {name: row.get(f"_{name}", 0) for name in counts}
        for row in world.webhooks.values()
    ]


def _nudge(world: World, request: web.BaseRequest, given: Any) -> Any:
    number = request.path.rpartition("/")[2]
    job = world.jobs.get(int(number)) if number.isdecimal() else None
    if job is None:
        raise LookupError(f"no job {number}")
    asked = _NUDGE(given, "job")
    if job.state in FINAL:
        raise SeedError("job.state", f"the job is {job.state}, which is final")
    job.info = asked.get("info", job.info)
    if "output" in asked:
        job.output = orjson.dumps(asked["output"]).decode()
    if "error" in asked:
        job.error = {"code": None, "title": "", "detail": "", **asked["error"]}
    world.clock.enter(job, asked["state"])
    return entities(20).job.render(job)


def _end(world: World, _request: web.BaseRequest, given: Any) -> Any:
    """Lets the jobs that run now end, in an order by chance."""
    asked = _ENDS(given or {}, "ends")
    if not asked["outcomes"] or not FINAL.issuperset(asked["outcomes"]):
        raise SeedError("ends.outcomes", f"some of {', '.join(sorted(FINAL))} expected")
    jobs = [*world.jobs.by_state["Running"].values()]
    world.random.shuffle(jobs)
    fates = world.fates(asked["outcomes"], len(jobs))
    world.clock.end(zip(jobs, fates, strict=True), asked["perSecond"])
    return {"jobs": len(jobs), "seconds": len(jobs) / asked["perSecond"]}


_ACTS: dict[tuple[str, str], Act] = {
    ("GET", "ledger"): lambda world, _request, _given: {**world.ledger.shown(), "items": world.items_added()},
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _drop_requests,
    ("GET", "faults"): lambda world, _request, _given: world.faults.listed(),
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _drop_faults,
    ("GET", "kinds"): lambda _world, _request, _given: KINDS,
    ("POST", "ends"): _end,
    ("GET", "behaviour"): lambda world, _request, _given: world.behaviour,
    ("GET", "webhooks"): _webhooks,
    ("PATCH", "behaviour"): _behave,
    ("GET", "items"): lambda world, _request, _given: world.items_added(),
    ("PATCH", "items"): move,
    ("DELETE", "items"): remove,
    ("PATCH", "jobs"): _nudge,
}
