"""What a fault makes of a request: other answers, none at all, too late, too little, or after the fact."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from aiohttp import web

from simulator.calls import Reply, reply
from simulator.front.gate import Asked, answer
from simulator.world.tables import World

PORTAL = b"<!DOCTYPE html><html><head><title>UiPath</title></head><body><div id='root'></div></body></html>"
FOREVER = 86_400.0
Respond = Callable[[Reply], web.Response]


async def strike(
    fault: dict[str, Any], world: World, asked: Asked, request: web.BaseRequest, respond: Respond
) -> web.StreamResponse:
    """Does as the fault says, and answers so."""
    before, _, after = fault["do"].partition("-then-")
    seconds = fault["seconds"]
    if before == "commit":
        return await _instead(after, fault, answer(world, asked), request, respond)
    if after == "commit":
        asyncio.get_running_loop().call_later(seconds or 0.0, answer, world, asked)
        return await _instead(before, fault, Reply(200, b""), request, respond)
    if before == "expire-token":
        world.tokens.expire(asked.headers.get("Authorization", "").partition(" ")[2].strip())
    elif before == "delay":
        await asyncio.sleep(seconds or 0.0)
    elif before != "partial":
        return await _instead(before, fault, Reply(200, b""), request, respond)
    return respond(answer(world, asked, half=before == "partial"))


async def _instead(
    do: str, fault: dict[str, Any], true: Reply, request: web.BaseRequest, respond: Respond
) -> web.StreamResponse:
    """The answer in place of the true one; the connection's reset where there is none."""
    match do:
        case "status":
            return respond(_told(fault))
        case "hang":
            await asyncio.sleep(FOREVER if fault["seconds"] is None else fault["seconds"])
        case "delay":
            await asyncio.sleep(fault["seconds"] or 0.0)
            return respond(true)
        case "cut":
            return await _cut(true, request)
        case "empty-400":
            return respond(Reply(400, b""))
        case "html":
            return web.Response(body=PORTAL, content_type="text/html")
        case "garbage":
            return respond(Reply(200, b'{"@odata.context":"'))
    return _reset(request)


async def _cut(true: Reply, request: web.BaseRequest) -> web.StreamResponse:
    """The head and half the body, then a reset."""
    response = web.StreamResponse(status=true.status, headers={"Content-Type": "application/json"})
    response.content_length = len(true.body)
    await response.prepare(request)
    await response.write(true.body[: len(true.body) // 2])
    _reset(request)
    return response


def _told(fault: dict[str, Any]) -> Reply:
    """The answer that a fault names: a body as given, or an error in the usual shape."""
    status, headers = fault["status"], dict(fault["headers"])
    if fault["retryAfter"] is not None:
        headers["Retry-After"] = str(fault["retryAfter"])
    if status == 429:
        headers.setdefault("X-RateLimit-Remaining", "0")
    given = fault["body"]
    if isinstance(given, str):
        return Reply(status, given.encode(), headers)
    shown = given or {
        "message": fault["message"] or "An error has occurred.",
        "errorCode": fault["code"] or 0,
    }
    return reply(shown, status)._replace(headers=headers)


def _reset(request: web.BaseRequest) -> web.Response:
    """Ends the connection with a reset rather than an orderly close."""
    transport = request.transport
    if transport is not None:
        found = transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)
