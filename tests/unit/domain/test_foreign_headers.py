"""Headers that anybody may have sent: whatever they hold, a past is read from them."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.domain.messages import (
    ATTEMPT,
    FIRST_AT,
    HISTORY,
    REPLAYS,
    WINDOW_UNTIL,
    Attempt,
    Message,
    past_of,
    replayed,
)

NOW, WINDOW = 1_795_000_000.0, 88.0
OURS = (ATTEMPT, FIRST_AT, HISTORY, REPLAYS, WINDOW_UNTIL, "jobrelay-last-at", "jobrelay-code")
BROKERS = ("x-delivery-count", "x-acquired-count", "x-death")
NASTY = {
    "a moment before the first year": "0001-01-01T00:00:00+23:59",
    "a moment after the last year": "9999-12-31T23:59:59.999-23:59",
    "a moment without an offset": "0001-01-01",
    "a moment of the library's own": datetime(1, 1, 1),  # noqa: DTZ001 - headers may hold such
    "the largest number": 2**63 - 1,
    "the smallest number": -(2**63),
    "true": True,
    "deep lists": "[" * 100_000,
    "a list of lists": "[[]]",
    "an object": "{}",
    "a number in JSON": "7",
    "digits without end": "1" * 5000,
    "an attempt at no moment": '[{"at":5,"code":1,"detail":null}]',
    "an attempt after the last year": '[{"at":"9999-12-31T23:59:59-23:59","code":"a","detail":"b"}]',
    "a lone surrogate": '[{"at":"2026-11-21T10:00:00Z","code":"a","detail":"\\ud800"}]',
}
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(),
    st.binary(),
    st.datetimes(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.integers()),
)


def _broken(message: Message) -> list[str]:
    """The promises that its past breaks: it is read, can be written again, and names real moments."""
    past = past_of(message, NOW, WINDOW)
    written = past.after(Attempt(NOW, "orchestrator_busy", "x"), past.safe_at)
    again = past_of(Message(body=b"", headers=written), NOW, WINDOW)
    replays = past_of(replayed(message, NOW), NOW, WINDOW).replays
    written[HISTORY].encode()
    kept = {
        "counts are counts": min(past.attempt - 1, past.deliveries, past.replays) >= 0,
        "they fit": max(past.attempt, past.deliveries, past.replays) < 2**31,
        "it has a beginning": bool(datetime.fromisoformat(written[FIRST_AT])),
        "a replay is counted": replays > past.replays or past.replays == 1_000_000,
        "no attempt is forgotten": again.attempt >= past.attempt,
        "nor a doubt": (again.safe_at is None) == (past.safe_at is None),
    }
    return [promise for promise in kept if not kept[promise]]


@pytest.mark.parametrize("header", OURS + BROKERS)
@pytest.mark.parametrize("value", NASTY.values(), ids=NASTY)
def test_a_foreign_value_in_a_header_stops_nobody(header: str, value: Any) -> None:
    """Whatever anybody sends, the worker goes on."""
    assert _broken(Message(body=b"", headers={header: value})) == []


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(OURS + BROKERS), anything), st.booleans())
def test_foreign_values_in_headers_stop_nobody(headers: dict[str, Any], redelivered: bool) -> None:
    """Nor do several at once, of any type."""
    assert _broken(Message(body=b"", headers=headers, redelivered=redelivered)) == []
