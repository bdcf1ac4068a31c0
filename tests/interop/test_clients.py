"""The examples of docs/clients, as others run them: each starts a job once, though a confirm is lost."""

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lost_confirm import LostConfirm
from npm import node_modules
from program import ran
from relay import Relay
from station import Station, new_id
from tenant import MODERN
from yarl import URL

from worker.cli.output import UNREACHABLE
from worker.contracts import violations

CLIENTS = Path(__file__).parents[2] / "docs" / "clients"
_JARS = ("amqp-client.jar", "slf4j-api.jar")
_JAVA = Path(os.environ.get("JOBRELAY_JARS", "/usr/share/java"))
_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

PYTHON = (sys.executable, CLIENTS / "start_job.py")
SHELL = ("bash", CLIENTS / "start-job.sh")
Command = tuple[str | Path, ...]
Said = list[tuple[str, dict[str, Any]]]


def _node(folder: Path) -> Command:
    """The Node.js client, laid into *folder* beside what it imports."""
    (folder / "node_modules").symlink_to(node_modules("amqplib"))
    return "node", shutil.copy(CLIENTS / "start-job.mjs", folder)


def _java() -> Command:
    jars = [_JAVA / name for name in _JARS]
    if not all(jar.exists() for jar in jars):
        pytest.skip(f"no {' and '.join(_JARS)} in {_JAVA}: apt-get install librabbitmq-client-java")
    quick = ("-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off")
    return "java", *quick, "-cp", os.pathsep.join(map(str, jars)), CLIENTS / "StartJob.java"


@dataclass
class Desk:
    """Where a client of another team sits: its request in a file, its own queue."""

    relay: Relay
    folder: Path
    queue: str
    name: str = field(default_factory=new_id)

    def write(self, **more: Any) -> Path:
        """The request, written down before anything is sent."""
        request = {
            "requestId": self.name,
            "process": {"name": "SupportTriage", "environment": "QuickstartDemo"},
            "folder": {"path": MODERN},
            "inputArguments": {"IncidentId": "Störung №1 😀"},
            "metadata": {"from": "Größe"},
            **more,
        }
        file = self.folder / "request.json"
        file.write_text(json.dumps(request, ensure_ascii=False), "utf-8")
        return file

    async def run(self, *command: str | Path, url: str = "", prefix: str = "") -> tuple[int, Said, str]:
        """A client's exit code, the events that it printed by their routing keys, and its complaints."""
        code, printed, complaints = await ran(
            *command,
            JOBRELAY_AMQP_URL=(url or self.relay.amqp_url).rstrip("/"),  # for Java, / names another vhost
            JOBRELAY_PREFIX=prefix or self.relay.prefix,
            EVENTS_QUEUE=self.queue,
            TRACEPARENT=_TRACE,
        )
        lines = [line.partition(" {") for line in printed.splitlines()]
        return code, [(head.split()[-1], json.loads("{" + body)) for head, _, body in lines], complaints

    @property
    def starts(self) -> int:
        """How often its request was started."""
        return len(self.relay.starts(self.name))


