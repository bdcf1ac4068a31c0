"""Answers without an end, with our secrets in them, with numbers beyond all bounds: none does harm."""

import gzip
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote_plus

import orjson
import pytest
from aiohttp import web
from stub_server import JOB, START_INFO, Answer, Server, failure_of, says

from worker.domain.failures import OutcomeUnknown, Unavailable
from worker.domain.processes import Folder
from worker.domain.requests import FolderRef
from worker.orchestrator import Client
from worker.orchestrator.http import content
from worker.orchestrator.http.content import MOST_BYTES

Connect = Callable[..., Awaitable[Client]]
SECRET = "s3cr3t-for-tests"


def packed(body: bytes, packing: str = "gzip") -> Answer:
    """An answer that is packed already."""

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": packing, "Content-Type": "application/json"}
        return web.Response(status=201, body=body, headers=headers)

    return answer


class Endless:
    """An answer that goes on until nobody listens any more."""

    def __init__(self) -> None:
        self.sent = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201)
        await response.prepare(request)
        while True:
            await response.write(b" " * 2**20)
            self.sent += 2**20


BOMB = gzip.compress(bytes(MOST_BYTES + 1), 1)


async def test_a_bomb_is_an_unknown_outcome(connect: Connect, server: Server, folder: Folder) -> None:
    """It is not unpacked beyond the bound; in a look-up it proves nothing."""
    server.on("StartJobs", packed(BOMB))
    server.on("JobsList", packed(BOMB))
    client = await connect(http_timeout_s=5)
    failure = await failure_of(client, folder)
    assert isinstance(failure, OutcomeUnknown)
    assert "unpacked" in failure.detail
    with pytest.raises(Unavailable, match="unpacked"):
        await client.find(folder, "jobrelay:inc-1", None)


