"""Invariant 3: what may have been sent is looked up before anything may end it, and is never rejected."""

from typing import Any

import pytest
from fake_orchestrator import MODERN, Lost
from fakes import NOW
from shop import REQUEST, WINDOW, Shop

from worker.domain.events import rfc3339
from worker.domain.failures import Answer, Code, Later, Rejected, Unavailable
from worker.domain.messages import ATTEMPT, FIRST_AT, HISTORY, REPLAYS, WINDOW_UNTIL

REFERENCE = "jobrelay:inc-1"
OVER = {ATTEMPT: 1, WINDOW_UNTIL: rfc3339(NOW - 1)}
PASTS = {
    "redelivered": ({}, True),
    "delivered before": ({"x-delivery-count": 2}, False),
    "deferred": ({ATTEMPT: 3}, False),
    "deferred in doubt": (OVER, False),
    "replayed": ({REPLAYS: 1}, False),
    "died in a queue": ({"x-death": []}, False),
    "tried too often": ({ATTEMPT: 99}, False),
    "delivered too often": ({"x-delivery-count": 99}, True),
}
TROUBLES: dict[str, dict[str, Any]] = {
    "fine": {},
    "invalid": {"jobsCount": 0},
    "expired": {"expiresAt": "2020-01-01T00:00:00Z"},
    "of an unknown process": {"process": {"name": "Nobody"}},
}
UNCOUNTED: dict[str, dict[str, Any]] = {
    "of an unknown robot": {"robots": ["nobody"]},
    "of a strategy not offered": {"strategy": "All"},
}
FOR_GOOD = [{"at": rfc3339(NOW), "code": "not_yet_visible", "detail": "x"}] * 3


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
@pytest.mark.parametrize("past", PASTS.values(), ids=PASTS)
async def test_a_request_with_a_past_is_looked_up_first(past: Any, trouble: dict[str, Any]) -> None:
    """Its jobs are there: they are adopted, whatever else is wrong with it, and nothing is sent."""
    shop = Shop()
    headers, redelivered = past
    shop.tenant.commit(MODERN, REFERENCE)
    delivery = shop.delivery(REQUEST | trouble, headers, redelivered=redelivered)
    await shop.handle(delivery)
    assert (shop.posts, delivery.settled) == (0, ["ack"])
    assert shop.outbox.keys() == ["job.created"]
    assert len(shop.outbox.tracked) == 1
    assert shop.outbox.tracked[0]["adopted"] is True


@pytest.mark.parametrize("trouble", UNCOUNTED.values(), ids=UNCOUNTED)
async def test_jobs_of_an_unknown_number_are_adopted_after_the_window(trouble: dict[str, Any]) -> None:
    """More of them may still come before; none is sent, and nothing is rejected."""
    shop = Shop()
    shop.tenant.commit(MODERN, REFERENCE)
    await shop.handle(shop.delivery(REQUEST | trouble, redelivered=True))
    assert (shop.posts, shop.outbox.keys()) == (0, ["request.deferred"])
    await shop.handle_all_rounds(shop.outbox.comes_back())
    assert shop.clock() >= NOW + WINDOW
    assert (shop.posts, shop.outbox.keys()[-1]) == (0, "job.created")


async def test_a_bad_reply_to_does_not_hide_jobs_either() -> None:
    """They are announced where the events go."""
    shop = Shop()
    shop.tenant.commit(MODERN, REFERENCE)
    await shop.handle(shop.delivery(redelivered=True, reply_to="jobrelay.start"))
    assert shop.outbox.keys() == ["job.created"]
    assert shop.outbox.events[0].sender.reply_to is None


