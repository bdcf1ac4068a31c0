"""The promises of `pipeline.ports.Telemetry`, kept by the metrics and by the fake."""

from typing import Any

import pytest
from fakes import Telemetry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.web.metrics import Metrics


@pytest.mark.parametrize("telemetry", [Metrics(), Telemetry()], ids=["the metrics", "the fake"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=9), st.none() | st.floats(), st.integers(0, 10**6))
def test_counting_is_never_in_the_way(telemetry: Any, code: str, age: float | None, count: int) -> None:
    """Whatever it is told, a clock that runs backwards included."""
    telemetry.settled("rejected", code, age)
    telemetry.deferred(code)
    telemetry.in_hand(count)
    telemetry.tracked(count)
