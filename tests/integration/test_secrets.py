"""A secret is planted in every setting that is one, and looked for in all that is ever written."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from aiohttp import web
from authority import Authority
from pydantic import SecretStr
from simulated import Simulated
from station import station
from tenant import CLIENT_ID, SEED, request
from typed import typed
from working import QUICK, Working, until

from worker.settings import Settings

PLANTED = {
    "CLIENT_SECRET": "pl4nted+client/secret=1",
    "ACCESS_TOKEN": "pl4nted-access-token-2",
    "USER_KEY": "pl4nted-user-key-3",
    "PASSWORD": "pl4nted&password=4",
    "WEBHOOK_SECRET": "pl4nted-webhook-5",
    "WEBHOOK_SECRET_PREVIOUS": "pl4nted-webhook-6",
    "AMQP_URL": "amqp://someone:pl4nted-amqp-7@127.0.0.1:1/",
    "REDIS_URL": "redis://someone:pl4nted-redis-8@127.0.0.1:1/0",
    "AUDIT_DATABASE_URL": "postgresql://someone:pl4nted-audit-9@127.0.0.1:1/audit",
}
_MARK = "pl4nted"
_SERVERS = ("AMQP_URL", "REDIS_URL")
_REFUSING = {"operation": "StartJobs", "do": "status", "status": 409, "times": 1, "code": 1671}
_SCOPE = "OR.Jobs OR.Execution OR.Folders OR.Robots OR.Machines"
_SIGNED_IN = {"CLIENT_ID": "an-application", "USERNAME": "somebody", "TENANT": "acme"}


def assert_unseen(text: str, *more: str) -> None:
    """No planted secret is in *text*, as it is or as forms have it."""
    for secret in (_MARK, *more, *(quote_plus(secret) for secret in more)):
        at = text.find(secret)
        assert at < 0, f"a secret is shown: …{text[max(0, at - 200) : at + 60]}…"


async def output_of(*arguments: str, lines: int | None = None, **settings: Any) -> str:
    """All that `jobrelay ARGUMENTS` writes, with everything planted: to its end, or for some *lines*."""
    _, text = await typed({**QUICK, **PLANTED, **settings}, *arguments, lines=lines)
    return text


def served(worker: Working) -> str:
    """What its pages say."""
    texts = []
    for page in ("/", "/readyz", "/livez", "/metrics", "/nothing"):
        try:
            with urllib.request.urlopen(worker.url + page, timeout=5) as answer:  # noqa: S310 - ours
                texts.append(answer.read().decode())
        except urllib.error.HTTPError as refused:
            with refused:
                texts.append(refused.read().decode())
    return "\n".join(texts)


def test_every_secret_is_planted() -> None:
    """A new setting that is a secret has to be looked for too; and none is in the settings' own text."""
    secret = {name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field)}
    assert secret == set(PLANTED)
    settings = Settings.model_validate({name.lower(): value for name, value in PLANTED.items()})
    assert all(isinstance(getattr(settings, name.lower()), SecretStr) for name in PLANTED)
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert_unseen(shown)


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("auth", ["client_credentials", "access_token", "user_key", "password"])
async def test_nothing_is_shown_where_nothing_can_be_reached(auth: str, form: str) -> None:
    """A worker at debug level without broker, Redis and Orchestrator; and the doctor that looks at them."""
    settings: dict[str, Any] = {**_SIGNED_IN, "AUTH": auth, "LOG_LEVEL": "debug", "LOG_FORMAT": form}
    settings |= {"ORCHESTRATOR_URL": "http://127.0.0.1:1", "TOKEN_URL": "http://127.0.0.1:1/token"}
    assert_unseen(await output_of("run", lines=21, **settings))
    if form == "json":
        assert_unseen(await output_of("check", **settings))


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("run", "--help"), ("topology", "declare"), ("dead", "list"), ("start", "X"), ("run",)],
    ids=str,
)
async def test_no_command_shows_one(arguments: tuple[str, ...]) -> None:
    """Helps, and commands that fail. The last one lacks a setting."""
    assert_unseen(await output_of(*arguments))


