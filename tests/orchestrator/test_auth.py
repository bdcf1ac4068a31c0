"""Tokens: four ways to sign in, one request for everybody, renewed in time, no secret shown."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from stub_server import JOB, Server, page, resets, says, settings

from worker.domain.failures import Later, Unavailable
from worker.domain.processes import Folder
from worker.orchestrator import Client
from worker.orchestrator.auth import USER_KEY_URL, grant_of, token_url

Connect = Callable[..., Awaitable[Client]]


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://cloud.uipath.com/acme/Default/orchestrator_", "https://cloud.uipath.com/acme/identity_"),
        ("https://cloud.uipath.com/acme/Default", "https://cloud.uipath.com/acme/identity_"),
        ("https://govcloud.uipath.us/acme/T/orchestrator_", "https://govcloud.uipath.us/acme/identity_"),
        ("https://suite.example.com/acme/T/orchestrator_", "https://suite.example.com/identity_"),
        ("http://127.0.0.1:8123/acme/T/orchestrator_/", "http://127.0.0.1:8123/identity_"),
        ("https://orchestrator.example.com", "https://orchestrator.example.com/identity"),
        ("https://example.com/some/path", "https://example.com/identity"),
        ("https://notuipath.com/acme/T", "https://notuipath.com/identity"),
    ],
)
def test_the_token_endpoint_follows_from_the_base(base: str, expected: str) -> None:
    """Cloud: below the organisation; Automation Suite: identity_ at the root; standalone: identity."""
    assert token_url(base) == f"{expected}/connect/token"


async def test_client_credentials_ask_with_a_form(connect: Connect, server: Server, folder: Folder) -> None:
    """As RFC 6749 has it; characters that mean something in a form are escaped."""
    client = await connect(client_secret="a+b&c=d é", scope="OR.Jobs OR.Execution.Read")
    await client.start(folder, {})
    (asked,) = server.of("Token")
    assert asked.path_qs == "/identity/connect/token"
    assert asked.header("Content-Type") == ["application/x-www-form-urlencoded"]
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["the-client"],
        "client_secret": ["a+b&c=d é"],
        "scope": ["OR.Jobs OR.Execution.Read"],
    }
    assert asked.header("Authorization") == []


async def test_a_user_key_asks_with_json(connect: Connect, server: Server, folder: Folder) -> None:
    """The seeds' way: a refresh_token grant in JSON, at account.uipath.com by default."""
    more: dict[str, Any] = {"auth": "user_key", "user_key": "test-user-key"}
    assert grant_of(settings(server.url, **more)).url == USER_KEY_URL
    client = await connect(token_url=f"{server.url}/oauth/token", **more)
    await client.start(folder, {})
    (asked,) = server.of("Token")
    assert json.loads(asked.body) == {
        "grant_type": "refresh_token",
        "client_id": "the-client",
        "refresh_token": "test-user-key",
    }


async def test_a_password_asks_orchestrator_itself(connect: Connect, server: Server, folder: Folder) -> None:
    """On-premises: /api/Account/Authenticate, answered in ABP's envelope."""
    server.on("Token", says({"result": "abp-token", "success": True, "error": None, "__abp": True}))
    client = await connect(auth="password", username="admin", password="qwe123!Q", tenant="acme")
    await client.start(folder, {})
    (asked,) = server.of("Token")
    assert asked.path_qs == "/api/Account/Authenticate"
    assert json.loads(asked.body) == {
        "tenancyName": "acme",
        "usernameOrEmailAddress": "admin",
        "password": "qwe123!Q",
    }
    assert server.of("StartJobs")[0].header("Authorization") == ["Bearer abp-token"]


