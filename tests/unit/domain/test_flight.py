"""What follows from a look at a job, what scans cover, who has too many: tables of examples."""

from itertools import pairwise

import pytest

from worker.domain.flight.shown import LATELY_S, SAFETY_S, Coverage, Lately, Link, vouched
from worker.domain.flight.steps import Known, Patience, Step, excess, next_step
from worker.domain.jobs import Job

NOW = 1_000_000.0
PATIENCE = Patience(10, 300, 600, 1800)


def _row(state: str, resume_version: int = 0) -> Job:
    return Job(9001, "k", "b", state, resume_version=resume_version)


@pytest.mark.parametrize(
    ("known", "seen", "step"),
    [
        (Known("Pending", 0), _row("Pending"), Step.KEEP),
        (Known("Pending", 0), _row("Running"), Step.TELL),
        (Known("Pending", 0), _row("Successful"), Step.TELL),
        (Known("Running", 0), _row("Suspended"), Step.TELL),
        (Known("Suspended", 0), _row("Resumed", 1), Step.TELL),
        (Known("Resumed", 1), _row("Running", 1), Step.TELL),
        (Known("Running", 1), _row("Running", 1), Step.KEEP),
        (Known("Running", 1), _row("Suspended", 0), Step.KEEP),
        (Known("Running", 0), _row("Pending"), Step.KEEP),
        (Known("Suspended", 0), _row("Running"), Step.TELL),
        (Known("Successful", 0), _row("Running"), Step.KEEP),
        (Known("Stopped", 0), _row("Running", 1), Step.KEEP),
        (Known("Running", 0), _row("Hibernating"), Step.TELL),
        (Known("Hibernating", 0), _row("Running"), Step.TELL),
        (Known("Stopping", 0), _row("Stopped"), Step.TELL),
        (Known("Stopping", 0), _row("Successful"), Step.TELL),
        (Known("Running", 0), None, Step.MISS),
        (Known("Running", 0, missing_since=NOW - 599), None, Step.KEEP),
        (Known("Running", 0, missing_since=NOW - 600), None, Step.EXPIRE),
        (Known("Running", 0, missing_since=NOW - 900), _row("Running"), Step.FIND),
        (Known("Running", 0, missing_since=NOW - 900), _row("Stopped"), Step.TELL),
        (Known("Pending", 0, pending_since=NOW - 299), _row("Pending"), Step.KEEP),
        (Known("Pending", 0, pending_since=NOW - 300), _row("Pending"), Step.EXPLAIN),
        (Known("Pending", 0, pending_since=NOW - 300), _row("Running"), Step.TELL),
    ],
)
def test_what_follows_from_a_look(known: Known, seen: Job | None, step: Step) -> None:
    """Suspended and resumed, skipped states, stopped by hand, unknown ones; gone, back, waiting for long."""
    assert next_step(known, seen, NOW, PATIENCE) is step


@pytest.mark.parametrize(
    ("heard", "read_at", "now", "covered"),
    [
        ([], 100, 100, False),
        ([(90, "a", 1, True)], 100, 100, True),
        ([(90, "a", 1, True)], 89, 100, False),
        ([(90, "a", 1, False)], 100, 100, False),
        ([(90, "a", 1, False), (95, "a", 2, True)], 91, 100, True),
        ([(90, "a", 1, True), (95, "a", 3, True)], 92, 100, False),
        ([(90, "a", 1, True), (95, "a", 3, True)], 96, 100, True),
        ([(90, "a", 1, True), (95, "b", 2, True)], 92, 100, False),
        ([(90, "a", 1, True)], 100, 121, False),
        ([(90, "a", 1, True), (110, "a", 2, True)], 100, 121, True),
        ([(90, "a", 1, True), (99 + SAFETY_S, "a", 2, True)], 100, 99 + SAFETY_S, True),
        ([(90, "a", 1, True), (101 + 2 * SAFETY_S, "a", 2, True)], 100, 101 + 2 * SAFETY_S, False),
    ],
    ids=[
        "nothing heard", "read since", "read before", "not done", "done by now", "a page missed",
        "read since the missed page", "another chain", "too old", "fresh", "still believed",
        "no proof for ever",
    ],
)  # fmt: skip
def test_which_jobs_scans_speak_for(
    heard: list[tuple[float, str, int, bool]], read_at: float, now: float, covered: bool
) -> None:
    """Those read since an unbroken chain began that was complete a moment ago; here a round takes 10 s."""
    coverage = Coverage()
    for at, chain, number, complete in heard:
        coverage.heard(101, (chain, number, "word"), at, complete=complete)
    assert coverage.covers(101, 9001, read_at, now, 10) is covered
    assert not coverage.covers(102, 9001, read_at, now, 10)