@pytest.mark.parametrize("wrong", ["HTTP_PORT", "PREFIX", "AMQP_URL", "REDIS_URL", "CONCURRENCY"])
async def test_a_setting_that_is_wrong_does_not_show_what_it_is(wrong: str) -> None:
    """A secret in the wrong place is one still."""
    wrongly: dict[str, Any] = {**_SIGNED_IN, wrong: f"{_MARK} in the wrong place"}
    text = await output_of("run", ORCHESTRATOR_URL="http://h", **wrongly)
    assert f"JOBRELAY_{wrong}" in text
    assert_unseen(text)


async def test_a_private_key_is_not_shown(tmp_path: Path) -> None:
    """Not where it is taken for a certificate either."""
    _, key = Authority(tmp_path / "own").issue("worker", "worker@jobrelay")
    lines = Path(key).read_text().splitlines()[1:-1]  # noqa: ASYNC240 - nobody waits
    url = "amqps://someone:pl4nted-7@127.0.0.1:1/"
    for name in ("AMQP_CA_FILE", "AMQP_CERT_FILE", "AMQP_KEY_FILE"):
        text = await output_of("topology", "declare", AMQP_URL=url, **dict[str, Any]({name: key}))
        assert_unseen(text, *lines)


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that refuses everything and says back all that it was sent, and what that was."""
    heard: list[str] = []

    async def echo(asked: web.BaseRequest) -> web.StreamResponse:
        body = await asked.text()
        said = f"{asked.headers.get('Authorization', '')} {body}"
        heard.append(said)
        document = {"error": "invalid_client", "error_description": said, "message": said, "errorCode": 1}
        return web.json_response(document, status=400 if "oken" in asked.path else 403)

    runner = web.ServerRunner(web.Server(echo), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", heard
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("auth", ["client_credentials", "access_token", "user_key", "password"])
async def test_a_server_that_says_a_secret_back_is_not_quoted(
    auth: str, amqp_url: str, prefix: str, tmp_path: Path
) -> None:
    """Neither in the log nor on the pages, nor in what becomes of a request."""
    async with echoing() as (url, heard), station(amqp_url, prefix) as here:
        planted = {name: value for name, value in PLANTED.items() if name not in _SERVERS}
        settings = {**planted, **_SIGNED_IN, "AMQP_URL": amqp_url, "PREFIX": prefix, "AUTH": auth}
        settings |= {"ORCHESTRATOR_URL": url, "TOKEN_URL": f"{url}/token", "LOG_LEVEL": "debug"}
        with Working(tmp_path / "worker.log", **settings) as worker:
            await worker.health(lambda _: True)
            name = await here.ask(request())
            await until(lambda: any(_MARK in one for one in heard), lambda: f"it is asked: {heard}")
            await until(lambda: worker.mentions("***"), lambda: f"it tells of it: {worker.last_words()}")
            pages = await asyncio.to_thread(served, worker)
        told = "".join(map(str, (*here.heard(name), *here.letters)))
        assert_unseen(pages + told + worker.log.read_text(), *planted.values())


async def test_a_worker_at_work_shows_none(amqp_url: str, prefix: str, tmp_path: Path) -> None:
    """Started, rejected and failed requests: events, dead letters, pages, and the log at debug level."""
    planted = {name: value for name, value in PLANTED.items() if name not in _SERVERS}
    settings = {**planted, "AMQP_URL": amqp_url, "PREFIX": prefix, "LOG_LEVEL": "debug"}
    with Simulated() as simulator:
        client = {"id": CLIENT_ID, "secret": PLANTED["CLIENT_SECRET"], "scope": _SCOPE}
        simulator.seed(SEED | {"identity": {"clients": [client]}})
        settings["ORCHESTRATOR_URL"] = simulator.onprem
        async with station(amqp_url, prefix) as here:
            with Working(tmp_path / "worker.log", **settings) as worker:
                await worker.ready()
                asked = [await here.ask(request()), await here.ask(request(process={"x": "None"}))]
                outcomes = await here.outcomes(asked)
                simulator.faults([_REFUSING])
                asked.append(await here.ask(request()))
                outcomes = await here.outcomes(asked)
                pages = await asyncio.to_thread(served, worker)
            told = "".join(f"{one.message.body!r}{one.message.headers}" for one in here.letters)
            told += "".join(repr(one.message.body) for events in outcomes.values() for one in events)
    assert {events[0].key for events in outcomes.values()} == {"job.created", "request.rejected"}
    assert_unseen(pages + told + worker.log.read_text(), *planted.values())
