"""The command, its one line, its end; and seeds with mistakes in them."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from simulator.seed import SeedError, load


def _started(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    command = [sys.executable, "-m", "simulator", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    return process, json.loads(process.stdout.readline())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_says_where_it_is_and_ends_when_told(tmp_path: Path, number: int, code: int) -> None:
    """One JSON line on a pipe, a line for each request if wished, and a clean end."""
    seed = tmp_path / "seed.json"
    seed.write_text('{"identity": {"organization": "org", "tenant": "T"}}')
    process, line = _started("--seed", str(seed), "--log")
    assert line["pid"] == process.pid
    assert line["cloud"] == f"{line['url']}/org/T/orchestrator_"
    assert line["onprem"] == line["url"]
    with urllib.request.urlopen(f"{line['url']}/_sim/ledger", timeout=10) as answer:  # noqa: S310 - our own URL
        assert {"starts": [], "calls": {}}.items() <= json.load(answer).items()
    process.send_signal(number)
    _, log = process.communicate(timeout=10)
    assert process.returncode == code
    assert log == "GET /_sim/ledger 200\n"


def test_it_ends_while_it_owes_an_answer() -> None:
    """A fault may answer never; whoever waits for that answer loses the connection."""
    process, line = _started()
    fault = json.dumps([{"operation": "Token", "do": "hang", "seconds": 3600}]).encode()
    urllib.request.urlopen(f"{line['url']}/_sim/faults", fault, timeout=10).close()  # noqa: S310 - our own URL
    host, port = line["url"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as waiting:
        waiting.sendall(b"POST /identity/connect/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        while "Token" not in _ledger(line["url"])["calls"]:
            continue
        process.terminate()
        process.communicate(timeout=10)
        assert process.returncode == 0
        assert waiting.recv(1) == b""


def _ledger(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/_sim/ledger", timeout=10) as answer:  # noqa: S310 - our own URL
        return json.load(answer)


def test_a_wrong_seed_ends_it_with_the_place(tmp_path: Path) -> None:
    """Exit code 1 and one line."""
    seed = tmp_path / "seed.json"
    seed.write_text('{"folders": [{"FullyQualifiedName": 3}]}')
    command = [sys.executable, "-m", "simulator", "--seed", str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "folders[0].FullyQualifiedName: text expected, got 3" in ended.stderr


@pytest.mark.parametrize(
    ("seed", "place"),
    [
        ([], "seed: an object"),
        ({"folder": []}, "folder: unknown key; did you mean 'folders'?"),
        ({"folders": [{}]}, "folders[0].FullyQualifiedName: is missing"),
        ({"folders": [{"FullyQualifiedName": "A", "Id": "1"}]}, "folders[0].Id: a whole number"),
        ({"folders": [{"FullyQualifiedName": "A", "Key": "x"}]}, "folders[0].Key: a GUID"),
        (
            {"folders": [{"FullyQualifiedName": "A", "ProvisionType": "New"}]},
            "folders[0].ProvisionType: one of",
        ),
        (
            {"releases": [{"Name": "a", "ProcessKey": "b", "folder": "No"}]},
            "releases[0].folder: no folder 'No'",
        ),
        (
            {"releases": [{"Name": "a", "ProcessKey": "b", "folder": "Shared", "input": [{"name": 1}]}]},
            "releases[0].input[0].name",
        ),
        ({"behaviour": {"apiVersion": 21}}, "behaviour.apiVersion: a whole number 11 to 20"),
        ({"behaviour": {"latencyMs": [2, 1]}}, "behaviour.latencyMs: 2 is more than 1"),
        ({"behaviour": {"jobs": {"outcomes": {"Won": 1}}}}, "behaviour.jobs.outcomes.Won: one of"),
        ({"behaviour": {"jobs": {"pendingSeconds": "1"}}}, "behaviour.jobs.pendingSeconds"),
        ({"identity": {"clients": [{"id": "a"}]}}, "identity.clients[0].secret: is missing"),
    ],
)
def test_a_mistake_in_a_seed_is_named_by_its_place(seed: Any, place: str) -> None:
    """The place is a path into the JSON; a near key is suggested."""
    with pytest.raises(SeedError) as mistake:
        load(seed)
    assert str(mistake.value).startswith(place)


def test_what_a_seed_leaves_out_is_sensible() -> None:
    """Nothing given: the built-in tenant; behaviour alone: that one, behaving so; tables: small ones."""
    assert load()["behaviour"]["jobs"]["outcomes"] == {"Successful": 0.95, "Faulted": 0.05}
    changed = load({"behaviour": {"apiVersion": 17}})
    assert changed["folders"] == load()["folders"]
    assert changed["behaviour"]["rateLimitPerMinute"] == 100
    small = load({"releases": [{"Name": "a", "ProcessKey": "b", "folder": "shared"}]})
    assert [one["FullyQualifiedName"] for one in small["folders"]] == ["Shared"]
    assert small["identity"] == load()["identity"]
