"""What hints say is read strictly: whatever is not within bounds raises, and nothing ends later by it."""

from typing import Any

import pytest

from worker.domain.flight.heard import Holding, link
from worker.domain.flight.listing import limit_of, wanted

UNREAD = (ValueError, TypeError, KeyError, AttributeError)
DEEP: Any = []
for _ in range(900):
    DEEP = [DEEP]
SAID = {"tracker": "t", "folders": {"7": 5}, "scans": [7], "late": 1.5}
PAGE = {"chain": "c", "n": 1, "next": "word"}


def test_what_workers_say_is_read() -> None:
    """Also an older one, that does not say how late it is."""
    assert Holding.of(SAID) == Holding("t", 1.5, {7: 5}, frozenset([7]))
    assert Holding.of({**SAID, "late": "inf"}).late_s == float("inf")
    assert link(PAGE) == ("c", 1, "word")
    assert link({"chain": "c", "n": 0, "next": None}) == ("c", 0, None)


@pytest.mark.parametrize(
    "changed",
    [
        {"tracker": None},
        {"tracker": "t" * 2000},
        {"folders": []},
        {"folders": {"x": 5}},
        {"folders": {"-1": 5}},
        {"folders": {"9223372036854775808": 5}},
        {"folders": {"1" + 300 * "0": 500}},
        {"folders": {"1": "1" + 400 * "0"}},
        {"folders": {"1": 1e300}},
        {"folders": {"1": -1}},
        {"folders": {"1": 2**62}},
        {"folders": {str(number): 1 for number in range(10_001)}},
        {"scans": [True]},
        {"scans": ["7"]},
        {"scans": [2**63]},
        {"late": "nan"},
        {"late": -1},
        {"late": DEEP},
    ],
)
def test_what_no_tracker_holds_is_refused(changed: dict[str, Any]) -> None:
    """Counts are added up and folders become the names of queues: far from here."""
    with pytest.raises(UNREAD):
        Holding.of({**SAID, **changed})


@pytest.mark.parametrize("changed", [{"chain": 1}, {"n": "1"}, {"n": 1.5}, {"n": 2**63}, {"next": 5}])
def test_what_no_scan_shows_is_refused(changed: dict[str, Any]) -> None:
    """A scan is gone on with from there."""
    with pytest.raises(UNREAD):
        link({**PAGE, **changed})


@pytest.mark.parametrize(
    "question",
    [
        {"process": DEEP},
        {"process": 1.5},
        {"process": "p" * 1001},
        {"requestId": {}},
        {"folder": {"path": DEEP}},
        {"folder": {"id": 2**63}},
        {"folder": {"id": True}},
        {"folder": "x"},
        {"states": [DEEP]},
        {"states": ["x"] * 101},
        {"states": 5},
    ],
)
def test_a_question_is_read_strictly(question: dict[str, Any]) -> None:
    """Anybody who may write to `P.hints` may ask one."""
    with pytest.raises(UNREAD):
        wanted(question)


@pytest.mark.parametrize("limit", [None, "5", -1, 10_001, 1e300, True])
def test_a_limit_is_within_bounds(limit: Any) -> None:
    """As that of `jobrelay jobs`."""
    with pytest.raises(ValueError, match="whole number"):
        limit_of({"limit": limit})
    assert limit_of({"limit": 10_000}) == 10_000
