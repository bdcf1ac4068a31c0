"""Once: how many POSTs and look-ups each failure costs, and how the request ends (invariants 2 and 4)."""

from dataclasses import replace
from typing import Any

import pytest
from desk import REFERENCE, SLACK, SLOWER, TARGET, Desk
from fake_orchestrator import CLASSIC, MODERN, TRIAGE, Lost, Orchestrator
from fakes import NOW, Clock

from worker.domain.failures import Code, Failure, Later, OutcomeUnknown, Rejected, Unavailable
from worker.domain.outcomes import Deferred, Started

REFUSED = Rejected(Code.ORCHESTRATOR_REFUSED, "no")
BUSY = Unavailable(Later.BUSY, "busy")
AWAY = Unavailable(Later.UNREACHABLE, "away", outage=True)
SLOW = Unavailable(Later.THROTTLED, "slow")
SLOWEST = Unavailable(Later.THROTTLED, "slow", retry_after=60.0)
UNSURE = Unavailable(Later.FAILING, "proves nothing")


@pytest.mark.parametrize(
    ("met", "calls", "outcome"),
    [
        pytest.param([], (1, 0), "2 of 2", id="answered: one POST, no look-up"),
        pytest.param([1], (1, 0), "1 of 2", id="answered with fewer jobs: told so, not topped up"),
        pytest.param([REFUSED], (1, 0), REFUSED, id="refused: not sent again"),
        pytest.param([BUSY], (1, 0), BUSY, id="busy: not sent again from here"),
        pytest.param([AWAY], (1, 0), AWAY, id="away: not sent again from here"),
        pytest.param([SLOWEST], (1, 0), SLOWEST, id="throttled for long: not sent again from here"),
        pytest.param([SLOWER], (2, 0), "2 of 2", id="throttled for a moment: sent again after it"),
        pytest.param([SLOW] * 3, (4, 0), "2 of 2", id="throttled three times: sent a fourth time"),
        pytest.param([SLOW] * 4, (4, 0), SLOW, id="throttled four times: given up"),
        pytest.param([Lost(None)], (1, 1), "2 of 2 adopted", id="lost after it happened: found at once"),
        pytest.param([Lost(2, late=2)], (1, 2), "2 of 2 adopted", id="lost, happens later: found at the end"),
        pytest.param([Lost(0)], (2, 2), "2 of 2", id="lost, never happens: sent again after the window"),
        pytest.param([Lost(1)], (1, 2), "1 of 2 adopted", id="lost, half of it happened: waited for, kept"),
        pytest.param([Lost(0), Lost(None)], (2, 3), "2 of 2 adopted", id="lost twice: looked up each time"),
        pytest.param([Lost(0), REFUSED], (2, 2), REFUSED, id="lost, then refused"),
        pytest.param([SLOW, Lost(None)], (2, 1), "2 of 2 adopted", id="throttled, then lost"),
    ],
)
async def test_a_start(met: list[Any], calls: tuple[int, int], outcome: str | Failure) -> None:
    """For every fault: the calls it costs, and its end."""
    desk = Desk()
    desk.tenant.meets("start", *met)
    ended = await desk.start()
    assert desk.calls == calls
    assert (_told(ended) if isinstance(ended, Started) else ended) == outcome
    assert len(desk.tenant.jobs) <= 2


def _told(started: Started) -> str:
    adopted = " adopted" if started.adopted else ""
    return f"{len(started.jobs)} of {started.requested}{adopted}"


@pytest.mark.parametrize(
    ("met", "sure"),
    [([Lost(None)], False), ([Lost(0)], False), ([UNSURE], True)],
    ids=["lost after it happened", "lost before", "the POST itself unavailable"],
)
async def test_a_lookup_that_proves_nothing_never_leads_to_a_post(met: list[Any], sure: bool) -> None:
    """The claim stays in doubt, with the end of its window."""
    desk = Desk()
    desk.tenant.meets("start", *met)
    desk.tenant.meets("find", UNSURE)
    assert await desk.start() is UNSURE or sure
    assert desk.tenant.count("start") == (1 if not sure else 2)
    assert (desk.claim.look, desk.claim.safe_at) == ((not sure), None if sure else NOW + SLACK)


