"""A server that answers as it is told, for the faults that a faithful Orchestrator does not have."""

import asyncio
import functools
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web
from pydantic import TypeAdapter

from worker.domain.failures import Failure
from worker.domain.processes import Folder
from worker.forms import Url
from worker.orchestrator import Client
from worker.settings import Settings

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

JOB = {
    "Id": 9001,
    "Key": "7c930486-4b80-415a-b4f0-f30bc2580187",
    "State": "Pending",
    "BatchExecutionKey": "2dff0276-9880-486e-896a-cd7124bfa3b6",
    "Reference": "jobrelay:inc-1",
}
_URL = TypeAdapter(Url)
START_INFO = {"ReleaseKey": "k", "Strategy": "ModernJobsCount", "JobsCount": 1, "Reference": "jobrelay:inc-1"}
_OPERATIONS = {
    r"(token|Authenticate)$": "Token",
    r"StartJobs$": "StartJobs",
    r"/Jobs\(\d+\)$": "JobById",
    r"ValidateExistingJob$": "ValidateExistingJob",
    r"/Jobs$": "JobsList",
    r"GetAllForCurrentUser$": "OwnFolders",
    r"/(Folders|Releases|Robots|Sessions|Environments|Machines|Attachments|RobotLogs)$": r"\1",
    r"GetRobotsFromFolder": "RobotsFromFolder",
    r"GetAssignedMachines": "AssignedMachines",
}


def says(document: Any = None, status: int = 200, **headers: str) -> Answer:
    """An answer with *document* as JSON; underscores in header names stand for hyphens."""
    body = b"" if document is None else orjson.dumps(document)
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type="application/json", headers=named)

    return answer


def rows(*values: Any, count: int | None = None) -> Answer:
    """A page of an OData list."""
    return says({"value": values} if count is None else {"@odata.count": count, "value": values})


def page(status: int = 200) -> Answer:
    """A web page for people."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<!DOCTYPE html><p>Sign in</p>", content_type="text/html")

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    """No answer until the caller has gone."""
    await asyncio.sleep(60)
    raise AssertionError("somebody waited for a minute")


class Held:
    """An answer that waits: `arrived` tells that it was asked for, `go_on` lets it go."""

    def __init__(self, answer: Answer) -> None:
        self.arrived, self.go_on = asyncio.Event(), asyncio.Event()
        self._answer = answer

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.arrived.set()
        await self.go_on.wait()
        return await self._answer(request)


async def resets(request: web.Request) -> web.StreamResponse:
    """The connection ends without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """The connection ends in the middle of a good answer."""
    response = web.StreamResponse(status=201, headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"value":[')
    assert request.transport is not None
    request.transport.abort()
    return response


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the server saw it."""

    operation: str
    method: str
    path_qs: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: Any

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Server:
    """Answers by operation: those told with `on`, the last one again and again, else a good one."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: dict[str, deque[Answer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.on("Token", says({"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}))
        self.on("StartJobs", says({"value": [JOB]}, 201, api_supported_versions="11.0, 20.0, 9.1"))
        self.on("JobsList", rows())

    def on(self, operation: str, *answers: Answer) -> None:
        self.answers[operation] = deque(answers)

    @property
    def calls(self) -> Counter[str]:
        return Counter(seen.operation for seen in self.seen)

    def of(self, operation: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.operation == operation]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        operation = _operation(request.path)
        self.seen.append(
            Seen(
                operation,
                request.method,
                request.path_qs,
                list(request.headers.items()),
                await request.read(),
                request.transport and request.transport.get_extra_info("peername"),
            )
        )
        answers = self.answers.get(operation) or deque([says({"message": "not told"}, 404)])
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        return await answer(request)


def _operation(path: str) -> str:
    for pattern, name in _OPERATIONS.items():
        if found := re.search(pattern, path):
            return found.expand(name)
    return path


def settings(url: str, **more: Any) -> Settings:
    """Settings for a server at *url*, with a timeout short enough for a test."""
    url = more.pop("orchestrator_url", url)
    return _settings(**more).model_copy(update={"orchestrator_url": _URL.validate_python(url)})


@functools.cache
def _settings(**more: Any) -> Settings:
    plain: dict[str, Any] = {
        "amqp_url": "amqp://nowhere/",
        "client_id": "the-client",
        "client_secret": "s3cr3t-for-tests",
        "http_timeout_s": 1.0,
    }
    return Settings(**(plain | more))


async def failure_of(client: Client, folder: Folder) -> Failure:
    """What a start fails with, well before a server that hangs gives up by itself."""
    with pytest.raises(Failure) as raised:
        async with asyncio.timeout(20):
            await client.start(folder, START_INFO)
    return raised.value
