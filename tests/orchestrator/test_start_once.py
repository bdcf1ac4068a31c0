"""StartJobs: what each fault is called, and that it is sent once."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from aiohttp import web
from stub_server import JOB, START_INFO, Answer, Server, breaks_off, failure_of, hangs, page, resets, says

from worker.domain.failures import Code, Later, OutcomeUnknown, Rejected, Unavailable
from worker.domain.processes import Folder
from worker.orchestrator import Client

Connect = Callable[..., Awaitable[Client]]

OK = says({"value": [JOB]}, 201)


@asynccontextmanager
async def crowd(address: Any) -> AsyncIterator[None]:
    """Fills the queue of a listening socket that nobody accepts from."""
    with ExitStack() as stack:
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(address)
        yield


async def test_a_start_sends_the_body_and_gives_the_jobs(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """The start info goes out as given, inside `startInfo`, and each row comes back as a job."""
    client = await connect()
    (job,) = await client.start(folder, START_INFO)
    assert (job.id, job.key, job.batch_execution_key) == (JOB["Id"], JOB["Key"], JOB["BatchExecutionKey"])
    assert (job.reference, job.state) == ("jobrelay:inc-1", "Pending")
    (seen,) = server.of("StartJobs")
    assert orjson.loads(seen.body) == {"startInfo": START_INFO}
    assert seen.path_qs == "/odata/Jobs/UiPath.Server.Configuration.OData.StartJobs"
    assert seen.header("Content-Type") == ["application/json"]
    assert seen.header("User-Agent")[0].startswith("jobrelay/")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says({"message": "Service unavailable"}, 503), id="503"),
        pytest.param(says(None, 503, Retry_After="1"), id="503 with Retry-After"),
        pytest.param(says({"message": "An error has occurred.", "errorCode": 0}, 500), id="500"),
        pytest.param(says(None, 502), id="502"),
        pytest.param(says(None, 504), id="504"),
        pytest.param(page(524), id="524"),
        pytest.param(says(None, 408), id="408"),
        pytest.param(hangs, id="no answer"),
        pytest.param(resets, id="connection reset"),
        pytest.param(breaks_off, id="answer cut"),
        pytest.param(says(None, 201), id="201 without a body"),
        pytest.param(says({"value": []}, 201), id="201 without jobs"),
        pytest.param(says({"value": [{"Key": "no id"}]}, 201), id="201 with a strange row"),
        pytest.param(page(200), id="web page"),
        pytest.param(says(None, 302, Location="/login"), id="redirect"),
        pytest.param(says(None, 307, Location="/again"), id="redirect that keeps the method"),
    ],
)
async def test_a_lost_answer_is_an_unknown_outcome_and_one_post(
    connect: Connect, server: Server, folder: Folder, answer: Answer
) -> None:
    """Whatever may hide a job that was made is `OutcomeUnknown`, and the POST is not repeated."""
    server.on("StartJobs", answer)
    client = await connect(http_timeout_s=0.3)
    failure = await failure_of(client, folder)
    assert isinstance(failure, OutcomeUnknown)
    assert len([seen for seen in server.seen if seen.operation != "Token"]) == 1


async def test_a_dropped_keep_alive_connection_never_repeats_a_post(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Nor does the HTTP library on its own, when the server drops a connection that was in use before."""
    server.on("StartJobs", OK, resets)
    client = await connect()
    await client.start(folder, START_INFO)
    assert isinstance(await failure_of(client, folder), OutcomeUnknown)
    first, second = server.of("StartJobs")
    assert first.peer == second.peer


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        pytest.param("2", 2, id="seconds"),
        pytest.param("date", 60, id="HTTP-date"),
        pytest.param("99999", 3600, id="beyond belief"),
        pytest.param("soon", None, id="nonsense"),
        pytest.param(None, None, id="absent"),
    ],
)
async def test_429_says_how_long_to_wait_and_is_one_post(
    connect: Connect, server: Server, folder: Folder, retry_after: str | None, expected: float | None
) -> None:
    """Throttled is certainly not executed and no outage; both forms of Retry-After are understood."""
    if retry_after == "date":
        retry_after = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server.on("StartJobs", says(None, 429, **({"Retry_After": retry_after} if retry_after else {})))
    failure = await failure_of(await connect(), folder)
    assert isinstance(failure, Unavailable)
    assert (failure.code, failure.outage) == (Later.THROTTLED, False)
    assert failure.retry_after == (expected and pytest.approx(expected, abs=2))
    assert server.calls["StartJobs"] == 1


