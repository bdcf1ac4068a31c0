"""A policy in the pipeline: asked when names are resolved, before anything is sent; a look-up comes first."""

import asyncio
from typing import Any

import pytest
from fake_orchestrator import MODERN, TRIAGE
from shop import OURS, REQUEST, Ruled

from worker.domain.policy.custody import USER_ID

ALLOWED: dict[str, Any] = {"users": ["alice"], "folders": [MODERN.path], "start": [TRIAGE.name]}
REFUSED = ("request-rejected.v1", "not_allowed")


async def test_who_is_allowed_is_served() -> None:
    """With a policy as without one."""
    shop = Ruled(ALLOWED)
    await shop.handle(shop.delivery(user_id="alice"))
    assert shop.posts == 1


@pytest.mark.parametrize("process", [{"name": TRIAGE.name}, {"releaseKey": TRIAGE.release_key}], ids=str)
@pytest.mark.parametrize("folder", [{"path": MODERN.path}, {"id": MODERN.id}, {"key": MODERN.key}], ids=str)
@pytest.mark.parametrize("rule", [{"folders": ["Other"]}, {"start": ["Other"]}, {"users": ["bob"]}], ids=str)
async def test_no_way_of_naming_leads_round_a_rule(rule: Any, folder: Any, process: Any) -> None:
    """A release key, a folder's number or key: what they mean is what counts. Nothing is sent."""
    shop = Ruled(ALLOWED | rule)
    await shop.handle(shop.delivery({**REQUEST, "process": process, "folder": folder}, user_id="alice"))
    assert (shop.told(), shop.posts) == (REFUSED, 0)
    assert shop.outbox.buried[0][1]["jobrelay-code"] == "not_allowed"


@pytest.mark.parametrize(
    ("user_id", "headers"),
    [(None, {}), ("mallory", {USER_ID: "alice"}), (None, {USER_ID: "alice"}), ("bob", {})],
    ids=str,
)
async def test_who_is_not_known_or_may_nothing_costs_orchestrator_no_call(user_id: Any, headers: Any) -> None:
    """Nothing can have been sent for a fresh message: it is refused where it stands."""
    shop = Ruled(ALLOWED)
    await shop.handle(shop.delivery(headers=headers, user_id=user_id))
    assert (shop.told(), shop.tenant.calls) == (REFUSED, [])


@pytest.mark.parametrize("user_id", [None, "bob"], ids=str)
@pytest.mark.parametrize("document", [REQUEST, REQUEST | {"process": 5}, {}], ids=["same", "wrong", "no id"])
async def test_who_may_nothing_hears_only_that(document: Any, user_id: Any) -> None:
    """Not that somebody else has asked for the same id, nor what is wrong with what is asked."""
    shop = Ruled(ALLOWED)
    await shop.handle(shop.delivery(user_id="alice"))
    shop.outbox.events.clear()
    await shop.handle(shop.delivery(document, user_id=user_id, message_id="m-2", reply_to="mine"))
    assert (shop.told(), shop.posts) == (REFUSED, 1)


@pytest.mark.parametrize("replica", ["the same", "another, with a common ledger"])
async def test_who_may_nothing_waits_for_nobodys_request(replica: str) -> None:
    """Alice's is under way, and may be for long: what is refused takes no place in the queue meanwhile."""
    shop, answer = Ruled(ALLOWED), asyncio.Event()
    other = shop if replica == "the same" else Ruled(ALLOWED, beside=shop)
    shop.tenant.meets("start", answer)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shop.handle(shop.delivery(user_id="alice")))
        await asyncio.sleep(1)
        before = asyncio.get_running_loop().time()
        await other.handle(other.delivery(user_id="bob", message_id="m-2"))
        assert (other.told(), asyncio.get_running_loop().time()) == (REFUSED, before)
        answer.set()
    assert shop.outbox.keys()[-1] == "job.created"


@pytest.mark.parametrize("user_id", ["alice", None], ids=str)
async def test_what_may_have_been_sent_is_looked_up_before_it_is_refused(user_id: Any) -> None:
    """Its job runs, whatever the policy says by now: it is adopted and told, never rejected."""
    shop = Ruled(ALLOWED)
    await shop.handle(shop.delivery(user_id="alice"))
    again = Ruled({**ALLOWED, "users": ["bob"]})
    again.tenant.jobs = shop.tenant.jobs
    await again.handle(again.delivery(user_id=user_id, redelivered=True))
    assert again.told()[0] == "job-created.v1"
    assert again.posts == 0


