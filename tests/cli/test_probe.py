"""`jobrelay probe`: the answer of a worker as an exit code and a line, at once."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from shell import Shell

from worker.cli import probe
from worker.web.health import REQUIRED, Health
from worker.web.metrics import Metrics
from worker.web.server import serve
from worker.web.webhook import Webhook


@pytest.fixture
def health() -> Health:
    """What is served: alive, and not ready yet."""
    return Health()


@pytest.fixture
async def port(health: Health) -> AsyncIterator[int]:
    """Where a worker serves it."""
    async with serve(0, health, Metrics(), Webhook((), print, print)) as port:
        yield port


async def test_a_worker_that_lives_is_alive_ready_or_not(port: int, health: Health) -> None:
    """Until only a restart can help, which is said."""
    assert await asyncio.to_thread(probe.ask, port, "/livez") == (True, f"http://127.0.0.1:{port}/livez: ok")
    health.give_up("the consumers are gone for 300 s")
    good, line = await asyncio.to_thread(probe.ask, port, "/livez")
    assert (good, line.partition(" ")[2]) == (False, "answered 503: the consumers are gone for 300 s")


async def test_a_worker_that_is_not_ready_says_what_it_lacks(port: int, health: Health) -> None:
    """Each condition that it needs, and none that it can do without."""
    for name in REQUIRED:
        health.set(name, name != "token", "invalid_client")
    health.set("orchestrator", ok=False, reason="away")
    good, line = await asyncio.to_thread(probe.ask, port, "/readyz")
    assert (good, line.partition(" ")[2]) == (False, "answered 503: token: invalid_client")
    health.set("token", ok=True, reason=None)
    assert (await asyncio.to_thread(probe.ask, port, "/readyz"))[0]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", "answered 200, and not as a worker does"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"ready":"x"}', "not as a worker does"),
        (b'HTTP/1.1 500 No\r\nContent-Length: 13\r\n\r\n{"live":true}', "answered 500: no reason given"),
        (b"SSH-2.0-hello\r\n\r\n", "does not answer (SSH-2.0-hello"),
        (b"", "does not answer (Remote end closed"),
        (None, "does not answer (timed out)"),
    ],
)
async def test_who_answers_otherwise_is_no_worker(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, told: str
) -> None:
    """Nor is who never does: a probe ends."""
    monkeypatch.setattr(probe, "_TIMEOUT_S", 3.0 if answer is not None else 0.05)
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await asyncio.wait_for(done.wait(), 30)
        writer.write(answer or b"")
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        good, line = await asyncio.to_thread(probe.ask, port, "/livez")
        done.set()
    assert not good
    assert told in line


def test_the_port_is_the_worker_s(tmp_path: Path) -> None:
    """By its setting, from the environment or a file, the environment first; else its default."""
    (tmp_path / "jobrelay_http_port").write_text("81\n")
    files = {"JOBRELAY_SECRETS_DIR": str(tmp_path)}
    assert probe.port_of({}) == 8080
    assert probe.port_of(files) == 81
    assert probe.port_of({**files, "JOBRELAY_HTTP_PORT": "82"}) == 82
    assert probe.port_of({"JOBRELAY_SECRETS_DIR": str(tmp_path / "none")}) == 8080
    for port in ("0", "65536", "a", "-1", "٣x"):
        with pytest.raises(ValueError, match="JOBRELAY_HTTP_PORT is no port"):
            probe.port_of({"JOBRELAY_HTTP_PORT": port})


def test_a_probe_is_asked_without_the_imports_of_a_worker(no_settings: pytest.MonkeyPatch) -> None:
    """It runs beside the worker every few seconds, and takes none of its time; errors go to stderr."""
    no_settings.setenv("JOBRELAY_HTTP_PORT", "1")
    program = (
        "import sys; sys.argv[1:] = ['probe']; import worker.__main__\n"
        "try: worker.__main__.main()\n"
        "finally: print({'typer', 'asyncio', 'pydantic', 'structlog', 'aiohttp'} & sys.modules.keys())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "set()\n")
    assert ended.stderr.startswith("error: http://127.0.0.1:1/livez does not answer")


def test_a_probe_is_a_command_like_any_other(no_settings: pytest.MonkeyPatch, bare: Shell) -> None:
    """Its answer is the same whichever way it was asked."""
    no_settings.setenv("JOBRELAY_HTTP_PORT", "0")
    said = bare("probe", "--ready")
    assert (said.code, said.out) == (1, "")
    assert "is no port that could be asked" in said.err