async def test_no_connection_is_certainly_not_sent(connect: Connect, folder: Folder) -> None:
    """A refused connection is `Unavailable`, an outage, and names where it went."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        client = await connect(f"http://127.0.0.1:{port}", auth="access_token", access_token="t")
        failure = await failure_of(client, folder)
    assert isinstance(failure, Unavailable)
    assert (failure.code, failure.outage) == (Later.UNREACHABLE, True)
    assert str(port) in failure.detail


async def test_a_connection_that_is_not_taken_in_time_is_certainly_not_sent(
    connect: Connect, folder: Folder
) -> None:
    """The time to connect is told apart from the time for the answer."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        async with crowd(address):
            client = await connect(
                f"http://127.0.0.1:{address[1]}", auth="access_token", access_token="t", http_timeout_s=0.4
            )
            failure = await failure_of(client, folder)
    assert isinstance(failure, Unavailable)
    assert failure.code is Later.UNREACHABLE


@pytest.mark.parametrize("code", [1670, "1678", 1691])
async def test_transient_business_refusals_are_busy(
    connect: Connect, server: Server, folder: Folder, code: Any
) -> None:
    """Pending jobs, no robots, too many jobs: later it may work, and it is no outage."""
    server.on("StartJobs", says({"message": "pending", "errorCode": code}, 409))
    failure = await failure_of(await connect(), folder)
    assert isinstance(failure, Unavailable)
    assert (failure.code, failure.outage) == (Later.BUSY, False)
    assert failure.answer is not None
    assert failure.answer.error_code == int(code)
    assert server.calls["StartJobs"] == 1


@pytest.mark.parametrize(
    ("status", "document", "words"),
    [
        (400, {"message": "A folder is required.", "errorCode": 1101}, "JOBRELAY_FOLDER"),
        (400, {"message": "Folder does not exist", "errorCode": 1100}, "folder exists"),
        (403, {"message": "You are not authorized!", "errorCode": 0}, "OR.Jobs"),
        (404, {"message": "Not found", "errorCode": 1002}, "this folder"),
        (405, {"message": "no"}, "JOBRELAY_ORCHESTRATOR_URL"),
        (409, {"message": "Invalid robot", "errorCode": 1671}, "not of Sessions"),
        (409, {"message": "No machine", "errorCode": 2818}, "machine template"),
        (413, None, "smaller"),
        (422, {"title": "Invalid", "errors": {"startInfo": ["wrong"]}}, "correct"),
        (409, {"message": "never heard of", "errorCode": 98765}, "correct"),
    ],
)
async def test_a_refusal_is_permanent_and_tells_the_remedy(
    connect: Connect, server: Server, folder: Folder, status: int, document: Any, words: str
) -> None:
    """Message, code and trace are forwarded; known codes have a remedy."""
    trace = "00-266fcedb261e5045b3fe9646fc32602c-7de4c5b3f51f8b27-01"
    server.on("StartJobs", says(document and document | {"traceId": trace}, status))
    failure = await failure_of(await connect(), folder)
    assert isinstance(failure, Rejected)
    assert failure.code is Code.ORCHESTRATOR_REFUSED
    assert words in failure.remedy
    assert failure.answer is not None
    assert failure.answer.status == status
    if document:
        assert failure.answer.trace_id == trace
        assert trace in failure.detail
    assert server.calls["StartJobs"] == 1


@pytest.mark.parametrize("status", [404, 405])
async def test_a_web_page_instead_of_the_api_is_an_outage(
    connect: Connect, server: Server, folder: Folder, status: int
) -> None:
    """Nobody's request is rejected because the base URL is wrong."""
    server.on("StartJobs", page(status))
    failure = await failure_of(await connect(), folder)
    assert isinstance(failure, Unavailable)
    assert failure.outage
    assert "JOBRELAY_ORCHESTRATOR_URL" in failure.detail


async def test_as_many_starts_as_are_in_hand_are_under_way(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Invariant 8: no pool of connections stands behind the prefetch."""
    most, arrived, go_on = 64, asyncio.Semaphore(0), asyncio.Event()

    async def together(request: web.Request) -> web.StreamResponse:
        arrived.release()
        await go_on.wait()
        return await OK(request)

    server.on("StartJobs", together)
    client = await connect(concurrency=most, http_timeout_s=20)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for _ in range(most):
            group.create_task(client.start(folder, START_INFO))
        for _ in range(most):
            await arrived.acquire()
        go_on.set()