async def test_a_long_window_is_waited_for_in_the_delay_queues() -> None:
    """Not in hand: the request comes back inside its window, in doubt."""
    desk = Desk(slack=40.0)
    desk.tenant.meets("start", Lost(0))
    ended = await desk.start()
    assert isinstance(ended, Deferred)
    assert (ended.code, ended.seconds, ended.safe_at) == (Later.OUTCOME_UNKNOWN, 30, NOW + 40)
    assert desk.calls == (1, 1)


@pytest.mark.parametrize(
    ("found", "elapsed", "calls", "ended"),
    [
        pytest.param(2, 0, (0, 1), "2 of 2 adopted", id="all found at once"),
        pytest.param(1, 3, (0, 2), "1 of 2 adopted", id="fewer found: looked up again at the window's end"),
        pytest.param(0, 3, (0, 2), None, id="none found: nothing happened, once the window is over"),
    ],
)
async def test_a_lookup_before_anything_else(
    found: int, elapsed: float, calls: tuple[int, int], ended: str | None
) -> None:
    """What a redelivered request goes through, with 3 s of its window left."""
    desk = Desk(look=True, safe_at=NOW + 3)
    desk.tenant.commit(MODERN, REFERENCE, found)
    outcome = await desk.starter.look_up(desk.claim, MODERN, TARGET, TARGET.asked)
    assert desk.calls == calls
    assert desk.tenant.clock() - NOW == pytest.approx(elapsed, abs=0.01)
    assert (_told(outcome) if isinstance(outcome, Started) else outcome) == ended
    assert (desk.claim.look, desk.claim.safe_at) == (False, None)


async def test_jobs_are_adopted_although_their_process_is_gone() -> None:
    """What is known of it comes from their rows."""
    desk = Desk(look=True, safe_at=NOW + 3)
    desk.tenant.commit(MODERN, REFERENCE, 2)
    outcome = await desk.starter.look_up(desk.claim, MODERN, None, 2)
    assert isinstance(outcome, Started)
    assert (outcome.process.name, outcome.requested, outcome.adopted) == (TRIAGE.name, 2, True)


async def test_jobs_of_another_reference_or_folder_are_not_adopted() -> None:
    """Invariant 4: to the byte, and where the request was sent."""
    desk = Desk(look=True, safe_at=NOW - 1)
    for folder, reference in ((MODERN, REFERENCE.upper()), (MODERN, REFERENCE + "1"), (CLASSIC, REFERENCE)):
        desk.tenant.commit(folder, reference)
    assert await desk.starter.look_up(desk.claim, MODERN, TARGET, TARGET.asked) is None


async def test_every_post_carries_the_reference_and_nothing_in_its_place() -> None:
    """Invariant 4, for the first POST and the repeated one."""
    desk = Desk()
    desk.tenant.meets("start", Lost(0))
    await desk.start(replace(TARGET, start_info={**TARGET.start_info, "Reference": "another"}))
    assert desk.tenant.asked("start") == [{**TARGET.start_info, "Reference": REFERENCE}] * 2


async def test_the_fake_forgets_no_lost_post() -> None:
    """The fake's own promise: a late commit is found from its moment on."""
    tenant = Orchestrator(clock=Clock())
    tenant.meets("start", Lost(1, late=5))
    with pytest.raises(OutcomeUnknown):
        await tenant.start(MODERN, {"Reference": REFERENCE})
    assert await tenant.find(MODERN, REFERENCE, None) == []
    tenant.clock.now += 5
    assert len(await tenant.find(MODERN, REFERENCE, None)) == 1
