"""A stop request in hand: what Orchestrator is asked, what is said, and what becomes of the message."""

from dataclasses import replace
from typing import Any

import pytest
from fake_orchestrator import CLASSIC, MODERN
from fakes import NOW
from shop import Shop

from worker.domain.failures import Answer, Code, Later, Rejected, Unavailable
from worker.domain.jobs import Job
from worker.domain.requests import Entry, Kind

BUSY = Unavailable(Later.THROTTLED, "429", retry_after=3.0, answer=Answer(429))
DOWN = Unavailable(Later.FAILING, "503", outage=True, answer=Answer(503))


def _set(shop: Shop, job: Job, **changes: Any) -> Job:
    """The job's row is another one from now on."""
    new = replace(job, **changes)
    shop.tenant.jobs = [(at, where, new if row.id == job.id else row) for at, where, row in shop.tenant.jobs]
    return new


@pytest.mark.parametrize("strategy", ["SoftStop", "Kill", None])
async def test_the_jobs_of_a_request_are_asked_to_stop(strategy: str | None) -> None:
    """All in one call, SoftStop unless Kill is said; each is told before the ack, by an id of its fact."""
    shop = Shop()
    jobs = shop.tenant.commit(MODERN, "jobrelay:inc-1", 3)
    delivery = shop.stop(**({"strategy": strategy} if strategy else {}))
    await shop.handle(delivery, stops=True)
    ids = [job.id for job in jobs]
    assert shop.tenant.asked("stop") == [(MODERN.id, ids, strategy or "SoftStop")]
    assert shop.journal == ["announce"] * 3 + ["ack"]
    assert [event.routing_key for event in shop.outbox.events] == ["job.stop-requested"] * 3
    data = [event.data for event in shop.outbox.events]
    assert [one["job"]["key"] for one in data] == [job.key for job in jobs]
    told = {(one["requestId"], one["kind"], one["targetRequestId"], one["state"]) for one in data}
    assert told == {("stop-1", "job.stop", "inc-1", "Pending")}


async def test_a_job_is_stopped_by_its_key() -> None:
    """In any case of letters; the request that it belongs to is told where its Reference says so."""
    shop = Shop()
    ours, theirs = (shop.tenant.commit(MODERN, name)[0] for name in ("jobrelay:inc-1", "by hand"))
    for job in (ours, theirs):
        await shop.handle(shop.stop(jobKey=job.key.upper(), strategy="Kill"), stops=True)
    assert [what[1:] for what in shop.tenant.asked("stop")] == [([ours.id], "Kill"), ([theirs.id], "Kill")]
    assert [event.data["targetRequestId"] for event in shop.outbox.events] == ["inc-1", None]


async def test_a_job_that_is_over_is_left_alone_and_told() -> None:
    """Orchestrator would refuse the others with it. Where all are over nobody is asked."""
    shop = Shop()
    over, runs = shop.tenant.commit(MODERN, "jobrelay:inc-1", 2)
    _set(shop, over, state="Faulted")
    await shop.handle(shop.stop(), stops=True)
    assert [what[1] for what in shop.tenant.asked("stop")] == [[runs.id]]
    assert [event.data["terminal"] for event in shop.outbox.events] == [True, False]
    await shop.handle(shop.stop(requestId="stop-2"), stops=True)
    assert shop.tenant.count("stop") == 1
    assert [event.data["terminal"] for event in shop.outbox.events[2:]] == [True, True]


async def test_a_job_that_ends_before_it_is_asked_takes_none_with_it() -> None:
    """Orchestrator refuses all of them then: they are looked up again, and what still runs is stopped."""
    shop = Shop()
    ends, runs = shop.tenant.commit(MODERN, "jobrelay:inc-1", 2)
    asked = shop.tenant.stop

    async def ended(*what: Any) -> None:
        _set(shop, ends, state="Successful")
        shop.tenant.stop = asked  # type: ignore[method-assign]
        await asked(*what)

    shop.tenant.stop = ended  # type: ignore[method-assign, assignment]
    await shop.handle(shop.stop(), stops=True)
    assert [what[1] for what in shop.tenant.asked("stop")] == [[ends.id, runs.id], [runs.id]]
    assert [event.data["terminal"] for event in shop.outbox.events] == [True, False]


async def test_twice_the_same_stop_says_the_same() -> None:
    """It may have been carried out halfway: it is carried out again, under the same event ids."""
    shop = Shop()
    shop.tenant.commit(MODERN, "jobrelay:inc-1", 2)
    delivery = shop.stop()
    await shop.handle(delivery, stops=True)
    again = delivery.again()
    await shop.handle(again, stops=True)
    assert again.settled == ["ack"]
    ids = [event.id for event in shop.outbox.events]
    assert ids[:2] == ids[2:]


