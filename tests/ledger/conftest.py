"""The tests of the ledgers look for Redis often, to lose no time waiting for the next look."""

import pytest

from worker.ledger import redis as ledger


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(ledger, "_TRY_EVERY_S", 0.05)