async def test_a_fresh_request_is_started_without_a_look_up() -> None:
    """Nobody can have sent it before."""
    shop = Shop()
    await shop.handle(shop.delivery())
    assert (shop.posts, shop.tenant.count("find")) == (1, 0)


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("invalid", "invalid_request"),
        ("expired", "expired"),
        ("of an unknown process", "process_unknown"),
        ("of an unknown robot", "robot_unknown"),
        ("of a strategy not offered", "strategy_not_offered"),
    ],
)
async def test_absence_after_the_window_lets_a_rejection_pass(trouble: str, code: str) -> None:
    """Then it is certain that nothing was started."""
    shop = Shop()
    headers = OVER | {HISTORY: rf"{FOR_GOOD}".replace("'", '"')}
    delivery = shop.delivery(REQUEST | (TROUBLES | UNCOUNTED)[trouble], headers)
    await shop.handle(delivery)
    assert (shop.posts, shop.tenant.count("find"), shop.codes) == (0, 1, [code])
    assert shop.outbox.keys() == ["request.rejected"]
    assert len(shop.outbox.events[0].data["attempts"]) == 3


@pytest.mark.parametrize("trouble", (TROUBLES | UNCOUNTED).values(), ids=TROUBLES | UNCOUNTED)
async def test_absence_inside_the_window_proves_nothing(trouble: dict[str, Any]) -> None:
    """A redelivered request goes round until its window is over: no POST, no rejection before that."""
    shop = Shop()
    delivery = shop.delivery(REQUEST | trouble, redelivered=True)
    await shop.handle(delivery)
    assert (shop.posts, shop.codes, delivery.settled) == (0, [], ["ack"])
    assert shop.outbox.keys() == ["request.deferred"]
    assert shop.outbox.deferred[0][1] < WINDOW
    assert shop.outbox.deferred[0][2][WINDOW_UNTIL] == rfc3339(NOW + WINDOW)
    event = shop.outbox.events[0].data
    assert (event["code"], event["outcomeKnown"]) == ("outcome_unknown", False)
    await shop.handle_all_rounds(shop.outbox.comes_back())
    assert shop.clock() >= NOW + WINDOW
    assert shop.outbox.keys()[-1] == ("job.created" if not trouble else "request.rejected")
    assert shop.posts == (0 if trouble else 1)


@pytest.mark.parametrize("late", [0, 20, 39], ids=["at once", "after 20 s", "after 39 s"])
async def test_a_lost_start_is_found_on_a_later_round(late: float) -> None:
    """One POST, whenever it commits inside the slack."""
    shop = Shop()
    shop.tenant.meets("start", Lost(1, late=late))
    await shop.handle_all_rounds(shop.delivery())
    assert (shop.posts, len(shop.tenant.jobs)) == (1, 1)
    assert shop.outbox.keys()[-1] == "job.created"


async def test_a_start_that_never_happened_is_sent_again_after_the_slack() -> None:
    """And only then."""
    shop = Shop()
    shop.tenant.meets("start", Lost(0))
    await shop.handle_all_rounds(shop.delivery())
    assert (shop.posts, len(shop.tenant.jobs)) == (2, 1)
    assert shop.clock() >= NOW + 40


async def test_an_unknown_outcome_ends_in_the_dead_letters_unannounced() -> None:
    """Past the bound: outcome_unknown, with its window for a replay, and never a request-rejected."""
    shop = Shop(max_attempts=3)
    shop.tenant.meets("start", Lost(0))
    shop.tenant.meets("find", *[Unavailable(Later.FAILING, "proves nothing")] * 99)
    rounds = await shop.handle_all_rounds(shop.delivery())
    assert (rounds, shop.posts, shop.codes) == (4, 1, ["outcome_unknown"])
    assert set(shop.outbox.keys()) == {"request.deferred"}
    assert all(event.data["outcomeKnown"] is False for event in shop.outbox.events)
    assert shop.outbox.buried[0][1][WINDOW_UNTIL] == rfc3339(NOW + 40)


async def test_a_folder_that_is_gone_hides_no_start() -> None:
    """Where it may have been sent, an unknown folder is a look-up that cannot be made."""
    shop = Shop(max_attempts=3)
    await shop.handle_all_rounds(shop.delivery(REQUEST | {"folder": {"path": "Ghost"}}, redelivered=True))
    assert shop.codes == ["outcome_unknown"]
    assert set(shop.outbox.keys()) == {"request.deferred"}


async def test_no_folder_was_ever_named() -> None:
    """Then nothing can have been sent: rejected at once, redelivered or not."""
    shop = Shop()
    await shop.handle(shop.delivery({"requestId": "a", "process": {"name": "P"}}, redelivered=True))
    assert shop.codes == ["folder_missing"]


