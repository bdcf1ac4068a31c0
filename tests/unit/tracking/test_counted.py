"""What trackers tell of their work, for metrics."""

import pytest
from post import Post

from worker.domain.events import rfc3339
from worker.domain.flight.events import since


async def test_what_is_tracked_here_is_counted_by_state() -> None:
    """Up and down again."""
    post = Post()
    post.tenant.meets("job", post.row("Stopped"))
    await post.follow(post.delivery())
    assert {"Pending": 1} in post.telemetry.jobs_tracked
    assert post.telemetry.jobs_tracked[-1] == {}


async def test_states_are_counted_and_an_end_with_its_lag() -> None:
    """By the moment that Orchestrator gives."""
    post = Post()
    ended = rfc3339(post.tenant.clock() - 7)
    post.tenant.meets("job", post.row("Running"), post.row("Successful", ended_at=ended))
    await post.follow_to_the_end()
    (running, successful) = post.telemetry.states
    assert running == ("Running", None)
    assert successful[0] == "Successful"
    assert 7 <= (successful[1] or 0) <= 37
    assert all(late >= 0 for late in post.telemetry.late)
    assert len(post.telemetry.late) == len(post.tenant.asked("job"))


async def test_a_job_that_nobody_can_see_is_counted_when_it_is_given_up() -> None:
    """Once, however often it was looked for."""
    post = Post()
    post.tenant.jobs.clear()
    await post.follow_to_the_end()
    assert (post.telemetry.given_up, post.telemetry.states) == (1, [])


async def test_an_error_of_ours_is_counted() -> None:
    """The job is looked at again."""
    post = Post()
    post.tenant.meets("job", ZeroDivisionError("a defect"), post.row("Stopped"))
    await post.follow(post.delivery())
    assert (post.telemetry.defects, post.telemetry.states) == (1, [("Stopped", None)])


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 40.0),
        ("1970-01-01T00:01:00.5Z", 39.5),
        ("1970-01-01T01:01:00+01:00", 40.0),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_a_moment_of_the_servers_is_told_as_seconds_since(moment: str | None, seconds: float | None) -> None:
    """What is none says nothing."""
    assert since(moment, 100.0) == seconds
