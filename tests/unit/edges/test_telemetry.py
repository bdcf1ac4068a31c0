"""The promises of those who count, kept by the metrics and by the fakes."""

from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import fakes
import fakes_of_trackers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest

from worker.domain.words import JobState
from worker.ledger.step import Step
from worker.web.metrics import Metrics
from worker.web.metrics.families import Counts, Levels, Times

_ANY = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
_METRICS, _REQUESTS, _JOBS = Metrics(), fakes.Telemetry(), fakes_of_trackers.Telemetry()


@pytest.mark.parametrize(
    ("telemetry", "counted"),
    [
        pytest.param(_METRICS.requests, lambda: _total("jobrelay_requests"), id="metrics"),
        pytest.param(_REQUESTS, lambda: len(_REQUESTS.outcomes), id="fake"),
    ],
)
@_ANY
@given(st.text(max_size=9), st.none() | st.floats(), st.integers(0, 10**6))
def test_counting_requests_is_never_in_the_way(
    telemetry: Any, counted: Callable[[], float], code: str, age: float | None, count: int
) -> None:
    """Whatever it is told, a clock that runs backwards included: it is counted, and nothing is raised."""
    before = counted()
    telemetry.taken(code)
    telemetry.created(age)
    telemetry.settled("rejected", code, age or 0.0)
    telemetry.duplicates(count)
    telemetry.let_go(code)
    telemetry.let_go(code)
    telemetry.defect()
    assert counted() == before + 1


@pytest.mark.parametrize(
    ("telemetry", "counted"),
    [
        pytest.param(_METRICS.jobs, lambda: _total("jobrelay_job_states"), id="metrics"),
        pytest.param(_JOBS, lambda: len(_JOBS.states), id="fake"),
    ],
)
@_ANY
@given(st.text(max_size=9), st.none() | st.floats(), st.integers(0, 10**6))
def test_counting_jobs_is_never_in_the_way(
    telemetry: Any, counted: Callable[[], float], state: str, age: float | None, count: int
) -> None:
    """States that nobody knows included: each is counted, and nothing is raised."""
    before = counted()
    telemetry.tracked({state: count, "Running": 1})
    telemetry.looked(age or 0.0)
    telemetry.told(state, age)
    telemetry.duplicates(count)
    telemetry.expired()
    telemetry.defect()
    assert counted() == before + 1


def test_every_step_of_the_ledger_is_counted_from_the_start() -> None:
    """An alert on the first one that memory answers needs the zero before it."""
    said = generate_latest(Metrics().registry).decode()
    for step in get_args(get_type_hints(Step)["operation"]):
        assert f'jobrelay_ledger_from_memory_total{{operation="{step}"}} 0.0' in said


def test_a_state_that_nobody_knows_is_one_of_others() -> None:
    """A label takes few values, whatever a server says."""
    metrics = Metrics()
    metrics.jobs.tracked({"Running": 2, "Dozing": 3, "Dreaming": 4})
    metrics.jobs.told("Dozing", None)
    known = {*map(str, JobState), "other"}
    for family in ("jobrelay_jobs_tracked", "jobrelay_job_states"):
        assert {sample.labels["state"] for sample in _samples(metrics, family)} <= known
    (other,) = [s for s in _samples(metrics, "jobrelay_jobs_tracked") if s.labels["state"] == "other"]
    assert other.value == 7


def test_the_oldest_request_in_hand_is_told() -> None:
    """Since it was taken, not since another one was; 0 where there is none."""
    metrics, now = Metrics(), [0.0]
    metrics.requests._clock = lambda: now[0]
    ages = list[float]()
    told = metrics.requests
    for step, owner in ((told.taken, "a"), (told.taken, "b"), (told.let_go, "a"), (told.let_go, "b")):
        step(owner)
        now[0] += 5
        ages += [sample.value for sample in _samples(metrics, "jobrelay_oldest_request_seconds")]
    assert ages == [5, 10, 10, 0]


def test_a_count_is_there_before_it_grows() -> None:
    """Prometheus does not see that what was not there has grown."""
    counts = Counts("a", "about", {"x": "0 or 1"}, known=[("0",), ("1",)])
    counts.up("1", by=2)
    (family,) = counts.collect()
    assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
        ("a_total", {"x": "0"}, 0),
        ("a_total", {"x": "1"}, 2),
    ]
    (plain,) = Counts("b", "about").collect()
    assert [sample.value for sample in plain.samples] == [0]


def test_times_are_told_by_how_many_took_so_long_at_most() -> None:
    """A bound belongs to its own bucket; what is negative, or no number, counts as nothing."""
    times = Times("t", "about", (1, 2.5))
    for seconds in (1.0, 1.1, 2.5, 99.0, -3.0, float("nan")):
        times.took(seconds)
    (family,) = times.collect()
    told = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    assert told == {"1.0": 3, "2.5": 5, "+Inf": 6, "t_count": 6, "t_sum": pytest.approx(103.6)}


def test_a_level_may_be_read_when_somebody_asks() -> None:
    """And then only."""
    seen = iter([1.0, 2.0])
    level = Levels("l", "about", read=lambda: {(): next(seen)})
    told = [[sample.value for sample in family.samples] for _ in range(2) for family in level.collect()]
    assert told == [[1.0], [2.0]]


def test_names_are_as_prometheus_has_them() -> None:
    """Its own linter says the same of them, where it is at hand: see tests/project/test_alerts."""
    for family in Metrics().families:
        assert family.name.startswith("jobrelay_")
        assert not family.name.endswith(("_total", "_created", "_count", "_sum", "_bucket"))
        assert family.name.endswith("_seconds") is ("_seconds" in family.name)
        assert family.kind != "histogram" or family.name.endswith("_seconds")
    assert len({family.name for family in Metrics().families}) == len(Metrics().families)


def test_what_prefixes_is_left_out_of_labels() -> None:
    """One dashboard is good for every deployment."""
    metrics = Metrics("bots")
    metrics.broker.waits("bots.dead-letters", 3, 0)
    metrics.broker.renewed("bots.start")
    text = generate_latest(metrics.registry).decode()
    assert 'jobrelay_queue_messages{queue="dead-letters"} 3.0' in text
    assert 'jobrelay_consumers_renewed_total{queue="start"} 1.0' in text


def _total(name: str) -> float:
    """All that a counter of what is told to `_METRICS` has counted."""
    return sum(float(sample.value) for sample in _samples(_METRICS, name))


def _samples(metrics: Metrics, name: str) -> Iterator[Any]:
    return (
        sample for family in metrics.registry.collect() if family.name == name for sample in family.samples
    )
