"""Look-ups by Reference: gathered, exact, and never an empty answer that proves nothing."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from aiohttp import web
from stub_server import JOB, Answer, Held, Server, breaks_off, page, resets, rows, says

from worker.domain.failures import Unavailable
from worker.domain.processes import Folder
from worker.orchestrator import Client
from worker.orchestrator.lookup.proof import LONGEST_URL, Means, conditions

Connect = Callable[..., Awaitable[Client]]
REFUSED = says({"message": "Invalid OData query options.", "errorCode": 1000}, 400)


def job(number: int, reference: str | None, **more: Any) -> dict[str, Any]:
    """A JobDto as a list gives it."""
    return JOB | {"Id": number, "Key": str(UUID(int=number)), "Reference": reference} | more


def asked(server: Server) -> list[str]:
    """The filters that the server saw."""
    return [unquote(seen.path_qs).split("$filter=")[1].split("&")[0] for seen in server.of("JobsList")]


async def test_a_job_is_found_by_its_reference(connect: Connect, server: Server, folder: Folder) -> None:
    """In the folder that was named, oldest first, with what adopting it needs."""
    more = {
        "ReleaseName": "Invoices",
        "OrganizationUnitId": 101,
        "CreationTime": "2020-01-28T07:18:44.4636005Z",
    }
    server.on("JobsList", rows(job(1, "jobrelay:a", **more), job(2, "jobrelay:a")))
    client = await connect()
    first, second = await client.find(folder, "jobrelay:a", "Invoices")
    assert (first.id, second.id, first.reference) == (1, 2, "jobrelay:a")
    assert (first.release_name, first.folder_id) == ("Invoices", 101)
    assert first.created_at == "2020-01-28T07:18:44.4636005Z"
    (seen,) = server.of("JobsList")
    assert seen.header("X-UIPATH-OrganizationUnitId") == ["101"]
    assert asked(server) == ["Reference eq 'jobrelay:a'"]


async def test_nothing_found_is_an_answer(connect: Connect, server: Server, folder: Folder) -> None:
    """When the server took the filter and the page was whole."""
    server.on("JobsList", rows(count=0))
    assert not await (await connect()).find(folder, "jobrelay:a", None)


async def test_a_reference_is_compared_to_the_byte(connect: Connect, server: Server, folder: Folder) -> None:
    """Servers compare without regard to case; we do not."""
    others = ("jobrelay:A", "jobrelay:a ")
    server.on("JobsList", rows(*[job(n, other) for n, other in enumerate(others, 1)]))
    client = await connect()
    assert not await client.find(folder, "jobrelay:a", None)
    assert [each.id for each in await client.find(folder, "jobrelay:A", None)] == [1]


async def test_look_ups_of_one_moment_are_one_call(connect: Connect, server: Server, folder: Folder) -> None:
    """Per folder; each caller gets its own."""

    async def as_asked(request: web.Request) -> web.StreamResponse:
        numbers = re.findall(r"jobrelay:(\d+)", unquote(request.path_qs))
        return await rows(*[job(int(n), f"jobrelay:{n}") for n in numbers])(request)

    server.on("JobsList", as_asked)
    client = await connect()
    elsewhere = Folder(102, None, "Other", modern=True)
    wanted = [(folder, n) for n in range(1, 31)] + [(elsewhere, 3)]
    found = await asyncio.gather(*(client.find(where, f"jobrelay:{n}", None) for where, n in wanted))
    assert [[each.id for each in jobs] for jobs in found] == [[n] for _, n in wanted]
    assert server.calls["JobsList"] == 2


async def test_a_call_stays_short(connect: Connect, server: Server, folder: Folder) -> None:
    """At most 50 references and 1,800 bytes of address, however long they are and however they are asked."""
    server.on("JobsList", REFUSED, rows())
    client = await connect()
    short = [f"jobrelay:{n:03}" for n in range(120)]
    long = [f"jobrelay:{n:03}-{'x' * 100}" for n in range(40)]
    await asyncio.gather(*(client.find(folder, reference, None) for reference in short + long))
    by_or = server.calls["JobsList"]
    modern = await connect()
    await asyncio.gather(*(modern.find(folder, reference, None) for reference in short + long))
    assert all(len(server.url + seen.path_qs) <= LONGEST_URL for seen in server.of("JobsList"))
    assert all(condition.count("jobrelay:") <= 50 for condition in asked(server))
    assert server.calls["JobsList"] - by_or == 6


async def test_a_later_look_up_is_a_later_call(connect: Connect, server: Server, folder: Folder) -> None:
    """Nobody gets an answer from before it asked."""
    server.on("JobsList", rows(), rows(job(1, "jobrelay:a")))
    client = await connect()
    assert not await client.find(folder, "jobrelay:a", None)
    assert len(await client.find(folder, "jobrelay:a", None)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says({"message": "slow down"}, 429, Retry_After="60"), id="429"),
        pytest.param(says({"message": "no"}, 403), id="403"),
        pytest.param(says({"message": "no"}, 404), id="404"),
        pytest.param(says({"message": "no such folder", "errorCode": 1100}, 400), id="folder gone"),
        pytest.param(says({"message": "folder?", "errorCode": "1101"}, 400), id="folder missing"),
        pytest.param(says(None, 400), id="empty 400"),
        pytest.param(REFUSED, id="every filter refused"),
        pytest.param(says({"message": "down"}, 503), id="503"),
        pytest.param(page(200), id="web page"),
        pytest.param(breaks_off, id="cut"),
        pytest.param(resets, id="reset"),
        pytest.param(says({}), id="no list"),
        pytest.param(rows(job(1, "jobrelay:b"), count=2), id="fewer rows than counted"),
        pytest.param(rows(count=1), id="no row but one counted"),
        pytest.param(rows(JOB | {"Id": None}), id="strange row"),
        pytest.param(rows({k: v for k, v in JOB.items() if k != "Reference"}), id="no Reference at all"),
    ],
)
async def test_what_proves_nothing_is_never_an_empty_answer(
    connect: Connect, server: Server, folder: Folder, answer: Answer
) -> None:
    """Else a job that exists would be started a second time."""
    server.on("JobsList", answer)
    client = await connect(http_timeout_s=0.2)
    with pytest.raises(Unavailable):
        await client.find(folder, "jobrelay:a", "Invoices")


async def test_every_page_is_read(connect: Connect, server: Server, folder: Folder) -> None:
    """By key, so that rows which vanish meanwhile hide no others; and again when it does not go on."""
    many = [job(n, "jobrelay:a") for n in range(1, 1001)]
    server.on("JobsList", rows(*many), rows(job(1001, "jobrelay:a")))
    client = await connect()
    found = await client.find(folder, "jobrelay:a", None)
    assert [each.id for each in found] == list(range(1, 1002))
    assert asked(server)[1] == "(Reference eq 'jobrelay:a') and Id gt 1000"
    server.on("JobsList", rows(*many))
    with pytest.raises(Unavailable, match="cut"):
        await client.find(folder, "jobrelay:a", None)


async def test_a_server_that_caps_its_pages_is_read_to_the_end(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """A short page is not the last one while the count says that there is more."""
    server.on("JobsList", rows(job(1, "r"), count=3), rows(job(2, "r"), count=2), rows(job(3, "r"), count=1))
    assert len(await (await connect()).find(folder, "r", None)) == 3


async def test_without_in_the_server_is_asked_with_or(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Once found out, it is remembered."""
    server.on("JobsList", REFUSED, rows(job(1, "r:1"), job(2, "r:2")))
    client = await connect()
    for _ in range(2):
        found = await asyncio.gather(*(client.find(folder, f"r:{n}", None) for n in (1, 2)))
        assert [jobs[0].id for jobs in found] == [1, 2]
    either = "Reference eq 'r:1' or Reference eq 'r:2'"
    assert asked(server) == ["Reference in ('r:1','r:2')", either, either]


