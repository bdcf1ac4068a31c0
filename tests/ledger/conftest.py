"""The tests of the ledgers look for Redis often, to lose no time waiting for the next look."""

from collections.abc import Iterator

import pytest

from simulator.redis import PrivateRedis
from worker.ledger import redis as ledger


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(ledger, "_TRY_EVERY_S", 0.05)


@pytest.fixture
def server() -> Iterator[PrivateRedis]:
    """A Redis to be hurt; one starts in a moment."""
    with PrivateRedis() as server:
        yield server
