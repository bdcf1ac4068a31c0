"""StartJobs goes out only while its sender may still start the request, however long a token took."""

from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Any

import pytest
from aiohttp import web
from stub_server import JOB, START_INFO, Answer, Server, says

from worker.domain.failures import Later, Unavailable
from worker.domain.processes import Folder
from worker.orchestrator import Client

Connect = Callable[..., Awaitable[Client]]
OK = says({"value": [JOB]}, 201)
TOKEN = says({"access_token": "a-token", "expires_in": 3600})


async def refused(client: Client, folder: Folder, may_send: Callable[[], bool]) -> Unavailable:
    """The failure of a start that was not to be sent."""
    with pytest.raises(Unavailable) as raised:
        await client.start(folder, START_INFO, may_send=may_send)
    return raised.value


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        pytest.param([OK], 0, id="at first"),
        pytest.param([says(None, 401), OK], 1, id="after a 401"),
        pytest.param([says(None, 400), OK], 1, id="after an empty 400"),
        pytest.param([says(None, 401), says(None, 400), OK], 2, id="after both"),
    ],
)
async def test_every_sending_is_asked_for(
    connect: Connect, server: Server, folder: Folder, answers: list[Answer], sent: int
) -> None:
    """A no is certainly not executed, is no outage, and nothing goes out after it."""
    server.on("StartJobs", *answers)
    client = await connect()
    permits = chain(repeat(True, sent), repeat(False))
    failure = await refused(client, folder, lambda: next(permits))
    assert (failure.code, failure.outage) == (Later.UNREACHABLE, False)
    assert "no longer" in failure.detail
    assert server.calls["StartJobs"] == sent
    assert "no longer" not in (client.status().reason or "")


@pytest.mark.parametrize("first", [[], [says(None, 401)], [says(None, 400)]], ids=["no token", "401", "400"])
async def test_a_token_that_took_too_long_sends_nothing(
    connect: Connect, server: Server, folder: Folder, first: list[Answer]
) -> None:
    """The question is put after the last thing that had to be waited for."""
    allowed = True

    async def slow(request: web.Request) -> Any:
        nonlocal allowed
        allowed = False
        return await TOKEN(request)

    short = says({"access_token": "short", "expires_in": 0.000001})
    server.on("Token", *([short] if first else []), slow)
    server.on("StartJobs", *first, OK)
    await refused(await connect(), folder, lambda: allowed)
    assert server.calls["StartJobs"] == len(first)


async def test_who_may_send_is_asked_once_for_a_good_start(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Once for each exchange."""
    asked: list[int] = []

    def may_send() -> bool:
        asked.append(1)
        return True

    client = await connect()
    assert await client.start(folder, START_INFO, may_send=may_send)
    assert asked == [1]
