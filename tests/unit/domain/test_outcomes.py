"""The decisions about a request's end, as tables."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.domain.failures import Answer, Code, Later
from worker.domain.jobs import Job
from worker.domain.outcomes import (
    DELAYS,
    Adopt,
    Cancelled,
    Deferred,
    Duplicate,
    Post,
    Refused,
    Repeated,
    Told,
    Unsettled,
    Wait,
    delay_beyond,
    delay_of,
    delay_within,
    last_straw,
    may_still_appear,
    next_step,
    own_and_surplus,
    told_before,
)
from worker.domain.requests import Entry

NOW = 1000.0
BEFORE, AT, AFTER = NOW + 7, NOW, NOW - 7  # the window ends in 7 s, now, 7 s ago


@pytest.mark.parametrize(
    ("found", "asked", "safe_at", "step"),
    [
        pytest.param(0, 1, None, Post(), id="nothing found, nothing sent before: post"),
        pytest.param(0, None, None, Post(), id="nothing found, nothing sent before, number unknown: post"),
        pytest.param(0, 1, BEFORE, Wait(7), id="nothing found inside the window: wait for its end"),
        pytest.param(0, None, BEFORE, Wait(7), id="nothing found inside the window, number unknown: wait"),
        pytest.param(0, 1, AT, Post(), id="nothing found at the window's very end: post"),
        pytest.param(0, 1, AFTER, Post(), id="nothing found after the window: post"),
        pytest.param(0, None, AFTER, Post(), id="nothing found after the window, number unknown: post"),
        pytest.param(3, 3, None, Adopt(), id="all found: adopt"),
        pytest.param(3, 3, BEFORE, Adopt(), id="all found inside the window: adopt without waiting"),
        pytest.param(3, 3, AFTER, Adopt(), id="all found after the window: adopt"),
        pytest.param(2, 3, BEFORE, Wait(7), id="fewer found inside the window: they may become more"),
        pytest.param(2, 3, AT, Adopt(), id="fewer found at the window's end: adopt, never top up"),
        pytest.param(2, 3, AFTER, Adopt(), id="fewer found after the window: adopt, never top up"),
        pytest.param(2, 3, None, Adopt(), id="fewer found, nothing sent lately: adopt, never top up"),
        pytest.param(2, None, AFTER, Adopt(), id="some found, number unknown: adopt"),
        pytest.param(2, None, BEFORE, Wait(7), id="some found inside the window, number unknown: wait"),
        pytest.param(6, 3, BEFORE, Adopt(), id="more found than asked: adopt"),
        pytest.param(6, 3, None, Adopt(), id="more found than asked, no window: adopt"),
    ],
)
def test_the_next_step(
    found: int, asked: int | None, safe_at: float | None, step: Adopt | Post | Wait
) -> None:
    """What follows from a look-up, for every combination."""
    assert next_step(found, asked, NOW, safe_at) == step


MINE = Entry("me", "sha", "m-1", settled=True, safe_at=0.0)
STOPPED = Entry("stop-1", "", None, settled=False, safe_at=9e9, cancelled=True)
MET = replace(STOPPED, fingerprint="sha", message_id="m-1")


@pytest.mark.parametrize(
    ("stands", "copy", "told"),
    [
        pytest.param(None, False, None, id="nothing is known: go on"),
        pytest.param(None, True, None, id="a copy of which nothing is known: go on"),
        pytest.param(replace(MINE, settled=False), False, None, id="not settled: go on, in doubt"),
        pytest.param(replace(MINE, settled=False), True, None, id="a copy, not settled: go on, in doubt"),
        pytest.param(MINE, True, Repeated(), id="a copy of what was settled"),
        pytest.param(
            MINE, False, Duplicate(body_differs=False, first="m-1"), id="published twice with one message id"
        ),
        pytest.param(
            replace(MINE, message_id="m-2"), True, Duplicate(body_differs=False, first="m-2"), id="another"
        ),
        pytest.param(
            replace(MINE, fingerprint="x"), True, Duplicate(body_differs=True, first="m-1"), id="another body"
        ),
        pytest.param(replace(MINE, owner="x", safe_at=9e9), True, Repeated(), id="whoever settled it"),
        pytest.param(STOPPED, False, Cancelled(STOPPED), id="cancelled before it came"),
        pytest.param(STOPPED, True, Cancelled(STOPPED), id="cancelled after it had come"),
        pytest.param(MET, True, Cancelled(MET), id="a copy of what was cancelled"),
        pytest.param(MET, False, None, id="sent again after it was cancelled: go on"),
        pytest.param(replace(MET, message_id="m-2"), True, None, id="another was cancelled: go on"),
        pytest.param(replace(MET, fingerprint="x"), True, None, id="another body was cancelled: go on"),
    ],
)
def test_what_the_ledger_makes_of_a_message(stands: Entry | None, copy: bool, told: Told | None) -> None:
    """Only what is settled or cancelled ends a message, and only its own copies end without a word."""
    assert told_before(stands, MINE, copy=copy) == told


def _job(number: int, batch: str) -> Job:
    return Job(number, str(number), batch, "Pending")


@pytest.mark.parametrize(
    ("batches", "own", "surplus"),
    [
        ("", [], []),
        ("a", [1], []),
        ("aaa", [1, 2, 3], []),
        ("ab", [1], [2]),
        ("aabb", [1, 2], [3, 4]),
        ("aba", [1, 3], [2]),
        ("abc", [1], [2, 3]),
    ],
)
def test_a_second_start_is_told_by_its_batch(batches: str, own: list[int], surplus: list[int]) -> None:
    """The oldest job's start is the request's own; several jobs of one start are no duplicates."""
    jobs = [_job(number, batch) for number, batch in enumerate(batches, 1)]
    parts = own_and_surplus(jobs)
    assert [[job.id for job in part] for part in parts] == [own, surplus]


moments = st.floats(0, 4e9)


@given(st.integers(0, 20), st.none() | st.integers(1, 20), moments, st.none() | moments)
def test_a_post_is_sent_only_on_proof(
    found: int, asked: int | None, now: float, safe_at: float | None
) -> None:
    """Invariant 2: never where a job was found, never while an earlier POST may still commit."""
    step = next_step(found, asked, now, safe_at)
    unsafe = safe_at is not None and now < safe_at
    assert isinstance(step, Post) == (found == 0 and not unsafe)
    if isinstance(step, Wait):
        assert safe_at is not None
        assert step.seconds > 0
        assert not isinstance(next_step(found, asked, safe_at, safe_at), Wait)


@settings(max_examples=50)
@given(st.floats(0, 1e6) | st.just(float("inf")))
def test_delays_are_steps_of_the_ladder(seconds: float) -> None:
    """Only its queues exist: none within overshoots by over a quarter, none beyond falls short."""
    within, beyond = delay_within(seconds), delay_beyond(seconds)
    assert {within, beyond} <= set(DELAYS)
    assert within <= max(seconds * 1.25, DELAYS[0])
    assert beyond >= min(seconds, DELAYS[-1])


@pytest.mark.parametrize(
    ("seconds", "within", "beyond"),
    [(0, 5, 5), (4, 5, 5), (5, 5, 5), (6, 5, 30), (40, 30, 120), (1800, 1800, 1800), (9999, 1800, 1800)],
)  # fmt: skip
def test_a_delay_within_or_beyond(seconds: float, within: int, beyond: int) -> None:
    """The nearest steps on both sides."""
    assert (delay_within(seconds), delay_beyond(seconds)) == (within, beyond)


@pytest.mark.parametrize(
    ("code", "attempt", "retry_after", "seconds"),
    [
        pytest.param(Later.THROTTLED, 1, None, 5, id="the first time: the ladder's foot"),
        pytest.param(Later.THROTTLED, 3, None, 120, id="the third time: its third step"),
        pytest.param(Later.THROTTLED, 99, None, 1800, id="later: its top"),
        pytest.param(Later.THROTTLED, 1, 31, 120, id="Retry-After is covered by the next longer step"),
        pytest.param(Later.THROTTLED, 4, 2, 600, id="a short Retry-After does not shorten the step"),
        pytest.param(Later.THROTTLED, 1, 9999, 1800, id="no step is longer than the longest"),
        pytest.param(Later.BUSY, 1, None, 120, id="a busy folder takes minutes at once"),
        pytest.param(Later.BUSY, 2, None, 600, id="and more the second time"),
        pytest.param(Later.NOT_YET_VISIBLE, 1, None, 5, id="an unknown name is soon asked for again"),
    ],
)
def test_how_long_a_request_waits(code: Later, attempt: int, retry_after: float | None, seconds: int) -> None:
    """The ladder is climbed step by step, and Orchestrator's own wish is obeyed."""
    assert delay_of(code, attempt, retry_after) == seconds


