"""The figures that docs/operations.md reckons with are those of the code, and those that were measured."""

from pathlib import Path

import pytest
from defaults import DEFAULT, WINDOW_S

from worker.app.consumed import TRACKING_CHANNELS, TRACKING_PREFETCH
from worker.broker.topology import _STREAM
from worker.ledger.memory import _MOST
from worker.ledger.step import _KEPT_MS
from worker.orchestrator.wire import PAGE
from worker.tracking.scan import FROM

DOCS = Path(__file__).parents[2] / "docs"
OPERATIONS = (DOCS / "operations.md").read_text("utf-8")


@pytest.mark.parametrize(
    "said",
    [
        f" {_KEPT_MS // 1000:,} s =",
        f"jobs in flight ÷ {TRACKING_PREFETCH * TRACKING_CHANNELS:,}",
        f"`P.audit` keeps {_STREAM['x-max-age'][:-1]} days or {_STREAM['x-max-length-bytes'] // 10**9} GB",
        f"one call brings up to {PAGE:,} changed jobs: {DEFAULT['poll_budget_per_min']} calls a minute",
        f"Folders with fewer than {FROM} jobs",
        f"knows its own last {_MOST:,} requests",
        f"with the default of {DEFAULT['concurrency']}",
        f"can take effect any more: {WINDOW_S:g} s later by default",
        f"{DEFAULT['consumer_timeout_s'] / 60:g} minutes, in `CONSUMER_TIMEOUT_S`",
    ],
)
def test_what_is_reckoned_with_is_what_the_code_does(said: str) -> None:
    """A limit that changes changes the reckoning."""
    assert said in OPERATIONS


@pytest.mark.parametrize("figure", ["677", "299", "49 MiB", "33,300", "2.46", " 60"])
def test_what_was_measured_of_tracking_is_said_alike(figure: str) -> None:
    """The page of the measurement, and the one that reckons with it."""
    assert figure in OPERATIONS
    assert figure in (DOCS / "tracking.md").read_text("utf-8")
