"""GETs: tried again where that helps, and named for what they are where it does not."""

import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from stub_server import JOB, Answer, Server, breaks_off, hangs, page, resets, rows, says

from worker.domain.failures import Later, Rejected, Unavailable
from worker.domain.processes import Folder
from worker.orchestrator import Client

Connect = Callable[..., Awaitable[Client]]
RELEASE = {"Id": 1, "Key": "k", "Name": "Invoices", "ProcessKey": "Invoices.Package"}


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(says(None, 503), id="503"),
        pytest.param(says(None, 503, Retry_After="0"), id="503 with Retry-After"),
        pytest.param(says(None, 500), id="500"),
        pytest.param(says(None, 429, Retry_After="0"), id="429"),
        pytest.param(hangs, id="no answer"),
        pytest.param(resets, id="reset"),
        pytest.param(breaks_off, id="answer cut"),
    ],
)
async def test_a_passing_trouble_is_not_felt(
    connect: Connect, server: Server, folder: Folder, trouble: Answer
) -> None:
    """A call that changes nothing is tried again, within HTTP_TIMEOUT_S."""
    server.on("Releases", trouble, rows(RELEASE))
    client = await connect(http_timeout_s=0.8)
    (process,) = await client.processes(folder)
    assert process.name == "Invoices"
    assert server.calls["Releases"] >= 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(says({"message": "down"}, 503), Later.FAILING, id="503"),
        pytest.param(hangs, Later.UNREACHABLE, id="no answer"),
        pytest.param(resets, Later.UNREACHABLE, id="reset"),
        pytest.param(says([]), Later.FAILING, id="not an object"),
        pytest.param(says({"values": []}), Later.FAILING, id="not a list"),
        pytest.param(rows({"Name": "no id"}), Later.FAILING, id="strange row"),
    ],
)
async def test_a_lasting_trouble_is_an_outage(
    connect: Connect, server: Server, folder: Folder, answer: Answer, code: Later
) -> None:
    """After a few tries: `Unavailable`, told to be the whole server's, and seen in the status."""
    server.on("Releases", answer)
    client = await connect(http_timeout_s=0.3)
    with pytest.raises(Unavailable) as raised:
        await client.processes(folder)
    assert (raised.value.code, raised.value.outage) == (code, True)
    assert raised.value.sent is (code is Later.UNREACHABLE), "an answer that is lost was asked for"
    assert server.calls["Releases"] <= 8  # four tries; the HTTP library repeats a GET once by itself
    reach = client.status()
    assert (reach.token_ok, reach.reachable) == (True, False)
    assert reach.reason


async def test_no_connection_is_an_outage(connect: Connect, folder: Folder) -> None:
    """Nobody listens: `Unavailable`, after a few tries."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        client = await connect(url, auth="access_token", access_token="t", http_timeout_s=0.3)
        with pytest.raises(Unavailable) as raised:
            await client.processes(folder)
    assert (raised.value.code, raised.value.outage, raised.value.sent) == (Later.UNREACHABLE, True, False)


async def test_a_long_retry_after_is_handed_on(connect: Connect, server: Server, folder: Folder) -> None:
    """No caller is kept waiting for a minute in here: the pipeline decides; throttling is no outage."""
    server.on("Releases", says({"message": "slow down"}, 429, Retry_After="60"))
    client = await connect()
    with pytest.raises(Unavailable) as raised:
        await client.processes(folder)
    assert (raised.value.code, raised.value.outage) == (Later.THROTTLED, False)
    assert raised.value.retry_after == 60
    assert server.calls["Releases"] == 1


@pytest.mark.parametrize(
    "answer", [page(200), page(404), page(405), says(None, 302, Location="https://elsewhere/login?x=y")]
)
async def test_a_web_page_names_the_base_url(
    connect: Connect, server: Server, folder: Folder, answer: Answer
) -> None:
    """The seeds' wrong base URL: the setting is named, and what it should look like."""
    server.on("Releases", answer)
    client = await connect()
    with pytest.raises(Unavailable) as raised:
        await client.processes(folder)
    assert raised.value.outage
    assert "JOBRELAY_ORCHESTRATOR_URL" in raised.value.detail
    assert "orchestrator_" in raised.value.detail
    assert "x=y" not in raised.value.detail
    assert server.calls["Releases"] == 1


async def test_a_refusal_is_not_tried_again(connect: Connect, server: Server, folder: Folder) -> None:
    """403 is permanent and tells of scopes and roles."""
    server.on("Releases", says({"message": "You are not authorized!", "errorCode": 0}, 403))
    client = await connect()
    with pytest.raises(Rejected) as raised:
        await client.processes(folder)
    assert "OR.Execution.Read" in raised.value.remedy
    assert "role" in raised.value.remedy
    assert server.calls["Releases"] == 1


