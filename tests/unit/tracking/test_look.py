"""Invariant 6: a job's states are told one by one, in order, none after the end; what is known is kept."""

import asyncio
from typing import Any

import pytest
from fake_orchestrator import MODERN
from fakes import Delivery
from post import EXPIRES, INTERVAL, PENDING, SHARED, Post

from worker.contracts import violations
from worker.domain.failures import Code, Later, Rejected, Unavailable
from worker.domain.messages import Message
from worker.pipeline.holding.pauses import Stopping


@pytest.mark.parametrize("doubted", [True, False])
@pytest.mark.parametrize("mine", ["older", "younger"])
async def test_a_second_start_that_was_only_late_is_announced(mine: str, doubted: bool) -> None:
    """Looked for at a job's end, only where an earlier POST was doubted; the older start is kept."""
    post = Post()
    other = post.tenant.commit(MODERN, "jobrelay:inc-1")[0]
    if mine == "younger":
        post.tenant.jobs.reverse()
    post.tenant.meets("job", post.row("Successful"))
    await post.follow(post.delivery(doubted=doubted))
    kept, surplus = (post.job, other) if mine == "older" else (other, post.job)
    told = [event.data for event in post.outbox.events if event.routing_key == "job.duplicate"]
    assert [(data["kept"]["key"], data["job"]["key"]) for data in told] == (
        [(kept.key, surplus.key)] if doubted else []
    )
    assert post.telemetry.surplus_jobs == len(told)
    assert all(violations(event.schema, event.document()) == [] for event in post.outbox.events)
    assert post.journal[-1] == "ack"


async def test_a_job_is_followed_to_its_end() -> None:
    """Every state that is seen is told once, with the one before; the last event ends it."""
    post = Post()
    rows = [
        post.row("Running"),
        post.row("Running"),
        None,
        post.row("Suspended"),
        post.row("Resumed", resume_version=1),
    ]
    rows += [
        post.row("Running", resume_version=1),
        post.row("Successful", resume_version=1, output={"sum": 3}),
    ]
    post.tenant.meets("job", None, *rows)
    await post.follow_to_the_end()
    told = [event.data for event in post.outbox.events]
    assert [(data["previousState"], data["state"]) for data in told] == [
        ("Pending", "Running"), ("Running", "Suspended"), ("Suspended", "Resumed"), ("Resumed", "Running"),
        ("Running", "Successful"),
    ]  # fmt: skip
    assert [data["terminal"] for data in told] == [False] * 4 + [True]
    assert told[-1]["output"] == {"sum": 3}
    assert post.journal == ["announce", "track", "ack"] * 4 + ["announce", "ack"]


async def test_what_is_told_and_kept_keeps_to_its_schema() -> None:
    """The next tracker reads what this one wrote."""
    post = Post()
    post.tenant.meets("job", post.row("Running"), post.row("Stopped"))
    await post.follow_to_the_end()
    assert [violations(event.schema, event.document()) for event in post.outbox.events] == [[], []]
    assert [violations("tracking.v1", document) for document in post.outbox.tracked] == [[]]


async def test_the_generation_grows_with_every_message() -> None:
    """Of two copies of one job the younger is known by it."""
    post = Post()
    post.tenant.meets("job", post.row("Running"), post.row("Suspended"), post.row("Stopped"))
    await post.follow_to_the_end()
    assert [doc["generation"] for doc in post.outbox.tracked] == [1, 2]
    kept = {name: value for name, value in post.outbox.tracked[0].items() if name in SHARED}
    assert kept == {name: post.known[name] for name in kept}


@pytest.mark.parametrize("verb", ["announce", "track"])
async def test_nothing_is_acknowledged_before_it_is_kept(verb: str) -> None:
    """Invariant 1, for tracking messages: the event, then the next message, then the ack."""
    post = Post()
    post.tenant.meets("job", post.row("Running"))
    confirm, delivery = post.outbox.hold(verb), post.delivery()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(post.follow(delivery))
        await asyncio.sleep(3600)
        assert delivery.settled == []
        confirm.set()
    assert delivery.settled == ["ack"]


@pytest.mark.parametrize(
    "met",
    [Unavailable(Later.UNREACHABLE, "away", outage=True), Rejected(Code.ORCHESTRATOR_REFUSED, "403")],
    ids=["away", "refused"],
)
async def test_a_job_that_cannot_be_read_is_read_again(met: Any) -> None:
    """Not faster than the interval."""
    post = Post()
    post.tenant.meets("job", *[met] * 5, post.row("Stopped"))
    await post.follow_to_the_end()
    assert post.outbox.keys() == ["job.state.stopped"]
    assert asyncio.get_running_loop().time() >= 3 * 0.8 * INTERVAL


async def test_an_older_row_is_not_told() -> None:
    """A read may come from before the state that was told."""
    post = Post()
    post.tenant.meets("job", post.row("Running", resume_version=1), post.row("Stopped", resume_version=2))
    await post.follow(post.delivery(state="Suspended", resumeVersion=2))
    assert [event.data["state"] for event in post.outbox.events] == ["Stopped"]


@pytest.mark.parametrize("verb", ["announce", "track"])
async def test_what_could_not_be_said_in_time_is_left_to_whoever_has_the_job_now(verb: str) -> None:
    """Invariant 6: he may have told its end while this tracker waited for the broker, or keeps it anew."""
    post = Post()
    post.tenant.meets("job", post.row("Running"))
    confirm, delivery = post.outbox.hold(verb), post.delivery()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(post.follow(delivery))
        await asyncio.sleep(60)
        delivery.lose()
        confirm.set()
    assert (len(post.outbox.events), post.outbox.tracked) == (int(verb == "track"), [])


