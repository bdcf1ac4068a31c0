"""What a message's headers say of its past, and what is written into them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.domain.events import rfc3339
from worker.domain.failures import Violation
from worker.domain.messages import (
    ATTEMPT,
    FIRST_AT,
    HISTORY,
    REPLAYS,
    VIOLATIONS,
    WINDOW_UNTIL,
    Attempt,
    Message,
    Past,
    letter,
    past_of,
    replayed,
)

NOW = 1_795_000_000.0
WINDOW = 88.0


def _past(headers: dict[str, Any] | None = None, **properties: Any) -> Past:
    return past_of(Message(body=b"{}", headers=headers or {}, **properties), NOW, WINDOW)


@pytest.mark.parametrize(
    ("headers", "redelivered", "fresh"),
    [
        pytest.param({}, False, True, id="no headers"),
        pytest.param({"traceparent": "x", "priority": 1}, False, True, id="foreign headers"),
        pytest.param({}, True, False, id="redelivered"),
        pytest.param({ATTEMPT: 1}, False, False, id="an attempt"),
        pytest.param({ATTEMPT: "garbage"}, False, False, id="an attempt that cannot be read"),
        pytest.param({REPLAYS: 1}, False, False, id="a replay"),
        pytest.param({"x-death": []}, False, False, id="a death in a queue"),
        pytest.param({"x-delivery-count": 0}, False, False, id="a count of deliveries, even 0"),
        pytest.param({"x-acquired-count": 1}, False, False, id="a count of acquisitions"),
    ],
)
def test_a_fresh_message_has_no_sign_of_a_past(
    headers: dict[str, Any], redelivered: bool, fresh: bool
) -> None:
    """Only such a one may be started without a look-up (invariant 3)."""
    assert Message(body=b"", headers=headers, redelivered=redelivered).fresh is fresh


def test_a_first_delivery_has_no_past() -> None:
    """It is attempt 1, first seen now, and nothing can have been sent for it."""
    assert _past() == Past(attempt=1, deliveries=0, replays=0, first_at=NOW, safe_at=None, history=())


@pytest.mark.parametrize(
    ("headers", "redelivered", "safe_at"),
    [
        pytest.param({}, True, NOW + WINDOW, id="redelivered: its former owner may send a window long"),
        pytest.param({"x-delivery-count": 2}, False, NOW + WINDOW, id="delivered before: the same"),
        pytest.param({"x-acquired-count": 1}, False, NOW + WINDOW, id="acquired before: the same"),
        pytest.param({"x-delivery-count": 0}, False, None, id="never delivered before"),
        pytest.param({WINDOW_UNTIL: rfc3339(NOW + 9)}, False, NOW + 9, id="a window of an earlier attempt"),
        pytest.param({WINDOW_UNTIL: rfc3339(NOW - 9)}, False, NOW - 9, id="a window that is over"),
        pytest.param({WINDOW_UNTIL: rfc3339(NOW + 9)}, True, NOW + WINDOW, id="the later of both"),
        pytest.param({WINDOW_UNTIL: rfc3339(NOW + 999)}, True, NOW + 999, id="the later of both, reversed"),
    ],
)
def test_until_when_an_earlier_post_may_commit(
    headers: dict[str, Any], redelivered: bool, safe_at: float | None
) -> None:
    """None only where no earlier attempt can have sent one."""
    assert _past(headers, redelivered=redelivered).safe_at == safe_at


def test_an_acquisition_is_no_attempt() -> None:
    """RabbitMQ 4.3 counts them beside deliveries, also those that were politely given back."""
    assert _past({"x-delivery-count": 2, "x-acquired-count": 5}).deliveries == 2


attempts = st.builds(
    Attempt,
    st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000),
    st.sampled_from(["orchestrator_busy", "not_yet_visible"]),
    st.text(max_size=40),
)
millis = st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000)
doubts = st.integers(0, int((NOW + WINDOW) * 1000)).map(lambda ms: ms / 1000)  # a later end is not believed
pasts = st.builds(
    Past,
    attempt=st.integers(1, 10_000),
    deliveries=st.just(0),
    replays=st.just(0),
    first_at=millis,
    safe_at=st.none(),
    history=st.lists(attempts, max_size=5).map(tuple),
)


@settings(max_examples=50)
@given(pasts, attempts, st.none() | doubts)
def test_what_is_written_is_read_back(past: Past, attempt: Attempt, safe_at: float | None) -> None:
    """The next attempt knows all that this one knew, and this one."""
    read = past_of(Message(body=b"", headers=past.after(attempt, safe_at)), NOW, WINDOW)
    assert (read.attempt, read.safe_at) == (past.attempt + 1, safe_at)
    assert read.first_at == pytest.approx(past.first_at, abs=0.001)
    assert [(one.code, one.detail) for one in read.history] == [
        (one.code, one.detail) for one in (*past.history, attempt)
    ]
    assert [one.at for one in read.history] == pytest.approx([a.at for a in (*past.history, attempt)])


@pytest.mark.parametrize(("known", "attempts", "detail"), [(0, 150, "x" * 999), (530, 600, "short")])
def test_a_history_is_kept_whole_as_long_as_it_fits(known: int, attempts: int, detail: str) -> None:
    """The first, the last and how many are left out between them: it is never cut without a word."""
    made = [Attempt(NOW + n, "orchestrator_busy", f"{n} {detail}") for n in range(attempts)]
    past = replace(_past(), history=tuple(made[:known]))
    for n in range(known, attempts):
        headers = past.after(made[n], None)
        assert len(headers["jobrelay-history"].encode()) <= 48_000, "headers must fit into a frame"
        past = past_of(Message(body=b"", headers=headers), NOW, WINDOW)
        if n == max(known, 99):
            assert [one.detail.split()[0] for one in past.history] == [str(n) for n in range(n + 1)]
    first, gap, *rest = past.history
    left_out = int(gap.detail.split()[0])
    assert (first.detail[:2], gap.code) == ("0 ", "left_out")
    assert [int(one.detail.split()[0]) for one in rest] == list(range(1 + left_out, attempts))
    assert len(rest) > 90


def test_an_attempt_in_an_outage_does_not_count() -> None:
    """The next one has the same number; what happened is in the history all the same."""
    headers = _past().after(Attempt(NOW, "orchestrator_unreachable", "away"), None, counts=False)
    past = past_of(Message(body=b"", headers=headers), NOW, WINDOW)
    assert (past.attempt, len(past.history)) == (_past().attempt, 1)


def _letter(message: Message, violations: int = 0) -> dict[str, Any]:
    wrong = [Violation(f"/robots/{n}", "ü" * 200) for n in range(violations)]
    past = past_of(message, NOW, WINDOW)
    return letter(message, past, ("invalid_request", "no"), "w-1", NOW, wrong)


@pytest.mark.parametrize(("given", "listed"), [(1, 1), (20, 20), (101, 34)])
def test_a_letter_lists_what_was_wrong_as_far_as_a_header_holds_it(given: int, listed: int) -> None:
    """A frame must hold them all: where there are too many, the last one says how many more."""
    rows = json.loads(_letter(Message(body=b""), given)[VIOLATIONS])
    assert len(rows) == listed
    assert rows[0] == {"pointer": "/robots/0", "message": "ü" * 200}
    assert (rows[-1]["message"] == "and 68 more") == (given == 101)


def test_a_letter_without_violations_has_no_header_for_them() -> None:
    """Most refusals point at no place in the request."""
    assert VIOLATIONS not in _letter(Message(body=b""))


def test_a_replay_begins_its_attempts_anew_and_forgets_nothing_else() -> None:
    """What may have been sent, since when, how it died and what the sender wrote go with it."""
    headers = {"mine": 1, FIRST_AT: rfc3339(NOW - 99), WINDOW_UNTIL: rfc3339(NOW + 9), REPLAYS: 2, ATTEMPT: 9}
    message = Message(body=b"", headers=headers)
    dead = Message(body=b"", headers=headers | _letter(message, 1))
    again = replayed(dead, NOW + 60)
    past = past_of(again, NOW + 60, WINDOW)
    assert (past.attempt, past.replays, past.first_at, past.safe_at) == (1, 3, NOW - 99, NOW + 9)
    assert past.history == (Attempt(NOW, "invalid_request", "no"),)
    assert set(again.headers) == {
        "mine", FIRST_AT, WINDOW_UNTIL, REPLAYS, HISTORY, "jobrelay-dead-letter-id"
    }  # fmt: skip
    assert not again.fresh
    assert again.body == dead.body


@pytest.mark.parametrize(("sent_at", "first_at"), [(NOW - 5, NOW - 5), (NOW + 5, NOW), (None, None)])
def test_a_replay_of_what_no_worker_buried_is_as_old_as_its_sender_says(
    sent_at: float | None, first_at: float | None
) -> None:
    """Its jobs are looked for from then on; a clock that is ahead is not believed."""
    moment = None if sent_at is None else datetime.fromtimestamp(sent_at, UTC)
    written = replayed(Message(body=b"", timestamp=moment), NOW).headers.get(FIRST_AT)
    assert written == (None if first_at is None else rfc3339(first_at))
