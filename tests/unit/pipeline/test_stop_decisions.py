"""What is done for a stop request, as a table."""

from dataclasses import replace

import pytest

from worker.domain.jobs import Job
from worker.domain.requests import Entry
from worker.pipeline.stopping.decide import Ask, Cancel, Nothing, Wait, next_step, request_of

NOW = 1000.0
RUNNING, PENDING, OVER = (
    Job(number, f"key-{number}", "", state, "p:inc-1")
    for number, state in enumerate(("Running", "Pending", "Successful"))
)
STRANGE = replace(RUNNING, state="Hibernating")
SENDING = Entry("me", "sha", "m-1", settled=False, safe_at=NOW + 1)
DISPROVED = replace(SENDING, safe_at=NOW)
SETTLED = replace(SENDING, settled=True)
STOPPED = Entry("stop-0", "", None, settled=False, safe_at=NOW + 99, cancelled=True)


@pytest.mark.parametrize(
    ("found", "stands", "step"),
    [
        pytest.param([], None, Cancel(), id="nothing is known of it: cancelled"),
        pytest.param([], STOPPED, Cancel(), id="cancelled before: again"),
        pytest.param([], SENDING, Wait(), id="a POST may be under way: never cancelled"),
        pytest.param([RUNNING], SENDING, Wait(), id="a POST may be under way: more may come"),
        pytest.param([], DISPROVED, Cancel(over="me"), id="a POST that has not happened: cancelled"),
        pytest.param([RUNNING], DISPROVED, Ask([RUNNING]), id="a POST that has: stopped"),
        pytest.param([], SETTLED, Nothing(), id="started, and not there any more"),
        pytest.param([RUNNING, PENDING], SETTLED, Ask([RUNNING, PENDING]), id="started: all are stopped"),
        pytest.param([RUNNING, OVER], None, Ask([RUNNING]), id="one is over: left alone"),
        pytest.param([OVER], None, Ask([]), id="all are over: nobody is asked"),
        pytest.param([STRANGE], None, Ask([STRANGE]), id="a state that is not known may be stopped"),
        pytest.param([PENDING], STOPPED, Ask([PENDING]), id="started all the same: stopped"),
    ],
)
def test_the_next_step(found: list[Job], stands: Entry | None, step: object) -> None:
    """Invariant 3: what may have been sent is never cancelled."""
    assert next_step(found, stands, NOW) == step


@pytest.mark.parametrize(
    ("reference", "request_id"),
    [("p:inc-1", "inc-1"), ("p:a:b", "a:b"), ("q:inc-1", None), ("pp:inc-1", None), ("", None)],
)
def test_the_request_of_a_job(reference: str, request_id: str | None) -> None:
    """Only a Reference of this deployment names one."""
    assert request_of(replace(RUNNING, reference=reference), "p") == request_id
