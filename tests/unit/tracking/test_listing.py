"""Who asks which jobs are in flight is answered by each tracker, for what it has in hand."""

import asyncio
from typing import Any

import orjson
import pytest
from fake_orchestrator import MODERN
from fakes import Delivery, feed
from post import Post

from worker.domain.flight.listing import row, wanted
from worker.domain.messages import Message


async def test_a_tracker_lists_what_it_has_in_hand() -> None:
    """The oldest first, no more than asked for; with how many there are, and how many consumers it has."""
    post = Post()
    jobs = [post.job, *post.tenant.commit(MODERN, "x", 500)]
    bodies = [
        {**post.known, "job": {**post.known["job"], "id": job.id, "key": job.key}, "explained": True}
        | {"createdAt": f"2026-01-01T00:{59 - number % 60:02}:00Z", "requestId": f"r-{number % 2}"}
        for number, job in enumerate(jobs)
    ]
    deliveries = [Delivery(Message(body=orjson.dumps(body))) for body in bodies]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(post.role().run([feed(deliveries), feed([])]))
        await asyncio.sleep(2)
        post.hints.hear({"kind": "list", "requestId": "r-1", "limit": 3})
        post.hints.hear({"kind": "list", "requestId": "nobody's", "limit": 3})
        post.hints.hear({"kind": "list"})
        await asyncio.sleep(2)
        post.stopping.begin()
    told, none = (answer for _, answer in post.hints.answers)
    assert {name: told[name] for name in ("consumers", "held", "matching")} == {
        "consumers": 2, "held": 501, "matching": 250,
    }  # fmt: skip
    assert [shown["createdAt"][14:16] for shown in told["rows"]] == ["00", "00", "00"]
    assert (none["matching"], none["rows"]) == (0, [])


async def test_a_job_is_looked_at_once_at_a_time() -> None:
    """Its moment may come while a hint has it looked at: two looks at once would tell one state twice."""
    post = Post()
    post.tenant.becomes(post.job.id, state="Stopped")
    post.answers_slowly(5)
    async with post.at_work(post.delivery()):
        await asyncio.sleep(0.01)
        post.hints.hear({"kind": "look", "jobs": [post.job.key]})
        await asyncio.sleep(20)
    assert (post.outbox.keys(), post.tenant.count("job")) == (["job.state.stopped"], 1)


@pytest.mark.parametrize(
    ("question", "is_wanted"),
    [
        ({}, True),
        ({"states": [], "process": None, "folder": None, "requestId": None}, True),
        ({"states": ["pending", "Running"]}, True),
        ({"states": ["Running"]}, False),
        ({"process": "p"}, True),
        ({"process": "Q"}, False),
        ({"folder": {"path": MODERN.path.upper()}}, True),
        ({"folder": {"id": MODERN.id}}, True),
        ({"folder": {"id": 5}}, False),
        ({"folder": {"key": "5"}}, False),
        ({"requestId": "INC-1"}, False),
        ({"requestId": "inc-1", "process": "P"}, True),
    ],
)
def test_a_question_chooses_jobs(question: dict[str, Any], is_wanted: bool) -> None:
    """Names in any case, ids as they are; whatever is left out does not matter."""
    document = Post().known
    assert wanted(question)(document) is is_wanted
    assert row(document)["process"] == "P"
