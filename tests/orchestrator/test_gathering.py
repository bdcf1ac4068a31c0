"""Look-ups share the list budget: gathered until their turn, slowed down together, none failed by another."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import pytest
from aiohttp import web
from stub_server import Answer, Server, page, rows, says
from test_lookup import asked, job

from worker.domain.failures import Later, Unavailable
from worker.domain.jobs import Job
from worker.domain.processes import Folder
from worker.orchestrator import Client
from worker.orchestrator.lookup.gather import MOMENT_S

Connect = Callable[..., Awaitable[Client]]
SLOW = says({"message": "slow down"}, 429, Retry_After="1")
ELSEWHERE = Folder(102, None, "Other", modern=True)


def refuses(answer: Answer, *culprits: int) -> Answer:
    """Gives each its job, unless a culprit is among those who are asked for."""

    async def either(request: web.Request) -> web.StreamResponse:
        numbers = [int(n) for n in re.findall(r"r:(\d+)", unquote(request.path_qs))]
        refused = set(culprits) & set(numbers)
        return await (answer if refused else rows(*[job(n, f"r:{n}") for n in numbers]))(request)

    return either


async def outcomes(client: Client, folder: Folder, numbers: range) -> list[list[int] | Later]:
    """What each look-up comes to: the ids of its jobs, or why they are not known."""
    found = await asyncio.gather(
        *(client.find(folder, f"r:{n}", "P") for n in numbers), return_exceptions=True
    )
    return [_outcome(each) for each in found]


def _outcome(found: object) -> list[int] | Later:
    if isinstance(found, Unavailable):
        return found.code
    assert isinstance(found, list)
    return [each.id for each in found if isinstance(each, Job)]


async def used_up(client: Client, calls: int) -> None:
    """As after so many calls."""
    for _ in range(calls):
        await client._budget.turn(urgent=True)


async def test_a_batch_is_open_until_its_turn(connect: Connect, server: Server, folder: Folder) -> None:
    """What comes meanwhile shares the call, and the same Reference twice is asked once."""
    server.on("JobsList", refuses(SLOW))
    client = await connect(poll_budget_per_min=120)
    await used_up(client, 20)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(client.find(folder, "r:1", None))
        await asyncio.sleep(4 * MOMENT_S)
        rest = group.create_task(outcomes(client, folder, range(1, 41)))
    assert [each.id for each in first.result()] == [1]
    assert rest.result() == [[n] for n in range(1, 41)]
    assert server.calls["JobsList"] == 1
    assert asked(server)[0].count("'r:") == 40


async def test_a_throttled_call_is_asked_again_for_all(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """By itself, when Retry-After fits; meanwhile the other folders keep quiet too."""
    server.on("JobsList", SLOW, refuses(SLOW))
    client, loop = await connect(http_timeout_s=5, poll_budget_per_min=600), asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        here = group.create_task(outcomes(client, folder, range(1, 31)))
        while not server.calls["JobsList"]:  # noqa: ASYNC110 - within the test's own timeout
            await asyncio.sleep(0.01)
        began = loop.time()
        there = group.create_task(outcomes(client, ELSEWHERE, range(1, 31)))
    assert here.result() == there.result() == [[n] for n in range(1, 31)]
    assert server.calls["JobsList"] == 3
    assert loop.time() - began >= 0.9


async def test_every_exchange_is_paid_for(connect: Connect, server: Server, folder: Folder) -> None:
    """The second page, and the second try, too."""
    many = [job(n, "r:1") for n in range(1, 1001)]
    server.on("JobsList", says(None, 503), rows(*many), rows(job(1001, "r:1")))
    client = await connect(poll_budget_per_min=120)
    await client.find(folder, "r:1", None)
    await used_up(client, 17)
    assert client._budget._pace.wait(asyncio.get_running_loop().time()) > 0


async def test_who_stops_waits_no_more(connect: Connect, server: Server, folder: Folder) -> None:
    """A stretched batch holds no stop up: its callers are told at once."""
    client, loop = await connect(poll_budget_per_min=6), asyncio.get_running_loop()
    await used_up(client, 1)
    client._budget._pace = client._budget._pace.shut(loop.time(), 9)
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(outcomes(client, folder, range(60)))
        await asyncio.sleep(4 * MOMENT_S)
        client.hurry()
    assert waiting.result() == [Later.THROTTLED] * 60
    assert loop.time() - began < 5
    assert not server.calls["JobsList"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says(None, 400), id="empty 400"),
        pytest.param(page(403), id="a firewall's page"),
        pytest.param(says(None, 404), id="empty 404"),
        pytest.param(says({"message": "too long"}, 414), id="414"),
        pytest.param(rows({"Id": None}), id="a strange row"),
    ],
)
async def test_a_reference_that_fails_takes_no_other_with_it(
    connect: Connect, server: Server, folder: Folder, answer: Answer
) -> None:
    """It alone is deferred, at the price of a few calls."""
    server.on("JobsList", refuses(answer, 7))
    client = await connect(poll_budget_per_min=6000)
    found = await outcomes(client, folder, range(1, 51))
    assert found[6] is Later.FAILING
    assert [each for each in found if each is not Later.FAILING] == [[n] for n in range(1, 51) if n != 7]
    assert server.calls["JobsList"] <= 40


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        pytest.param(says({"message": "no such folder", "errorCode": 1100}, 400), 1, id="the folder is gone"),
        pytest.param(says({"message": "not allowed"}, 403), 1, id="no permission"),
        pytest.param(says({"message": "slow"}, 429, Retry_After="60"), 1, id="throttled"),
        pytest.param(says(None, 400), 6, id="everything is refused, each twice"),
    ],
)
async def test_what_is_nobodys_fault_is_not_asked_piece_by_piece(
    connect: Connect, server: Server, folder: Folder, answer: Answer, calls: int
) -> None:
    """It would cost the budget and find nothing."""
    server.on("JobsList", answer)
    found = await outcomes(await connect(), folder, range(50))
    assert set(found) <= {Later.FAILING, Later.THROTTLED}
    assert server.calls["JobsList"] == calls


async def test_addresses_that_are_too_long_become_shorter(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Everybody is answered, and the next ones at once."""

    async def short(request: web.Request) -> web.StreamResponse:
        return await (says(None, 414) if len(request.path_qs) > 300 else refuses(SLOW))(request)

    server.on("JobsList", short)
    client = await connect(poll_budget_per_min=6000)
    for _ in range(3):
        await outcomes(client, folder, range(100))
    before = server.calls["JobsList"]
    assert await outcomes(client, folder, range(1, 51)) == [[n] for n in range(1, 51)]
    assert all(len(seen.path_qs) <= 300 for seen in server.of("JobsList")[before:])


async def test_a_server_that_was_scanned_is_tried_again(
    connect: Connect, server: Server, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Reference that it refused is no reason to scan for ever."""
    refused = says({"message": "no"}, 400)
    server.on("JobsList", refused, refused, rows(), rows(job(1, "r:1")))
    client = await connect()
    await client.find(folder, "r:x", "P")
    monkeypatch.setattr(client._lookup._search, "_scans_until", 0.0)
    assert [each.id for each in await client.find(folder, "r:1", "P")] == [1]
    assert asked(server)[-1] == "Reference eq 'r:1'"