@settings(max_examples=50)
@given(st.sampled_from(Later), st.integers(1, 10**6), st.none() | st.floats(0, 1800))
def test_a_wait_is_never_shorter_than_asked(code: Later, attempt: int, retry_after: float | None) -> None:
    """And it never shrinks from one attempt to the next."""
    seconds = delay_of(code, attempt, retry_after)
    assert seconds in DELAYS
    assert seconds >= (retry_after or 0)
    assert seconds <= delay_of(code, attempt + 1, retry_after)


@pytest.mark.parametrize(
    ("deferrals", "may"),
    [
        pytest.param(0, True, id="never deferred"),
        pytest.param(2, True, id="deferred twice for it"),
        pytest.param(3, False, id="deferred three times for it"),
    ],
)
def test_an_unknown_name_may_still_appear(deferrals: int, may: bool) -> None:
    """Three deferrals long."""
    assert may_still_appear(deferrals) is may


ANSWER = Answer(429, None, "t-1", "slow down")


@pytest.mark.parametrize("attempts", [1, 9, 10])
def test_a_deferral_within_the_bound_stays_one(attempts: int) -> None:
    """As many deferrals as MAX_ATTEMPTS allows."""
    deferred = Deferred(Later.THROTTLED, "slow", 5)
    assert last_straw(deferred, attempts, 10, NOW) is deferred


