"""What `scripts/bench` promises to those who read its JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.items import SHARED, item_document
from bench.race import Figures

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


def test_a_ratio_of_items_is_that_of_shared_calls_over_one_call_each() -> None:
    """By the rounds, so that a machine that slows down for a while slows down both."""
    shared, alone = [Figures(400, 1000), Figures(900, 1000)], [Figures(100, 1500), Figures(100, 3000)]
    (row,) = item_document({100: {SHARED: shared, "alone": alone}}, 50)["by_latency"]
    assert (row["latency_ms"], row["alone"]["by_round"], row["alone"]["shared_is_faster"]) == (
        100,
        [4, 9],
        6.5,
    )
    assert row["alone"]["shared_takes_less_cpu"] == 2.25
    assert (row[SHARED]["items_per_s"], row[SHARED]["shared_is_faster"]) == (650, 1)


def test_what_is_measured_beside_the_worker_is_the_worker_with_one_call_each() -> None:
    """Its own commands and settings, or the two would differ in more."""
    command = [sys.executable, "-m", "bench.alone", "8", "--version"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout[:8]) == (0, b"jobrelay"), done.stderr.decode()
