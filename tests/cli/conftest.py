"""The command line as a test types it."""

import json
import os
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from worker import logs
from worker.cli.main import app


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Runs commands in this process; their output is not a terminal."""

    def __call__(self, *arguments: str, answer: str | None = None) -> Said:
        """Types `jobrelay ARGUMENTS` and returns what came of it."""
        result = CliRunner().invoke(app, arguments, input=answer)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Said(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any setting, and a log that stays the test run's own."""
    for name in [name for name in os.environ if name.startswith("JOBRELAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(logs, "configure", lambda *_, **__: None)
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