@pytest.fixture
async def desk(relay: Relay, here: Station, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk whose queue is gone after the test."""
    desk = Desk(relay, tmp_path, f"{relay.prefix}.{new_id()}")
    yield desk
    await here.channel.queue_delete(desk.queue)


async def _asks_again_after_a_lost_confirm(desk: Desk, here: Station, *command: str | Path) -> Said:
    """The client's job ended well, was started once, and the request came to the broker twice."""
    async with LostConfirm(desk.relay.amqp_url, b'"inputArguments"') as way:
        code, said, complaints = await desk.run(*command, desk.write(), url=way.url)
    assert (code, way.lost) == (0, True), complaints
    assert "the same request is sent again" in complaints
    _assert_told_to_the_end(desk, said)
    await here.hear(desk.name, "request.duplicate")
    return said


def _assert_told_to_the_end(desk: Desk, said: Said) -> None:
    keys = [key for key, _ in said]
    assert keys[0] == "job.created"
    assert keys[-1] == "job.state.successful"
    for _, event in said:
        assert violations(event["type"].removeprefix("jobrelay."), event) == []
        assert event["data"]["metadata"] == {"from": "Größe"}
    assert said[-1][1]["data"]["output"] == {"IncidentId": "Störung №1 😀"}
    (start,) = desk.relay.starts(desk.name)
    assert start["jobIds"] == [said[0][1]["data"]["job"]["id"]]


async def test_a_python_client_starts_a_job_once(desk: Desk, here: Station) -> None:
    """aio-pika: the confirm is lost, the same request is sent again, and one job runs."""
    await _asks_again_after_a_lost_confirm(desk, here, *PYTHON)
    assert desk.starts == 1


async def test_a_python_client_sees_that_it_has_asked_before(desk: Desk, here: Station) -> None:
    """A program that is run again with the same file starts nothing, and ends."""
    command = (*PYTHON, desk.write())
    assert (await desk.run(*command))[0] == 0
    code, said, _ = await desk.run(*command)
    assert (code, [key for key, _ in said]) == (0, ["request.duplicate"])


async def test_a_python_client_hears_what_is_wrong(desk: Desk, here: Station) -> None:
    """A request that will not be started ends the program with 1, and the place is named."""
    file = desk.write(process={})
    code, said, _ = await desk.run(*PYTHON, file)
    assert (code, [key for key, _ in said]) == (1, ["request.rejected"])
    assert said[0][1]["data"]["violations"][0]["pointer"].startswith("/process")


async def test_a_client_says_that_no_worker_was_ever_there(desk: Desk, here: Station) -> None:
    """A line that names the exchange, and what to check."""
    code, said, complaints = await desk.run(*PYTHON, desk.write(), prefix="nonesuch")
    assert (code, said) == (1, [])
    assert complaints.startswith("error: the broker refuses it (NOT_FOUND - no exchange 'nonesuch.events'")
    assert "JOBRELAY_PREFIX" in complaints


@pytest.mark.requires("node")
async def test_a_node_client_starts_a_job_once(desk: Desk, here: Station) -> None:
    """amqplib: likewise; its headers are read, and the trace context comes back."""
    said = await _asks_again_after_a_lost_confirm(desk, here, *_node(desk.folder))
    assert {event["traceparent"] for _, event in said} == {_TRACE}
    assert desk.starts == 1


@pytest.mark.requires("java")
async def test_a_java_client_starts_a_job_once(desk: Desk, here: Station) -> None:
    """RabbitMQ's own client: likewise, by headers and routing keys alone."""
    await _asks_again_after_a_lost_confirm(desk, here, *_java())
    assert desk.starts == 1


@pytest.mark.requires("rabbitmqadmin")
async def test_a_shell_script_starts_a_job_once(desk: Desk, here: Station) -> None:
    """By the management API the request is published, mandatory, and its events are read to the end."""
    given = os.environ.get("JOBRELAY_MANAGEMENT_URL")
    if not given:
        pytest.skip("JOBRELAY_MANAGEMENT_URL names no management API of the broker in JOBRELAY_AMQP_URL")
    at, user = URL(given), URL(desk.relay.amqp_url)
    config = desk.folder / "rabbitmqadmin.conf"
    config.write_text(
        f"[default]\nhostname = {at.host}\nport = {at.port}\n"
        f"username = {user.user}\npassword = {user.password}\ndeclare_vhost = /\nvhost = /\n"
    )
    code, said, complaints = await desk.run(*SHELL, desk.write(), "--config", config)
    assert (code, desk.starts) == (0, 1), complaints
    _assert_told_to_the_end(desk, said)


@pytest.mark.parametrize(
    "program",
    [
        "python",
        pytest.param("node", marks=pytest.mark.requires("node")),
        pytest.param("java", marks=pytest.mark.requires("java")),
        pytest.param("shell", marks=pytest.mark.requires("rabbitmqadmin")),
    ],
)
async def test_a_client_says_in_a_line_that_the_broker_is_away(program: str, tmp_path: Path) -> None:
    """With the exit code of `jobrelay start`, and what to do."""
    commands: dict[str, Callable[[], Command]] = {
        "python": lambda: PYTHON,
        "node": lambda: _node(tmp_path),
        "java": _java,
        "shell": lambda: SHELL,
    }
    away = () if program != "shell" else ("--host", "127.0.0.1", "--port", "1")
    url = "amqp://guest:planted@127.0.0.1:1"
    command = (*commands[program](), CLIENTS / "request.json", *away)
    code, said, complaints = await ran(*command, JOBRELAY_AMQP_URL=url)
    assert (code, said) == (UNREACHABLE, "")
    (line,) = [line for line in complaints.splitlines() if not line.startswith("SLF4J: ")]
    assert line.startswith("error: no connection to the broker (")
    assert line.endswith("run this again with the same file: its requestId starts nothing twice")
    assert "planted" not in line