async def test_what_was_not_sent_is_refused_after_the_look_up() -> None:
    """Nothing is found when the window is over: then the policy ends it."""
    shop = Ruled({**ALLOWED, "users": ["bob"]})
    await shop.handle_all_rounds(shop.delivery(user_id="alice", redelivered=True))
    assert (shop.outbox.events[-1].data["code"], shop.posts) == ("not_allowed", 0)
    assert shop.tenant.count("find") > 0


async def test_a_deferred_request_is_still_its_senders() -> None:
    """It comes back under the worker's own name, with the sender's in a header."""
    shop = Ruled(ALLOWED)
    await shop.handle(shop.delivery(headers={USER_ID: "alice", "jobrelay-attempt": 1}, user_id=OURS))
    assert shop.posts == 1


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"stop": [TRIAGE.name]}, "job-stop-requested.v1"),
        ({"stop": ["Other"]}, "request-rejected.v1"),
        ({"stop": [TRIAGE.name], "folders": ["Other"]}, "request-rejected.v1"),
        ({"start": [TRIAGE.name]}, "request-rejected.v1"),
    ],
    ids=str,
)
async def test_a_stop_is_allowed_by_the_process_of_the_jobs_found(rule: Any, told: str) -> None:
    """To start a process does not include to stop it."""
    shop = Ruled(ALLOWED)
    await shop.handle(shop.delivery(user_id="alice"))
    shop.outbox.events.clear()
    shop.rules = [{"users": ["bob"], "folders": [MODERN.path], **rule}]
    await shop.handle(shop.stop(user_id="bob"), stops=True)
    assert shop.told()[0] == told
    assert bool(shop.tenant.count("stop")) is (told == "job-stop-requested.v1")


@pytest.mark.parametrize(
    ("folders", "stop", "told"),
    [
        (["**"], ["**"], "request-cancelled.v1"),
        (["**"], ["*"], "request-rejected.v1"),
        ([MODERN.path], ["**"], "request-rejected.v1"),
    ],
    ids=str,
)
async def test_to_cancel_what_nobody_knows_yet_takes_all_rights(folders: Any, stop: Any, told: str) -> None:
    """The folder that a stop request names need not be the one of the request that it is for."""
    shop = Ruled({"users": ["bob"], "folders": folders, "stop": stop})
    await shop.handle(shop.stop(user_id="bob"), stops=True)
    assert shop.told()[0] == told


PASTS: list[dict[str, Any]] = [
    {"jobrelay-attempt": 1, "jobrelay-window-until": "2099-01-01", "jobrelay-window-folder": MODERN.id},
    {"jobrelay-replays": 1, "jobrelay-first-at": "2020-01-01T00:00:00Z"},
    {"x-death": [{"count": 1}]},
    {"x-delivery-count": 3},
    {"x-acquired-count": 3},
]


@pytest.mark.parametrize("user_id", [None, "mallory"], ids=str)
@pytest.mark.parametrize("headers", PASTS, ids=str)
async def test_nobody_makes_up_a_past_for_anothers_request(headers: Any, user_id: Any) -> None:
    """It is refused where it stands, and neither holds up Alice's request of that id nor adopts its job."""
    shop = Ruled(ALLOWED)
    await shop.handle(shop.delivery(headers=headers, user_id=user_id, message_id="m-2"))
    assert (shop.told(), shop.tenant.calls) == (REFUSED, [])
    assert await shop.ledger.known("inc-1") is None
    await shop.handle(shop.delivery(user_id="alice"))
    assert (shop.posts, shop.outbox.deferred) == (1, [])
    elsewhere = Ruled(ALLOWED)  # where no ledger knows it
    elsewhere.tenant.jobs = shop.tenant.jobs
    await elsewhere.handle(elsewhere.delivery(headers=headers, user_id=user_id, reply_to="mallorys"))
    assert (elsewhere.told(), elsewhere.tenant.calls) == (REFUSED, [])


@pytest.mark.parametrize("headers", PASTS[:2], ids=str)
@pytest.mark.parametrize("user_id", [OURS, "operator"], ids=str)
async def test_a_past_told_by_the_worker_or_a_voucher_counts(user_id: str, headers: Any) -> None:
    """What they send on may have been sent: its job is looked up and adopted, not started again."""
    shop = Ruled(ALLOWED)
    await shop.handle(shop.delivery(user_id="alice"))
    again = Ruled(ALLOWED, vouchers={"operator"})
    again.tenant.jobs = shop.tenant.jobs
    await again.handle(again.delivery(headers={USER_ID: "alice", **headers}, user_id=user_id))
    assert (again.told()[0], again.posts) == ("job-created.v1", 0)
