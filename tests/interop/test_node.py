"""Another language speaks to Jobrelay: a Node.js client with `amqplib` starts a job and reads its events."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from relay import Relay
from station import Station, new_id
from tenant import MODERN

from worker.contracts import violations

_HERE = Path(__file__).parent
_CACHE = _HERE.parent.parent / ".cache" / "interop"
_PACKAGE = ("package.json", "package-lock.json", ".npmrc")
_INSTALL_WITHIN_S = 120
_RUN_WITHIN_S = 30


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The package as locked, installed once. Skips where it cannot be had, unless it is required."""
    digest = hashlib.sha256(b"".join((_HERE / name).read_bytes() for name in _PACKAGE)).hexdigest()[:16]
    place = _CACHE / digest
    if not place.exists():
        problem = _install(place)
        if problem:
            required = "node" in os.environ.get("JOBRELAY_REQUIRE", "").split(",")
            (pytest.fail if required else pytest.skip)(f"amqplib cannot be installed: {problem}")
    return place / "node_modules"


def _install(place: Path) -> str | None:
    """Installs into *place*, wholly or not at all; what went wrong, if anything."""
    npm = shutil.which("npm")
    if npm is None:
        return "there is no npm"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE, ignore_cleanup_errors=True) as new:
        for name in _PACKAGE:
            shutil.copy(_HERE / name, new)
        try:
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts"],
                cwd=new,
                capture_output=True,
                text=True,
                timeout=_INSTALL_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"npm took longer than {_INSTALL_WITHIN_S} s"
        if done.returncode:
            return done.stderr[-500:]
        Path(new).rename(place)
    return None


@pytest.mark.requires("node")
async def test_a_node_client_starts_a_job_and_reads_its_events(
    node_modules: Path, relay: Relay, here: Station
) -> None:
    """What amqplib publishes is understood, and what it reads is UTF-8 JSON by the published schemas."""
    name = new_id()
    asked = {
        "requestId": name,
        "process": {"name": "SupportTriage", "environment": "QuickstartDemo"},
        "folder": {"path": MODERN},
        "inputArguments": {"IncidentId": "Störung №1 😀"},
        "metadata": {"from": "Größe"},
    }
    lines = await _client(node_modules, relay, json.dumps(asked, ensure_ascii=False))
    keys = [line["key"] for line in lines]
    assert keys[0] == "job.created"
    assert keys[-1] == "job.state.successful"
    for line in lines:
        event, headers = line["event"], line["headers"]
        assert violations(event["type"].removeprefix("jobrelay."), event) == []
        assert line["contentType"] == "application/cloudevents+json"
        assert headers["cloudEvents_id"] == event["id"]
        assert headers["traceparent"] == event["traceparent"]
        assert event["data"]["metadata"] == {"from": "Größe"}
    assert lines[-1]["event"]["data"]["output"] == {"IncidentId": "Störung №1 😀"}
    (start,) = relay.starts(name)
    assert start["jobIds"] == [lines[0]["event"]["data"]["job"]["id"]]


async def _client(node_modules: Path, relay: Relay, request: str) -> list[dict[str, Any]]:
    """Runs the client to its end; the lines that it printed."""
    environment = {**os.environ, "JOBRELAY_AMQP_URL": relay.amqp_url, "NODE_PATH": str(node_modules)}
    process = await asyncio.create_subprocess_exec(
        "node",
        str(_HERE / "client.js"),
        relay.prefix,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    async with asyncio.timeout(_RUN_WITHIN_S):
        printed, complaints = await process.communicate(request.encode())
    assert process.returncode == 0, complaints.decode()
    return [json.loads(line) for line in printed.splitlines()]
