"""What tests of commands share: shells with more and more around them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import CODES, IDS, Broker, Shell, made_once, sent
from simulated import Simulated
from tenant import CLIENT_ID, CLIENT_SECRET
from working import Working

from worker import logs


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any setting, and a log that stays the test run's own."""
    for name in [name for name in os.environ if name.startswith("JOBRELAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(logs, "configure", lambda *_, **__: None)
    monkeypatch.setattr("typer.testing._get_command", made_once)
    return monkeypatch


@pytest.fixture
def bare(no_settings: pytest.MonkeyPatch) -> Shell:
    """A shell without settings."""
    return Shell()


@pytest.fixture
def jobrelay(no_settings: pytest.MonkeyPatch, amqp_url: str, prefix: str) -> Shell:
    """A shell with a broker and a prefix of its own, on which everything is declared."""
    no_settings.setenv("JOBRELAY_AMQP_URL", amqp_url)
    no_settings.setenv("JOBRELAY_PREFIX", prefix)
    shell = Shell()
    assert shell("topology", "declare").code == 0
    return shell


@pytest.fixture
def account(no_settings: pytest.MonkeyPatch, simulator: Simulated) -> None:
    """The settings of the simulator's tenant."""
    no_settings.setenv("JOBRELAY_ORCHESTRATOR_URL", simulator.cloud)
    no_settings.setenv("JOBRELAY_CLIENT_ID", CLIENT_ID)
    no_settings.setenv("JOBRELAY_CLIENT_SECRET", CLIENT_SECRET)


@pytest.fixture
def worker(
    jobrelay: Shell, account: None, amqp_url: str, prefix: str, simulator: Simulated, tmp_path: Path
) -> Iterator[Working]:
    """A worker at work for the shell's prefix."""
    settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.cloud}
    with Working(tmp_path / "worker.log", **settings) as worker:
        yield worker


@pytest.fixture
def broker(amqp_url: str, prefix: str) -> Broker:
    """The broker, at the test's prefix."""
    return Broker(amqp_url, prefix)


@pytest.fixture
def letters(jobrelay: Shell, broker: Broker) -> Shell:
    """Three requests that a worker buried, and one that no queue took."""
    for letter, code in zip(IDS, CODES, strict=True):
        broker.bury(letter, code)
    broker.publish("requests", "job.begin", [sent(b"lost")])
    return jobrelay


@pytest.fixture
def connected(no_settings: pytest.MonkeyPatch, bare: Shell, account: None, simulator: Simulated) -> Shell:
    """A shell at the simulator's tenant; no broker is set."""
    simulator.seed()
    no_settings.setenv(
        "JOBRELAY_SCOPE", "OR.Execution.Read OR.Folders.Read OR.Robots.Read OR.Machines OR.Queues"
    )
    return bare
