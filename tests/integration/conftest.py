"""Fixtures of the tests with a running worker."""

from pathlib import Path

import pytest
from relay import here, relay

__all__ = ["here", "log", "relay"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a worker of the test's own writes its log."""
    return tmp_path / "worker.log"
