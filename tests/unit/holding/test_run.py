"""Which run of failures is an outage."""

import pytest
from fakes import NOW

from worker.domain.failures import Later
from worker.pipeline.holding.outage import RUN_GAP_S, Run, is_outage


@pytest.mark.parametrize(
    ("ago", "code", "outage"),
    [
        pytest.param([0], Later.UNREACHABLE, True, id="no connection: at once"),
        pytest.param([0], Later.CREDENTIALS_REFUSED, True, id="refused credentials: at once"),
        pytest.param([0], Later.FAILING, False, id="one 503"),
        pytest.param([5, 0], Later.FAILING, False, id="two in a row"),
        pytest.param([9, 5, 0], Later.FAILING, True, id="three in a row"),
        pytest.param([2 * RUN_GAP_S, RUN_GAP_S, 0], Later.FAILING, True, id="three, a minute apart"),
        pytest.param([2 * RUN_GAP_S + 2, RUN_GAP_S + 1, 0], Later.FAILING, False, id="three, further apart"),
        pytest.param([300, 299, 298, 0], Later.FAILING, False, id="three long ago, and one"),
    ],
)
def test_what_is_an_outage(ago: list[float], code: Later, outage: bool) -> None:
    """Failures so many seconds ago with nothing that worked between them, the last one of this code."""
    run = Run()
    for seconds in ago:
        run = run.and_one(NOW - seconds)
    assert is_outage(run, code) is outage