async def test_an_answer_without_end_is_an_unknown_outcome(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """The connection is closed once the bound is passed, long before the time is over."""
    endless = Endless()
    server.on("StartJobs", endless)
    failure = await failure_of(await connect(http_timeout_s=20), folder)
    assert isinstance(failure, OutcomeUnknown)
    assert f"longer than {MOST_BYTES}" in failure.detail
    assert endless.sent < 2 * MOST_BYTES


def test_no_more_is_unpacked_than_may_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory goes with the bound, not with the bomb."""
    monkeypatch.setattr(content, "MOST_BYTES", 2**20)
    bomb = gzip.compress(bytes(16 * 2**20), 1)
    tracemalloc.start()
    try:
        with pytest.raises(content.Unreadable):
            content.unpacked(bomb, "gzip")
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packing", ["gzip", "deflate", "identity"])
async def test_a_packed_answer_is_read(
    connect: Connect, server: Server, folder: Folder, packing: str
) -> None:
    """In the ways that HTTP has had for ever; gzip is what we ask for."""
    body = orjson.dumps({"value": [JOB]})
    pack: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
    server.on("StartJobs", packed(pack.get(packing, bytes)(body), packing))
    assert len(await (await connect()).start(folder, START_INFO)) == 1
    assert server.of("StartJobs")[0].header("Accept-Encoding") == ["gzip"]


@pytest.mark.parametrize(
    ("body", "packing"),
    [(gzip.compress(b"{}")[:-1], "gzip"), (b"{}", "gzip"), (b"{}", "br")],
    ids=["cut", "not packed", "unknown"],
)
async def test_an_answer_that_cannot_be_unpacked_is_an_unknown_outcome(
    connect: Connect, server: Server, folder: Folder, body: bytes, packing: str
) -> None:
    """As every answer that cannot be read."""
    server.on("StartJobs", packed(body, packing))
    assert isinstance(await failure_of(await connect(), folder), OutcomeUnknown)


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_no_secret_that_a_server_echoes_is_passed_on(
    connect: Connect, server: Server, folder: Folder, status: int
) -> None:
    """Neither the token nor a configured secret, in no field, not cut in two, in no detail."""
    echo = f"bad header 'Authorization: Bearer a-token', {SECRET}, "
    echo = echo.ljust(995, "x") + "a-token-and-more"  # a cut at 1,000 would leave most of it
    server.on("StartJobs", says({"message": echo, "traceId": f"a-token-{SECRET}" + "x" * 200}, status))
    failure = await failure_of(await connect(), folder)
    assert "Bearer ***', ***," in failure.detail
    answer = getattr(failure, "answer", None)
    if answer is not None:
        assert len(answer.message) <= 1000
        assert len(answer.trace_id) <= 128
    assert not any(secret in f"{failure.detail}{answer}" for secret in ("a-tok", SECRET))


async def test_a_redirect_or_a_strange_row_tells_no_secret(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Addresses and the words of our own parsers may repeat what came."""
    client = await connect()
    for answer in (
        says(None, 302, Location=f"https://elsewhere/{SECRET}"),
        says({"value": [{"Id": SECRET, "Key": "k", "Name": "P"}]}),
    ):
        server.on("Releases", answer)
        with pytest.raises(Unavailable) as raised:
            await client.processes(folder, fresh=True)
        assert "***" in raised.value.detail
        assert SECRET not in raised.value.detail


async def test_a_token_that_no_header_can_carry_names_its_endpoint(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """The settings are right: they were refused at the start if they could not be sent."""
    server.on("Token", says({"access_token": "a\nb", "expires_in": 3600}))
    failure = await failure_of(await connect(), folder)
    assert isinstance(failure, Unavailable)
    assert "/connect/token gave a token" in failure.detail


async def test_the_token_goes_to_no_other_host(connect: Connect, server: Server, folder: Folder) -> None:
    """Even where an attachment's answer asks for it."""
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    access = {"Uri": f"{elsewhere}/blob", "Verb": "PUT", "RequiresAuth": True}
    server.on("Attachments", says({"Id": "1", "BlobFileAccess": access}, 201))
    server.on("/blob", says(None, 201))
    await (await connect()).attach(folder, "input.json", b"content")
    (stored,) = server.of("/blob")
    assert stored.header("Authorization") == []


@pytest.mark.parametrize(
    "access",
    [
        {"Uri": "/relative"}, {"Uri": "http://[/"}, {"Uri": 7},
        {"Uri": "http://127.0.0.1:1/", "Verb": 7}, {"Uri": "http://127.0.0.1:1/", "Headers": "x"},
        {"Uri": "http://127.0.0.1:1/", "Headers": {"Keys": 1}},
    ],
    ids=repr,
)  # fmt: skip
async def test_an_attachment_without_a_proper_place_is_unreadable(
    connect: Connect, server: Server, folder: Folder, access: dict[str, Any]
) -> None:
    """Told as such, and nothing is sent there."""
    server.on("Attachments", says({"Id": "1", "BlobFileAccess": access}, 201))
    with pytest.raises(Unavailable, match="cannot be read"):
        await (await connect()).attach(folder, "input.json", b"content")


async def test_storage_that_cannot_be_reached_is_no_outage(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """It is not Orchestrator: who needs none of it goes on."""
    server.on("Attachments", says({"Id": "1", "BlobFileAccess": {"Uri": "http://127.0.0.1:1/"}}, 201))
    client = await connect(http_timeout_s=0.3)
    with pytest.raises(Unavailable, match="no connection") as raised:
        await client.attach(folder, "input.json", b"content")
    assert not raised.value.outage


async def test_a_form_that_is_echoed_tells_no_secret(connect: Connect, server: Server) -> None:
    """A proxy may quote what it got: there a secret stands as a form encodes it."""
    odd = "s3cr3t/for+forms=&%"
    server.on("Token", says({"error": "bad", "error_description": f"client_secret={quote_plus(odd)}"}, 400))
    with pytest.raises(Unavailable) as raised:
        await (await connect(client_secret=odd)).folder(FolderRef(path="Shared"))
    assert "client_secret=***" in raised.value.detail
