"""StartJobs: the two refusals after which it may be sent again, and what goes with every start."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from stub_server import JOB, START_INFO, Held, Server, failure_of, says

from worker.domain.failures import Later, Rejected, Unavailable
from worker.domain.processes import Folder
from worker.orchestrator import Client

Connect = Callable[..., Awaitable[Client]]
OK = says({"value": [JOB]}, 201)


async def test_401_renews_the_token_once_and_replays_once(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """A refused token is replaced: two POSTs, of which one was looked at, and two tokens."""
    tokens = [says({"access_token": name, "expires_in": 3600}) for name in ("first", "second")]
    server.on("Token", *tokens)
    server.on("StartJobs", says(None, 401), OK)
    client = await connect()
    assert len(await client.start(folder, START_INFO)) == 1
    sent = [seen.header("Authorization") for seen in server.of("StartJobs")]
    assert sent == [["Bearer first"], ["Bearer second"]]
    assert server.calls["Token"] == 2


async def test_401_twice_is_an_outage_of_credentials(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Nothing is rejected for it, and the settings to look at are named."""
    server.on("StartJobs", says({"message": "You are not authenticated!", "errorCode": 0}, 401))
    client = await connect()
    failure = await failure_of(client, folder)
    assert isinstance(failure, Unavailable)
    assert (failure.code, failure.outage) == (Later.CREDENTIALS_REFUSED, True)
    assert "You are not authenticated!" in failure.detail
    assert "JOBRELAY_TENANT" in failure.detail
    assert server.calls["StartJobs"] == 2
    assert not client.status().token_ok


async def test_an_empty_400_is_tried_once_more_over_a_new_connection(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """The seeds' "400 after the first success": a fresh connection cures it, and it is sent twice at most."""
    server.on("StartJobs", OK, says(None, 400), OK)
    client = await connect()
    await client.start(folder, START_INFO)
    assert len(await client.start(folder, START_INFO)) == 1
    before, refused, after = (seen.peer for seen in server.of("StartJobs"))
    assert before == refused != after


async def test_an_empty_400_twice_is_diagnosed(connect: Connect, server: Server, folder: Folder) -> None:
    """Two in a row are a refusal with the diagnosis that the seeds lacked."""
    server.on("StartJobs", says(None, 400))
    failure = await failure_of(await connect(), folder)
    assert isinstance(failure, Rejected)
    assert "antiforgery/cookie" in failure.detail
    assert server.calls["StartJobs"] == 2


async def test_renewing_the_connection_leaves_calls_under_way_alone(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Another's empty 400 does not cut a start that waits for its answer."""
    held = Held(OK)
    server.on("StartJobs", held, says(None, 400), OK)
    client = await connect()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(client.start(folder, START_INFO))
        await asyncio.wait_for(held.arrived.wait(), 5)
        await client.start(folder, START_INFO)
        held.go_on.set()
    assert len(waiting.result()) == 1


async def test_no_cookie_is_ever_sent(connect: Connect, server: Server, folder: Folder) -> None:
    """Although every answer sets one, token endpoint included."""
    cookie: dict[str, Any] = {"Set_Cookie": "XSRF-TOKEN-S=abc; Path=/"}
    server.on("Token", says({"access_token": "t", "expires_in": 3600}, **cookie))
    server.on("StartJobs", says({"value": [JOB]}, 201, **cookie))
    server.on("Releases", says({"value": []}, **cookie))
    client = await connect()
    for _ in range(3):
        await client.start(folder, START_INFO)
        await client.processes(folder)
    assert [seen.header("Cookie") for seen in server.seen] == [[]] * len(server.seen)


async def test_exactly_one_folder_header_goes_with_every_start(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """The id, whatever the request said; a missing or second header would pick another folder."""
    client = await connect(tenant="DefaultTenant")
    await client.start(folder, START_INFO)
    (seen,) = server.of("StartJobs")
    about_folder = [item for item in seen.headers if "folder" in item[0].lower() or "unit" in item[0].lower()]
    assert about_folder == [("X-UIPATH-OrganizationUnitId", "101")]
    assert seen.header("X-UIPATH-TenantName") == ["DefaultTenant"]


async def test_no_cookie_comes_back(connect: Connect, server: Server, folder: Folder) -> None:
    """Invariant 9, at a host with a name: from an address alone the HTTP library takes none anyway."""
    client = await connect(server.url.replace("127.0.0.1", "localhost"))
    server.on("StartJobs", says({"value": [JOB]}, 201, Set_Cookie="XSRF-TOKEN=abc; Path=/"))
    for _ in range(2):
        await client.start(folder, START_INFO)
    assert [seen.header("Cookie") for seen in server.seen] == [[]] * len(server.seen)