@pytest.mark.parametrize("target", [{"jobKey": "0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0999"}, {}])
async def test_a_job_that_is_not_there_is_told_and_kept(target: dict[str, str]) -> None:
    """A key that no job has, or a request whose jobs are gone: the rejection names the place."""
    shop = Shop()
    await shop.ledger.settle("inc-1", Entry("me", "sha", None, settled=True, safe_at=0.0))
    await shop.handle(shop.stop(**target), stops=True)
    (event,) = shop.outbox.events
    assert (event.data["code"], event.data["kind"]) == ("job_unknown", "job.stop")
    assert event.data["violations"][0]["pointer"] == ("/jobKey" if target else "/targetRequestId")
    assert (shop.codes, shop.tenant.count("stop")) == (["job_unknown"], 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b'{"jobKey": "4d0c1a0e-91a7-4c55-8d3c-2a0f6a0e9001"}', "request_id_missing"),
        (b'{"requestId": "s", "targetRequestId": "r"}', "folder_missing"),
        (b'{"requestId": "s", "folder": {"id": 101}}', "invalid_request"),
        (b'{"requestId": "s", "folder": {"id": 7}, "targetRequestId": "r"}', "folder_unknown"),
    ],
)
async def test_what_is_no_stop_request_is_refused_like_a_start(body: bytes, code: str) -> None:
    """A dead letter with its reason, byte for byte, and an event that says which kind of request it was."""
    shop = Shop()
    await shop.handle(shop.delivery(body), stops=True)
    assert shop.codes == [code]
    assert shop.outbox.buried[0][0].body == body
    (event,) = shop.outbox.events
    assert (event.data["code"], event.data["kind"]) == (code, "job.stop")
    assert "start-job" not in event.data["detail"] + event.data["remedy"]


@pytest.mark.parametrize("verb", ["find", "stop"])
async def test_what_cannot_be_asked_now_comes_back(verb: str) -> None:
    """As what it is: to the queue of stops, and told."""
    shop = Shop()
    shop.tenant.commit(MODERN, "jobrelay:inc-1")
    shop.tenant.meets(verb, BUSY)
    await shop.handle(shop.stop(), stops=True)
    (event,) = shop.outbox.events
    assert (event.routing_key, event.data["kind"]) == ("request.deferred", "job.stop")
    assert (event.data["code"], shop.outbox.kinds) == ("orchestrator_throttled", [Kind.STOP])
    await shop.handle(shop.outbox.comes_back(), stops=True)
    assert shop.outbox.keys()[1:] == ["job.stop-requested"]


async def test_a_stop_that_never_works_is_given_up() -> None:
    """After MAX_ATTEMPTS, as a dead letter with its attempts."""
    shop = Shop(max_attempts=3)
    shop.tenant.meets("find", *[BUSY] * 9)
    delivery, rounds = shop.stop(), 0
    while not shop.codes and (rounds := rounds + 1) < 9:
        await shop.handle(delivery, stops=True)
        delivery = shop.outbox.comes_back()
    assert (shop.codes, rounds) == (["attempts_exhausted"], 4)
    assert len(shop.outbox.events[-1].data["attempts"]) == 3


async def test_a_stop_is_held_while_orchestrator_answers_nothing() -> None:
    """An outage costs it no attempt; it goes on as soon as a GET is answered, whatever becomes of starts."""
    shop = Shop()
    shop.tenant.commit(MODERN, "jobrelay:inc-1")
    shop.tenant.meets("find", *[DOWN] * 3)
    shop.tenant.meets("probe", *[DOWN] * 3)
    await shop.handle(shop.stop(), stops=True)
    assert shop.outbox.keys() == ["job.stop-requested"]
    calls = [verb for verb, _ in shop.tenant.calls if verb in ("find", "probe")]
    assert calls == ["find"] * 3 + ["probe"] * 4 + ["find"]


async def test_what_orchestrator_refuses_is_told_in_its_words() -> None:
    """A job that is not over, and that it does not stop: it is looked at again, and then refused."""
    shop = Shop()
    shop.tenant.commit(MODERN, "jobrelay:inc-1")
    why = Rejected(Code.ORCHESTRATOR_REFUSED, "1657: it cannot be stopped", answer=Answer(409, 1657))
    shop.tenant.meets("stop", *[why] * 9)
    await shop.handle(shop.stop(), stops=True)
    (event,) = shop.outbox.events
    assert (event.data["code"], event.data["orchestrator"]["errorCode"]) == ("orchestrator_refused", 1657)


async def test_a_defect_costs_this_stop_a_delay() -> None:
    """And nobody else anything."""
    shop = Shop()
    shop.tenant.meets("find", ZeroDivisionError())
    await shop.handle(shop.stop(), stops=True)
    assert shop.outbox.events[0].data["code"] == "internal_error"


async def test_the_ledger_knows_best_in_which_folder() -> None:
    """A request is stopped where its POST went, whichever folder the stop request takes it to be in."""
    shop = Shop()
    job = shop.tenant.commit(CLASSIC, "jobrelay:inc-1")[0]
    await shop.ledger.settle("inc-1", Entry("me", "sha", None, settled=True, safe_at=NOW, folder_id=102))
    await shop.handle(shop.stop(), stops=True)
    assert shop.tenant.asked("stop") == [(CLASSIC.id, [job.id], "SoftStop")]
