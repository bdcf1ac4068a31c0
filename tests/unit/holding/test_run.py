"""Which run of failures is an outage, and which failure is one request's own trouble."""

import pytest
from fakes import NOW

from worker.domain.failures import Answer, Later, Unavailable
from worker.pipeline.holding.blame import RUN_GAP_S, Fared, Run, is_its_own, is_outage


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
    assert is_outage(run, Unavailable(code, "", outage=True)) is outage


UNSENT = Unavailable(Later.UNREACHABLE, "no connection", outage=True)
LOST = Unavailable(Later.UNREACHABLE, "no answer in time", outage=True, sent=True)
PAGE = Unavailable(Later.UNREACHABLE, "a page", outage=True, answer=Answer(404))
FAILING = Unavailable(Later.FAILING, "503", outage=True)
REFUSED = Unavailable(Later.CREDENTIALS_REFUSED, "401", outage=True)


@pytest.mark.parametrize(
    ("why", "at_once"),
    [
        pytest.param(UNSENT, True, id="no connection"),
        pytest.param(REFUSED, True, id="refused credentials"),
        pytest.param(LOST, False, id="a lost answer"),
        pytest.param(PAGE, False, id="a page, not of Orchestrator"),
        pytest.param(FAILING, False, id="503"),
    ],
)
def test_what_is_an_outage_at_once(why: Unavailable, *, at_once: bool) -> None:
    """The first failure, where no other request would fare better; else the third in a row."""
    assert is_outage(Run(1, NOW), why) is at_once
    assert is_outage(Run(3, NOW), why)


@pytest.mark.parametrize(
    ("answers", "first", "why", "own"),
    [
        pytest.param([0], False, FAILING, False, id="one failure"),
        pytest.param([0, 0, 0, 0], False, FAILING, False, id="many, and nobody was answered"),
        pytest.param([7, 8], False, FAILING, False, id="two, and others were answered between"),
        pytest.param([7, 8, 8], False, FAILING, False, id="three, and two came together"),
        pytest.param([7, 8, 9], False, FAILING, True, id="three, and others were answered between"),
        pytest.param([7, 8, 8, 9], False, LOST, True, id="the same with lost answers"),
        pytest.param([0], True, FAILING, True, id="gone first: the GET was answered"),
        pytest.param([0], True, LOST, True, id="gone first: lost"),
        pytest.param([0], True, PAGE, True, id="gone first: a page"),
        pytest.param([0], True, REFUSED, True, id="gone first: refused, where the GET was not"),
        pytest.param([0], True, UNSENT, False, id="gone first: no connection after all"),
        pytest.param([7, 8, 9], False, UNSENT, False, id="no connection, ever"),
    ],
)
def test_what_is_a_request_s_own_trouble(
    answers: list[int], first: bool, why: Unavailable, own: bool
) -> None:
    """Failures when others had been answered so often; the last one *why*, having gone *first* or not."""
    fared = Fared()
    for count in answers:
        fared.failed(count)
    fared.went_first = first
    assert is_its_own(fared, why) is own