async def test_what_was_never_sent_is_rejected_after_too_many_attempts() -> None:
    """With all of them in the event."""
    shop = Shop(max_attempts=3)
    answer = Answer(409, 1678, "t-1", "pending jobs")
    shop.tenant.meets("start", *[Unavailable(Later.BUSY, "busy", answer=answer)] * 99)
    rounds = await shop.handle_all_rounds(shop.delivery())
    assert (rounds, shop.posts, shop.tenant.count("find")) == (4, 4, 3)
    assert shop.outbox.keys() == ["request.deferred"] * 3 + ["request.rejected"]
    data = shop.outbox.events[-1].data
    assert data["code"] == "attempts_exhausted"
    assert data["orchestrator"]["traceId"] == "t-1"
    assert len(data["attempts"]) == 3


async def test_what_could_not_be_looked_up_is_not_rejected_either() -> None:
    """An attempt header is doubt enough, and the events say so."""
    shop = Shop(max_attempts=3)
    shop.tenant.meets("processes", *[Unavailable(Later.THROTTLED, "slow")] * 99)
    rounds = await shop.handle_all_rounds(shop.delivery())
    assert (rounds, shop.posts, shop.codes) == (4, 0, ["outcome_unknown"])
    known = [event.data["outcomeKnown"] for event in shop.outbox.events]
    assert known == [True, False, False]


async def test_an_unknown_name_is_waited_for_three_times() -> None:
    """It may not be visible yet; then the refusal stands."""
    shop = Shop()
    rounds = await shop.handle_all_rounds(shop.delivery(REQUEST | TROUBLES["of an unknown process"]))
    assert rounds == 4
    assert shop.telemetry.deferrals == ["not_yet_visible"] * 3
    assert shop.codes == ["process_unknown"]


@pytest.mark.parametrize("code", [1002, 1100, 1674])
async def test_a_stale_name_is_resolved_anew_once(code: int) -> None:
    """Orchestrator knows the process or the folder no more: the cache is distrusted, then believed."""
    shop = Shop()
    stale = Rejected(Code.ORCHESTRATOR_REFUSED, "gone", answer=Answer(404, code))
    shop.tenant.meets("start", stale)
    await shop.handle(shop.delivery())
    assert shop.tenant.asked("processes") == [False, True]
    assert (shop.posts, shop.outbox.keys()) == (2, ["job.created"])
    shop.tenant.meets("start", stale, stale)
    await shop.handle(shop.delivery(REQUEST | {"requestId": "inc-2"}))
    assert (shop.posts, shop.outbox.keys()[-1]) == (4, "request.rejected")


async def test_another_refusal_is_believed_at_once() -> None:
    """One POST; its words are in the event and the message in the dead letters."""
    shop = Shop()
    shop.tenant.meets("start", Rejected(Code.ORCHESTRATOR_REFUSED, "no", answer=Answer(409, 1671)))
    await shop.handle(shop.delivery())
    assert (shop.posts, shop.codes) == (1, ["orchestrator_refused"])
    assert shop.outbox.events[0].data["orchestrator"]["errorCode"] == 1671


async def test_a_defect_costs_its_request_a_delay_and_nobody_else_anything() -> None:
    """The worker goes on."""
    shop = Shop()
    shop.tenant.meets("start", ZeroDivisionError("a defect"))
    other = shop.delivery(REQUEST | {"requestId": "inc-2"})
    await shop.handle(shop.delivery(), other)
    assert sorted(shop.outbox.keys()) == ["job.created", "request.deferred"]
    assert shop.telemetry.deferrals == ["internal_error"]
    assert other.settled == ["ack"]


async def test_a_look_up_reaches_back_to_the_first_attempt() -> None:
    """And before it as far as clocks may differ: the job may be as old as that, whichever attempt looks."""
    shop = Shop()
    first_at = NOW - 5 * 3600
    await shop.handle(shop.delivery(headers={ATTEMPT: 3, FIRST_AT: rfc3339(first_at)}))
    ((*_, since),) = shop.tenant.asked("find")
    assert since == first_at - 600