async def test_without_a_filter_on_reference_the_process_is_searched(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """By ReleaseName and CreationTime, compared here; the search goes back to the first attempt."""
    server.on("JobsList", REFUSED, REFUSED, rows(job(1, "r:1"), job(2, "r:2")))
    client = await connect()
    found = await client.find(folder, "r:2", "It's", since=1_600_000_000)
    assert [each.id for each in found] == [2]
    scan = "ReleaseName eq 'It''s' and CreationTime ge 2020-09-13T12:26:40Z"
    assert asked(server)[-1] == scan
    assert not await client.find(folder, "r:3", "It's")
    assert asked(server)[-1].startswith("ReleaseName eq 'It''s' and CreationTime ge 20")
    assert server.calls["JobsList"] == 4


def test_a_scan_without_a_name_covers_them_all() -> None:
    """Several processes are asked for one by one, unless one of them has no known name."""
    known = {"r:1": "B", "r:2": "A", "r:3": "B"}
    time = "CreationTime ge 1970-01-01T00:00:00Z"
    scan = conditions(Means.SCAN, known, 0, 1000)
    assert scan == [f"ReleaseName eq 'A' and {time}", f"ReleaseName eq 'B' and {time}"]
    assert conditions(Means.SCAN, known | {"r:4": None}, 0, 1000) == [time]


async def test_a_refused_folder_does_not_change_the_way_of_asking(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Only a refused filter does, and only when another one is taken."""
    gone = says({"message": "no such folder", "errorCode": 1100}, 400)
    server.on("JobsList", gone, says(None, 400), says(None, 400), REFUSED, REFUSED, REFUSED, rows())
    client = await connect()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await client.find(folder, "r:1", None)
    await client.find(folder, "r:1", None)
    assert asked(server)[-1] == "Reference eq 'r:1'"


async def test_a_cancelled_caller_leaves_the_look_up_to_the_others(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """It is asked once more for them."""
    held = Held(rows())
    server.on("JobsList", held, rows(job(2, "r:2")))
    client = await connect()
    one = asyncio.ensure_future(client.find(folder, "r:1", None))  # noqa: TID251 - cancelled below
    two = asyncio.ensure_future(client.find(folder, "r:2", None))  # noqa: TID251
    await asyncio.wait_for(held.arrived.wait(), 5)
    one.cancel()
    found = await asyncio.wait_for(two, 5)
    assert [each.id for each in found] == [2]
    held.go_on.set()


async def test_a_scan_reaches_back_for_whoever_asks_for_the_oldest(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Look-ups share a call, not a lower bound: each one's first attempt is inside it."""
    server.on("JobsList", REFUSED, REFUSED, rows())
    client = await connect()
    bounds = {"r:1": 1_700_000_000, "r:2": 1_600_000_000, "r:3": 1_800_000_000}
    await asyncio.gather(*(client.find(folder, name, "P", since=since) for name, since in bounds.items()))
    assert asked(server)[-1] == "ReleaseName eq 'P' and CreationTime ge 2020-09-13T12:26:40Z"


async def test_a_scan_of_jobs_without_a_reference_proves_nothing(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """A server before API 11 takes no filter on it, and none of its rows could be recognised."""
    server.on("JobsList", REFUSED, REFUSED, rows({k: v for k, v in JOB.items() if k != "Reference"}))
    with pytest.raises(Unavailable, match="no Reference"):
        await (await connect()).find(folder, "jobrelay:a", "Invoices")
