"""The verdict over a load: what was said against what was done, by examples."""

from collections import Counter
from typing import Any

import orjson
import pytest

from worker import contracts
from worker.cli.demo.load import Asked, mixed_load
from worker.cli.demo.verdict import Tally, judge

GOOD = Asked("g", b"", jobs=1)
BAD = Asked("b", b"", expects="expired")


def created(name: str = "g", job: int = 1, *, index: int = 1, count: int = 1) -> dict[str, Any]:
    """A job-created."""
    return {
        "type": "jobrelay.job-created.v1",
        "id": f"created-{job}",
        "data": {"requestId": name, "job": {"id": job, "key": f"k{job}"}, "index": index, "count": count},
    }


def state(word: str, job: int = 1, name: str = "g") -> dict[str, Any]:
    """A job-state."""
    data = {"requestId": name, "job": {"id": job, "key": f"k{job}"}, "state": word}
    return {"type": "jobrelay.job-state.v1", "id": f"{word}-{job}", "data": data}


def rejected(code: str = "expired", name: str | None = None) -> dict[str, Any]:
    """A request-rejected."""
    data = {"requestId": name, "correlationId": "b", "code": code}
    return {"type": "jobrelay.request-rejected.v1", "id": f"rejected-{code}", "data": data}


def start(*jobs: int, name: str = "g") -> dict[str, Any]:
    """A start as the ledger lists it."""
    return {"reference": f"p:{name}", "jobIds": list(jobs)}


WELL = [created(), state("Running"), state("Successful")]
DONE = [start(1)]


def tally_of(load: list[Asked], events: list[dict[str, Any]]) -> Tally:
    """What was heard when these events came."""
    tally = Tally(load)
    for event in events:
        tally.take(event)
        if event["type"].startswith("jobrelay.request-rejected"):
            tally.bury("b", event["data"]["code"])
    return tally


@pytest.mark.parametrize(
    ("load", "events", "starts", "lost", "doubled", "wrong"),
    [
        ([GOOD, BAD], [*WELL, rejected()], DONE, 0, 0, 0),
        ([GOOD], [*WELL, *WELL], DONE, 0, 0, 0),
        ([GOOD], [], [], 1, 0, 0),
        ([GOOD], [], DONE, 1, 0, 0),
        ([GOOD], [created()], DONE, 1, 0, 0),
        ([GOOD], [created(), state("Running")], DONE, 1, 0, 0),
        ([Asked("g", b"", jobs=2)], WELL, DONE, 1, 0, 0),
        ([Asked("g", b"", jobs=2)], [created(), state("Running")], DONE, 2, 0, 0),
        ([GOOD], [*WELL, created(job=2), state("Faulted", 2)], [start(1), start(2)], 0, 1, 0),
        ([GOOD], WELL, [start(1), start(2)], 1, 1, 0),
        ([GOOD], WELL, [start(1), start(9, name="stranger")], 0, 1, 0),
        ([GOOD], WELL, [], 1, 0, 1),
        ([GOOD], [*WELL, state("Pending")], DONE, 0, 0, 1),
        ([GOOD], [rejected(name="g")], [], 1, 0, 1),
        ([BAD], [], [], 1, 0, 0),
        ([BAD], [rejected("invalid_json")], [], 0, 0, 1),
        ([BAD], [rejected()], [start(1, name="b")], 0, 0, 1),
    ],
    ids=[
        "all well", "repeated events are one", "never started", "started, never said", "end not said",
        "end not reached", "fewer jobs than asked", "fewer jobs, and no end",
        "started twice", "started twice, said once",
        "started by nobody", "announced, not there", "a state after the end", "a good one refused",
        "a bad one unanswered", "refused for another reason", "a bad one started",
    ],
)  # fmt: skip
def test_the_verdict_names_what_is_lost_doubled_and_wrong(
    load: list[Asked],
    events: list[dict[str, Any]],
    starts: list[dict[str, Any]],
    lost: int,
    doubled: int,
    wrong: int,
) -> None:
    """Each finding is counted once; a load is good only without any."""
    verdict = judge(tally_of(load, events), starts, "p")
    assert [len(verdict.lost), len(verdict.doubled), len(verdict.wrong)] == [lost, doubled, wrong], verdict
    assert verdict.good is (lost + doubled + wrong == 0)


def test_a_refusal_without_its_dead_letter_is_wrong() -> None:
    """What is refused must be kept."""
    tally = Tally([BAD])
    tally.take(rejected())
    assert judge(tally, [], "p").wrong == ["b is not in the dead letters"]


def test_what_no_queue_takes_is_settled_by_its_dead_letter() -> None:
    """Nobody announces an unknown routing key: the alternate exchange keeps it."""
    tally = Tally([Asked("u", b"", expects="unknown_routing_key")])
    assert tally.requests_open == 1
    tally.bury("u", "unknown_routing_key")
    assert tally.requests_open == 0
    assert judge(tally, [], "p").good


def test_a_request_is_open_until_each_of_its_copies_is_answered() -> None:
    """A sender's duplicate has an outcome of its own: a request-duplicate, or the same events again."""
    tally = Tally([Asked("g", b"", jobs=2, copies=2)])
    one, two = created(job=1, index=1, count=2), created(job=2, index=2, count=2)
    for event, still_open in [(one, 1), (one, 1), (two, 1), (two, 0)]:
        tally.take(event)
        assert tally.requests_open == still_open
    assert (tally.jobs_open, tally.repeated) == (2, 2)


def test_what_is_said_of_others_is_not_counted() -> None:
    """Workers that run already do other work too: nobody waits for its end, nor is judged by it."""
    tally = Tally([GOOD])
    for event in (created("theirs", 9), state("Running", 9, "theirs"), rejected(name="theirs")):
        assert not tally.take(event)
    assert not tally.bury("theirs", "expired")
    assert not tally.bury(None, "unknown_routing_key")
    assert (tally.jobs_open, tally.events, tally.refused, tally.buried) == (0, {}, {}, {})
    assert tally.take(created())


def test_the_same_seed_makes_the_same_load() -> None:
    """A finding can be looked at again; in another run its requests have other ids."""
    assert mixed_load(100, 7) == mixed_load(100, 7) != mixed_load(100, 8)
    again = mixed_load(100, 7, "b-")
    assert [asked.id for asked in again] == [f"b-{asked.id}" for asked in mixed_load(100, 7)]
    assert not {asked.body for asked in again} & {asked.body for asked in mixed_load(100, 7)}


def test_a_load_has_good_requests_by_the_schema_and_every_kind_of_bad_one() -> None:
    """Ids are unique, and what is called good is good."""
    load = mixed_load(200, 1)
    kinds = Counter(asked.expects for asked in load)
    assert len({asked.id for asked in load}) == len({asked.body for asked in load}) == 200
    assert kinds["started"] > 180
    assert len(kinds) > 12
    for asked in load:
        if asked.good:
            assert contracts.violations("start-job.v1", orjson.loads(asked.body)) == []