async def test_a_personal_access_token_is_sent_as_it_is(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """No token is asked for; when it is refused, nothing can be renewed: one call, and the setting's name."""
    client = await connect(auth="access_token", access_token="rt_secret")
    assert client.status().token_ok
    await client.start(folder, {})
    assert server.of("StartJobs")[0].header("Authorization") == ["Bearer rt_secret"]
    server.on("StartJobs", says(None, 401))
    with pytest.raises(Unavailable) as raised:
        await client.start(folder, {})
    assert (raised.value.code, raised.value.outage) == (Later.CREDENTIALS_REFUSED, True)
    assert "JOBRELAY_ACCESS_TOKEN" in raised.value.detail
    assert "rt_secret" not in raised.value.detail
    assert server.calls == {"StartJobs": 2}
    server.on("StartJobs", says({"value": [JOB]}, 201))
    await client.start(folder, {})
    assert client.status().token_ok


@pytest.mark.parametrize(
    ("answer", "more", "words"),
    [
        (
            says({"error": "invalid_client", "error_description": "unknown s3cr3t-for-tests"}, 400),
            {},
            ["invalid_client", "unknown ***", "JOBRELAY_CLIENT_ID and JOBRELAY_CLIENT_SECRET"],
        ),
        (says({"error": "invalid_scope"}, 400), {}, ["invalid_scope", "JOBRELAY_SCOPE"]),
        (
            says({"error": "invalid_grant", "error_description": "expired"}, 403),
            {"auth": "user_key", "user_key": "k3y", "token_url": "SERVER/oauth/token"},
            ["invalid_grant expired", "JOBRELAY_USER_KEY"],
        ),
        (
            says(
                {"success": False, "error": {"code": 1000, "message": "Invalid password."}, "__abp": True},
                500,
            ),
            {"auth": "password", "username": "admin", "password": "p4ss"},
            ["Invalid password.", "JOBRELAY_PASSWORD"],
        ),
        (page(200), {}, ["no token endpoint", "JOBRELAY_TOKEN_URL"]),
        (page(404), {}, ["no token endpoint", "JOBRELAY_TOKEN_URL"]),
        (says({"strange": 1}), {}, ["JOBRELAY_CLIENT_ID"]),
    ],
)
async def test_refused_credentials_are_an_outage_that_names_the_setting(
    connect: Connect, server: Server, folder: Folder, answer: Any, more: dict[str, Any], words: list[str]
) -> None:
    """The endpoint's own words, the setting to look at, never the secret; Orchestrator is not asked."""
    server.on("Token", answer)
    client = await connect(**{k: v.replace("SERVER", server.url) for k, v in more.items()})
    with pytest.raises(Unavailable) as raised:
        await client.start(folder, {})
    assert (raised.value.code, raised.value.outage) == (Later.CREDENTIALS_REFUSED, True)
    for word in words:
        assert word in raised.value.detail
    assert not any(secret in raised.value.detail for secret in ("s3cr3t", "k3y", "p4ss"))
    assert client.status().token_reason == raised.value.detail
    assert server.calls == {"Token": 1}


async def test_refused_credentials_are_not_hammered(connect: Connect, server: Server, folder: Folder) -> None:
    """A hundred callers, one request: a wrong password sent over and over locks the account."""
    server.on("Token", says({"error": "invalid_client"}, 400))
    client = await connect(concurrency=100)
    results = await asyncio.gather(*(client.start(folder, {}) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    with pytest.raises(Unavailable):
        await client.start(folder, {})
    assert server.calls["Token"] == 1


async def test_a_token_endpoint_in_trouble_is_tried_again(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Asking for a token twice does no harm."""
    good = says({"access_token": "t", "expires_in": 60})
    server.on("Token", resets, says(None, 503), good)
    client = await connect()
    await client.start(folder, {})
    assert server.calls["StartJobs"] == 1


async def test_no_secret_is_shown(
    connect: Connect, server: Server, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a log line of any library, nor in a repr."""
    caplog.set_level(logging.DEBUG)
    client = await connect()
    await client.start(folder, {})
    shown = f"{caplog.text} {client!r} {client._auth._token!r} {client._auth._grant!r} {client._start!r}"
    assert "a-token" not in shown
    assert "s3cr3t" not in shown
