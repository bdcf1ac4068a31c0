"""The ledger in Redis: clocks that differ, expiry, keys of others, lost data, TLS, and what stays secret."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from replicas import MINE, OTHERS, new_prefix, operator, replica, same
from structlog.testing import capture_logs

from simulator.rabbitmq.loopback import free_ports
from simulator.redis import PrivateRedis
from worker.app import Worker
from worker.cli.check.ledger import findings_of, ledger
from worker.domain.requests import LIFE
from worker.ledger.step import Away
from worker.ledger.store import Store
from worker.settings import Settings, SettingsError

pytestmark = pytest.mark.requires("redis-server")
_HOUR_MS = 3600 * 1000
_WEEK_MS = 7 * 24 * _HOUR_MS


def _off_by(seconds: float) -> Callable[[], float]:
    return lambda: time.time() + seconds


async def test_clocks_of_replicas_may_differ_by_hours(redis_server: PrivateRedis) -> None:
    """Each reads by its own clock how long an entry is unsafe, and nobody takes it over before that."""
    prefix, url = new_prefix(), redis_server.url
    early, late = _off_by(-7200), _off_by(7200)
    async with replica(url, prefix, early) as one, replica(url, prefix, late) as other:
        await one.ledger.claim("r", replace(OTHERS, safe_at=early() + 60), over=None)
        mine = replace(MINE, safe_at=late() + 60)
        stands = await other.ledger.claim("r", mine, over="other")
        assert stands is not None
        assert 58 < stands.safe_at - late() <= 61
        await one.ledger.claim("r", replace(OTHERS, safe_at=early() - 1), over=None)
        assert await other.ledger.claim("r", mine, over="other") is None


@pytest.mark.parametrize(("name", "most"), [("r", _WEEK_MS), (f"{LIFE}r", _HOUR_MS)], ids=["request", "life"])
async def test_entries_expire(redis_server: PrivateRedis, name: str, most: int) -> None:
    """Settled or not: by then no copy of the request is under way, or no redelivery of what was told."""
    prefix = new_prefix()
    async with replica(redis_server.url, prefix) as here, operator(redis_server.url) as redis:
        for step in (here.ledger.claim(name, MINE, over=None), here.ledger.settle(name, MINE)):
            await step
            assert most - 60_000 < await redis.pttl(f"{prefix}:request:{name}") <= most


@pytest.mark.parametrize("foreign", ["text", "hash", "half"])
async def test_a_key_that_is_not_ours_costs_its_own_request_only(
    redis_server: PrivateRedis, foreign: str
) -> None:
    """That one is answered from memory, loudly; a start is written over it, as nothing may hide a start."""
    prefix = new_prefix()
    async with replica(redis_server.url, prefix) as here, operator(redis_server.url) as redis:
        key = f"{prefix}:request:r"
        fields = {"hash": {"a": "b"}, "half": {"owner": "x", "settled": "0", "safe_at": "soon"}}
        for name, value in fields.get(foreign, {}).items():
            await redis.hset(key, name, value)
        if foreign == "text":
            await redis.set(key, "x")
        await here.back()
        with capture_logs() as logs:
            assert await here.ledger.known("r") is None
            assert await here.ledger.claim("r", MINE, over=None) is None
        assert [line["event"] for line in logs] == ["ledger.foreign_entry"] * 2
        assert key in logs[0]["reason"]
        assert here.alone == ["known", "claim"]
        assert all(ok for ok, _ in here.reports[1:])
        await here.ledger.settle("r", MINE)
        assert await redis.hget(key, "settled") == "1"


async def test_what_redis_has_lost_its_replica_still_knows(redis_server: PrivateRedis) -> None:
    """Emptied, or restarted without its data: each replica goes on with what it entered itself."""
    prefix = new_prefix()
    async with replica(redis_server.url, prefix) as here, operator(redis_server.url) as redis:
        await here.ledger.settle("settled", MINE)
        await here.ledger.claim("doubt", OTHERS, over=None)
        await redis.delete(f"{prefix}:request:settled", f"{prefix}:request:doubt")
        await redis.script_flush()
        assert same(await here.ledger.claim("settled", OTHERS, over=None), replace(MINE, settled=True))
        assert same(await here.ledger.claim("doubt", MINE, over=None), OTHERS)
        assert await here.ledger.claim("doubt", MINE, over="other") is None
        assert here.alone == []


async def test_what_others_have_taken_over_is_theirs(redis_server: PrivateRedis) -> None:
    """An old entry of this replica's own memory is not held against what Redis says."""
    prefix, url = new_prefix(), redis_server.url
    async with replica(url, prefix) as here, replica(url, prefix) as there:
        await here.ledger.claim("r", OTHERS, over=None)
        assert await there.ledger.claim("r", MINE, over="other") is None
        third = replace(MINE, owner="third")
        stands = await here.ledger.claim("r", third, over="other")
        assert same(stands, MINE)
        assert await here.ledger.claim("r", third, over="me") is None
        assert same(await there.ledger.known("r"), third)


