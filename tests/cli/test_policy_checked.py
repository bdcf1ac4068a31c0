"""`jobrelay check` of the policy: the file is read as a worker reads it."""

from pathlib import Path
from typing import Any

import pytest

from worker.cli.check.policy import policy
from worker.settings import Settings

_EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples" / "policy.v1"


def _settings(file: Path | None) -> Settings:
    given: dict[str, Any] = {"amqp_url": "amqp://h/", "policy_file": file and str(file)}
    return Settings(**given)


def test_a_policy_that_holds_is_told() -> None:
    """How much there is in it; and that there is none."""
    file = _EXAMPLES / "teams.json"
    found = policy(_settings(file))
    assert (found.state, found.detail) == ("ok", f"{file}: rules 3, vouchers 1")
    assert policy(_settings(None)).state == "skipped"


@pytest.mark.parametrize("file", sorted((_EXAMPLES / "invalid").iterdir()), ids=lambda file: file.stem)
def test_a_policy_that_does_not_hold_is_a_failure(file: Path) -> None:
    """With its place, before a worker fails to begin with it."""
    found = policy(_settings(file))
    assert (found.state, found.remedy) == ("failed", "correct it: no worker begins with it")
    assert found.detail.startswith(f"JOBRELAY_POLICY_FILE: {file}: ")