@pytest.mark.parametrize("how", ["the worker stops", "the channel is lost"])
async def test_a_job_in_hand_is_left_to_others_when(how: str) -> None:
    """Given back at a stop, let go with its channel; nothing is said of it."""
    post = Post()
    delivery = post.delivery()
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        tasks.create_task(post.follow(delivery))
        await asyncio.sleep(30)
        post.stopping.begin() if how == "the worker stops" else delivery.lose()
    assert (post.outbox.events, post.outbox.tracked) == ([], [])
    assert delivery.settled == (["give back"] if how == "the worker stops" else [])


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"{}", b'{"requestId":"a"}', b"\xff"], ids=repr)
async def test_what_is_no_tracking_message_is_a_dead_letter(body: bytes) -> None:
    """As it came, with the reason; and the tracker goes on with the others."""
    post = Post()
    post.tenant.meets("job", post.row("Stopped"))
    stranger = Delivery(Message(body=body, exchange="", routing_key="jobrelay.tracking"), post.journal)
    await post.follow(stranger, post.delivery())
    message, headers = post.outbox.buried[0]
    assert message is stranger.message
    assert headers["jobrelay-code"] == "invalid_request"
    assert headers["jobrelay-routing-key"] == "jobrelay.tracking"
    assert stranger.settled == ["ack"]
    assert post.outbox.keys() == ["job.state.stopped"]


async def test_a_job_that_cannot_be_told_never_takes_the_others() -> None:
    """A defect costs its job a delay, and nobody else anything."""
    post, other = Post(), Post()
    post.tenant.meets("job", post.row("Stopped"))
    post.outbox.break_next("announce", TypeError("Recursion limit reached"))
    delivery = post.delivery()
    began = asyncio.get_running_loop().time()
    await post.follow(delivery)
    assert delivery.settled == ["ack"]
    assert post.journal == ["announce", "ack"]
    assert asyncio.get_running_loop().time() >= began + 5
    assert other.journal == []


async def test_a_job_that_has_failed_is_told_with_its_last_words() -> None:
    """As far as they can be read: it is told without them rather than late."""
    post, mute = Post(), Post()
    for one in (post, mute):
        one.tenant.meets("job", one.row("Faulted"))
        one.tenant.lines[one.job.key] = [{"level": "Error", "message": "no incident"}]
    mute.tenant.meets("error_lines", Rejected(Code.ORCHESTRATOR_REFUSED, "403"))
    for one in (post, mute):
        await one.follow(one.delivery())
    assert [one.outbox.events[0].data["logs"] for one in (post, mute)] == [
        [{"level": "Error", "message": "no incident"}], [],
    ]  # fmt: skip


async def test_why_a_job_is_pending_for_long_is_told_once() -> None:
    """After a while, with Orchestrator's reasons; then it is followed as before."""
    post = Post()
    post.tenant.reasons[post.job.id] = ["no runtime is connected"]
    delivery = post.delivery()
    await post.follow(delivery)
    assert asyncio.get_running_loop().time() >= PENDING
    (event,) = post.outbox.events
    assert (event.data["state"], event.data["pendingReasons"]) == ("Pending", ["no runtime is connected"])
    assert violations(event.schema, event.document()) == []
    (kept,) = post.outbox.tracked
    assert violations("tracking.v1", kept) == []
    post.known, post.stopping = kept, Stopping()
    post.tenant.meets("job", *[None] * 40, post.row("Stopped"))
    await post.follow(post.delivery())
    assert post.outbox.keys() == ["job.state.pending", "job.state.stopped"]
    assert post.tenant.count("pending_reasons") == 1


@pytest.mark.parametrize("how", ["gone", "refused"])
async def test_a_job_that_is_not_to_be_seen_is_followed_for_a_bounded_time(how: str) -> None:
    """Deleted, or its folder is closed to us: at last that is told, once, and it is no longer polled."""
    post = Post()
    if how == "gone":
        post.tenant.jobs.clear()
    else:
        post.tenant.meets("job", *[Rejected(Code.ORCHESTRATOR_REFUSED, "403")] * 1000)
    await post.follow_to_the_end()
    (event,) = post.outbox.events
    assert event.routing_key == "job.tracking-expired"
    assert violations(event.schema, event.document()) == []
    assert EXPIRES <= asyncio.get_running_loop().time() < EXPIRES + 10 * INTERVAL
    assert post.journal == ["track", "ack", "announce", "ack"]


async def test_a_job_that_is_there_again_is_followed_as_before() -> None:
    """Its time begins anew when it is missed again."""
    post = Post()
    refused = Rejected(Code.ORCHESTRATOR_REFUSED, "403")
    post.tenant.meets("job", refused, refused, None, refused, None, post.row("Stopped"))
    await post.follow_to_the_end()
    assert post.outbox.keys() == ["job.state.stopped"]
    assert [doc["missingSince"] is None for doc in post.outbox.tracked] == [False, True, False, True]


async def test_a_message_is_published_again_before_the_broker_misses_its_ack() -> None:
    """As it is, as the next generation, at 40 to 70 % of the consumer timeout."""
    post = Post()
    delivery = post.delivery(explained=True)
    await post.follow(delivery)
    assert 0.4 * 1800 <= asyncio.get_running_loop().time() <= 0.7 * 1800 + 2 * INTERVAL
    assert delivery.settled == ["ack"]
    assert post.outbox.tracked == [{**post.known, "explained": True, "generation": 1}]
    assert post.outbox.events == []