async def test_the_api_version_is_the_highest_that_is_offered(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Read from every answer, as a number: 9.1 is older than 11.0."""
    server.on("Releases", says({"value": []}, api_supported_versions="9.1, 11.0,  20.0"))
    client = await connect()
    assert client.api_version is None
    await client.processes(folder)
    assert client.api_version == 20


async def test_the_status_tells_token_and_server(connect: Connect, server: Server, folder: Folder) -> None:
    """Nothing is claimed before the first call; all is well after a good one."""
    client = await connect()
    assert (client.status().token_ok, client.status().reachable) == (False, False)
    await client.start(folder, {})
    reach = client.status()
    assert (reach.token_ok, reach.token_reason, reach.reachable, reach.reason) == (True, None, True, None)


@pytest.mark.parametrize(
    ("text", "output"),
    [('{"sum":150}', {"sum": 150}), ("{}", {}), ("not JSON", "not JSON"), ("", None), (None, None)],
)
async def test_a_job_is_read_with_its_output(
    connect: Connect, server: Server, text: str | None, output: Any
) -> None:
    """OutputArguments is JSON in a string; what is no JSON is kept as text."""
    error = {"code": "E1", "title": "Bad", "detail": "Very", "category": "User", "timestamp": "2026"}
    server.on(
        "JobById",
        says(
            JOB
            | {"State": "Faulted", "OutputArguments": text, "JobError": error, "OrganizationUnitId": 101}
            | {"Robot": {"Id": 7, "Name": "robot-a"}, "ResumeVersion": None}
        ),
    )
    client = await connect()
    job = await client.job(101, 9001)
    assert job is not None
    assert (job.output, job.robot_id, job.robot_name) == (output, 7, "robot-a")
    assert job.error == {"code": "E1", "title": "Bad", "detail": "Very", "category": "User", "status": None}
    assert (job.terminal, job.folder_id, job.resume_version) == (True, 101, 0)
    (seen,) = server.of("JobById")
    assert seen.path_qs == "/odata/Jobs(9001)?$expand=Robot"
    assert seen.header("X-UIPATH-OrganizationUnitId") == ["101"]


async def test_a_job_that_is_gone_is_none(connect: Connect, server: Server) -> None:
    """404 is an answer, not a failure."""
    server.on("JobById", says({"message": "no such job", "errorCode": 1002}, 404))
    client = await connect()
    assert await client.job(101, 1) is None


async def test_an_attachment_goes_to_storage_without_our_token(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """The bearer token is for Orchestrator; a storage gets the headers that it was promised."""
    server.on("Attachments", says(attachment(f"{server.url}/blob%20store/1?sig=a%2Bb"), 201))
    server.on("/blob store/1", says(None, 201))
    client = await connect(tenant="T")
    assert await client.attach(folder, "input.json", b"content") == "0f7c0b1e-0000-4000-8000-000000000001"
    created, stored = server.of("Attachments") + server.of("/blob store/1")
    assert json.loads(created.body) == {"Name": "input.json"}
    assert created.header("X-UIPATH-OrganizationUnitId") == ["101"]
    assert (stored.method, stored.body) == ("PUT", b"content")
    assert stored.path_qs.endswith("?sig=a%2Bb")
    assert stored.header("x-ms-blob-type") == ["BlockBlob"]
    assert stored.header("Authorization") == stored.header("X-UIPATH-TenantName") == []


async def test_an_attachment_goes_to_orchestrator_with_the_token(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Where RequiresAuth says so."""
    server.on("Attachments", says(attachment(f"{server.url}/own", RequiresAuth=True), 201))
    server.on("/own", says(None, 200))
    client = await connect()
    await client.attach(folder, "input.json", b"content")
    (stored,) = server.of("/own")
    assert stored.header("Authorization") == ["Bearer a-token"]
    assert stored.body == b"content"


async def test_a_storage_that_refuses_is_told(connect: Connect, server: Server, folder: Folder) -> None:
    """No id is given for content that is nowhere."""
    server.on("Attachments", says(attachment(f"{server.url}/blob"), 201))
    client = await connect()
    with pytest.raises(Rejected):
        await client.attach(folder, "input.json", b"content")


def attachment(uri: str, **more: Any) -> dict[str, Any]:
    """A new attachment as API 20 answers it."""
    headers = {"Keys": ["x-ms-blob-type"], "Values": ["BlockBlob"]}
    access = {"Uri": uri, "Verb": "PUT", "RequiresAuth": False, "Headers": headers} | more
    return {"Id": "0f7c0b1e-0000-4000-8000-000000000001", "BlobFileAccess": access}


@pytest.mark.parametrize("empty", [1, 2], ids=["once", "twice"])
async def test_an_empty_400_is_the_fault_of_nobody_who_asked(
    connect: Connect, server: Server, folder: Folder, empty: int
) -> None:
    """It passes with a new connection; where it stays, what was asked for is unknown rather than wrong."""
    server.on("Releases", *[says(None, 400)] * empty, rows(RELEASE))
    client = await connect()
    if empty == 1:
        assert await client.processes(folder)
    else:
        with pytest.raises(Unavailable, match="empty 400") as trouble:
            await client.processes(folder)
        assert not trouble.value.outage
    assert server.calls["Releases"] == 2