@pytest.mark.parametrize(
    ("options", "password", "said"),
    [
        ((), "planted", "invalid username-password"),
        (("--rename-command", "AUTH", ""), "planted", "AUTH"),
        (("--rename-command", "EVALSHA", ""), "", "EVALSHA"),
    ],
)
async def test_why_it_is_refused_is_told_without_the_password(
    options: tuple[str, ...], password: str, said: str
) -> None:
    """A server may quote all that it was sent."""
    server = PrivateRedis(*options, password="another" if password and not options else "")
    with server:
        url = f"redis://:{password}@127.0.0.1:{server.port}/0"
        async with replica(url) as here:
            why = await here.away(said)
            assert "planted" not in why
            assert "planted" not in repr(here.ledger)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed one for 127.0.0.1, with its key in `key.pem` beside it."""
    made = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    files = ("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem"))
    subprocess.run([*made, *subject, *files], check=True, capture_output=True, timeout=30)
    return tmp_path / "certificate.pem"


@pytest.mark.requires("openssl")
async def test_tls_is_spoken_and_its_certificate_looked_at(certificate: Path) -> None:
    """rediss:// with the right authority is used; without it the reason is the certificate."""
    (port,) = free_ports(1)
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(certificate.with_name("key.pem")))
    with PrivateRedis("--tls-port", str(port), *files, "--tls-auth-clients", "no"):
        async with replica(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}") as here:
            await here.back()
            await here.ledger.settle("r", MINE)
            assert here.alone == []
        async with replica(f"rediss://127.0.0.1:{port}/0") as here:
            await here.away("certificate verify failed")


async def test_a_server_that_is_no_redis_is_away() -> None:
    """Whatever it answers, the reason is a line and nothing is raised."""

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        store = Store(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", "t", time.time)
        with pytest.raises(Away, match=r"^[^\n]+$"):
            await store.probe()
        await store.close()


def test_without_its_library_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which package to install, and nothing else is tried."""
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    monkeypatch.delitem(sys.modules, "worker.ledger.store")
    given = {"amqp_url": "amqp://h", "redis_url": "redis://h", "orchestrator_url": "http://127.0.0.1"}
    settings = Settings.model_validate(given | {"client_id": "c", "client_secret": "s"})
    with pytest.raises(SettingsError, match=r"^JOBRELAY_REDIS_URL needs .*'jobrelay\[redis\]'$"):
        Worker(settings, ("start",))
    assert Worker(settings, ("track",))


@pytest.mark.parametrize(
    ("about", "found"),
    [
        (
            {"redis_version": "7.0.15", "maxmemory_policy": "noeviction", "save": "3600 1", "aof_enabled": 0},
            [],
        ),
        ({"redis_version": "7.0.15", "maxmemory_policy": "allkeys-lru", "aof_enabled": 1}, ["allkeys-lru"]),
        ({"valkey_version": "8.1.0", "save": "", "aof_enabled": 0}, ["disk"]),
        ({"save": None, "aof_enabled": 0}, []),
    ],
)
def test_the_check_names_what_makes_a_ledger_forget(about: dict[str, Any], found: list[str]) -> None:
    """Eviction, and data in memory only; what a server does not tell is not held against it."""
    _, *warnings = findings_of(about)
    assert [warning.state for warning in warnings] == ["warning"] * len(found)
    assert all(word in warning.detail for word, warning in zip(found, warnings, strict=True))


async def test_the_check_looks_at_the_ledger(redis_server: PrivateRedis) -> None:
    """It is reached and written to, and nothing is left in it; one that is not there fails, with a reason."""
    prefix = new_prefix()
    settings = Settings.model_validate(
        {"amqp_url": "amqp://h", "prefix": prefix, "redis_url": redis_server.url}
    )
    good, warning = await ledger(settings)
    assert (good.state, warning.state) == ("ok", "warning")
    async with operator(redis_server.url) as redis:
        assert [key async for key in redis.scan_iter(f"{prefix}:*")] == []
    (port,) = free_ports(1)
    (bad,) = await ledger(
        settings.model_copy(update={"redis_url": SecretStr(f"redis://:planted@127.0.0.1:{port}")})
    )
    assert (bad.state, "planted" in str(bad)) == ("failed", False)
