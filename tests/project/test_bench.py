"""What `scripts/bench` promises to those who read its JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_PROGRAMS = ("worker", "bare", "bare_two_publishes")
_REQUESTS = 240


@pytest.fixture(scope="module")
def result(amqp_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny run: one round of each program."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    command = [
        sys.executable,
        "-m",
        "bench",
        "--rounds",
        "1",
        "--requests",
        str(_REQUESTS),
        "--json",
        str(file),
    ]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"JOBRELAY_AMQP_URL": amqp_url},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == json.loads(file.read_text())
    return dict(json.loads(done.stdout))


def test_the_worker_and_both_bare_loops_are_measured_alike(result: dict[str, Any]) -> None:
    """Each has requests a second and CPU a request, out of as many rounds as were asked for."""
    assert result["rounds"] == 1
    for name in _PROGRAMS:
        assert result[name]["requests_per_s"] > 0
        assert result[name]["cpu_us_per_request"] > 0


def test_a_ratio_is_the_worker_over_the_bare_loop(result: dict[str, Any]) -> None:
    """Above 1 means that the worker is the faster one."""
    worker = result["worker"]["requests_per_s"]
    for name in _PROGRAMS[1:]:
        ratio = worker / result[name]["requests_per_s"]
        assert result[f"ratio_to_{name}"] == pytest.approx(ratio, abs=0.002)