def test_beyond_the_bound_an_open_window_is_waited_for() -> None:
    """The next look-up may settle it; only then is it given up."""
    deferred = Deferred(Later.OUTCOME_UNKNOWN, "lost", 5, BEFORE)
    assert last_straw(deferred, 11, 10, NOW) is deferred


def test_beyond_the_bound_what_was_never_sent_is_rejected_with_the_last_reason() -> None:
    """Its sender learns what stood in the way, in Orchestrator's words too."""
    ended = last_straw(Deferred(Later.THROTTLED, "slow", 5, answer=ANSWER), 11, 10, NOW)
    assert isinstance(ended, Refused)
    assert (ended.why.code, ended.why.answer) == (Code.ATTEMPTS_EXHAUSTED, ANSWER)
    assert "11 attempts" in ended.why.detail
    assert "slow" in ended.why.detail


@settings(max_examples=50)
@given(st.sampled_from(Later), st.floats(0, 4e9), st.integers(1, 99), st.integers(1, 20))
def test_what_may_have_been_sent_is_never_rejected(
    code: Later, safe_at: float, attempts: int, most: int
) -> None:
    """Invariant 3: past the bound it ends unsettled, and its window is kept for a replay."""
    ended = last_straw(Deferred(code, "lost", 5, safe_at), attempts, most, NOW)
    if attempts > most and safe_at <= NOW:
        assert isinstance(ended, Unsettled)
        assert ended.safe_at == safe_at
    assert not isinstance(ended, Refused)
    assert not isinstance(
        last_straw(Deferred(Later.OUTCOME_UNKNOWN, "lost", 5), attempts, most, NOW), Refused
    )