def test_jobs_that_were_read_at_one_moment_are_not_all_read_again_at_another() -> None:
    """Their moments are spread evenly, for each job the same one in whatever hands it is."""
    left = [
        sum(_covered(job, SAFETY_S * (1 + tenth / 10)) for job in range(9000, 10_000)) for tenth in range(11)
    ]
    assert left[0] == 1000
    assert all(50 <= before - after <= 150 for before, after in pairwise(left))


def _covered(job: int, now: float) -> bool:
    coverage = Coverage()
    coverage.heard(101, ("a", 1, "word"), 0, complete=False)
    coverage.heard(101, ("a", 2, "word"), now, complete=True)
    return coverage.covers(101, job, 0, now, 10)


@pytest.mark.parametrize(
    ("heard", "now", "left"),
    [
        ([], 100, None),
        ([("a", 1, "x"), ("a", 2, "y")], 100, Link("a", 2, "y")),
        ([("a", 1, "x"), ("a", 5, "z")], 100, Link("a", 5, "z")),
        ([("a", 1, "x"), ("a", 0, None)], 100, None),
        ([("a", 1, "x")], 121, None),
    ],
    ids=["nothing heard", "the last page", "the last one, even so", "ended", "for too long"],
)
def test_where_a_scan_is_gone_on_with(
    heard: list[tuple[str, int, str | None]], now: float, left: Link | None
) -> None:
    """At the word of the last page that was heard, unless the scan was ended or nobody went on in time."""
    coverage = Coverage()
    for link in heard:
        coverage.heard(101, link, 90, complete=True)
    assert coverage.left(101, now, 10) == left
    assert coverage.left(102, now, 10) is None


@pytest.mark.parametrize(
    ("shown", "known"),
    [
        ([], None),
        ([(100, "Running", 0)], ("Running", 0)),
        ([(40, "Running", 0)], ("Running", 0)),
        ([(19, "Running", 0)], None),
        ([(40, "Running", 0), (45, "Suspended", 0)], ("Suspended", 0)),
        ([(40, "Suspended", 0), (90, "Resumed", 1)], ("Resumed", 1)),
        ([(0, "Pending", 0), (95, "Running", 0)], ("Running", 0)),
    ],
    ids=["never", "now", "a minute ago", "long ago", "twice in short", "twice at length", "too long ago"],
)
def test_in_which_state_a_job_was_shown(
    shown: list[tuple[float, str, int]], known: tuple[str, int] | None
) -> None:
    """In which it was shown last, if that was within a minute; now it is the hundredth second."""
    lately = Lately()
    for at, state, resume_version in shown:
        lately.note([("k", state, resume_version)], at)
        assert lately.forget(at)
    assert lately.forget(100)
    assert lately.shown("k") == known
    assert lately.shown("another") is None


def test_what_is_shown_again_soon_takes_no_more_room() -> None:
    """Else what there is room for would be shown long before a minute is over, and nothing be known."""
    lately = Lately()
    jobs = [(f"k{number}", "Running", 0) for number in range(20_000)]
    for at in range(0, 60, 2):
        lately.note(jobs, at)
        assert lately.forget(at)
    assert lately.shown("k1") == ("Running", 0)
    lately.note([(f"m{number}", "Running", 0) for number in range(100_000)], 60)
    assert not lately.forget(60)
    assert lately.shown("k1") is None


@pytest.mark.parametrize(
    ("words", "since"),
    [
        ([], 83.0),
        ([(100.0, 0.0)], 83.0),
        ([(100.0, 0.0), (95.0, 3.0)], 75.0),
        ([(100.0, 0.0), (60.0, 2.9)], 40.1),
        ([(100.0, 0.0), (60.0, 3.1)], float("-inf")),
        ([(100.0, float("inf"))], float("-inf")),
    ],
)
def test_until_when_all_was_looked_at(words: list[tuple[float, float]], since: float) -> None:
    """As the slowest says, and as long as what came later is remembered; here a round takes 10 s."""
    assert LATELY_S == 60
    assert vouched(words, 100.0, 10) == pytest.approx(since)


@pytest.mark.parametrize(
    ("mine", "held", "trackers", "more"),
    [(10, 10, 1, 0), (70, 70, 3, 0), (1000, 1000, 2, 500), (550, 1000, 2, 0), (33_000, 100_000, 3, 0)],
)
def test_who_has_more_than_his_share(mine: int, held: int, trackers: int, more: int) -> None:
    """A few, and a tenth, are not worth while to move."""
    assert excess(mine, held, trackers) == more
