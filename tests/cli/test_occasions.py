"""The demonstration of templates: its load of events, and the verdict over what came of them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from worker.cli.demo.load import Asked
from worker.cli.demo.occasions import templated_load, write_templates
from worker.cli.demo.verdict import Tally, by_template, judge
from worker.domain.failures import Rejected
from worker.domain.messages import Message
from worker.templates.event import read
from worker.templates.files import load
from worker.templates.make import Failed, Made, make_all

START = Asked("s", b"", jobs=1, copies=2, exchange="p.tickets", template="triage")
ITEM = Asked("i", b"", "added", items=1, exchange="p.shop", template="intake")
UNWANTED = Asked("u", b"", "ignored", exchange="p.shop", template="intake")


def test_each_event_of_the_load_comes_to_what_it_says(tmp_path: Path) -> None:
    """By the templates that the worker is given: good ones, unwanted ones, and every kind of bad one."""
    write_templates(tmp_path / "t", "p")
    templates = load(tmp_path / "t")
    events = templated_load(200, 1, "p")
    for asked in events:
        listening = [one for one in templates if one.listens_to(asked.exchange, asked.routing_key)]
        assert [one.name for one in listening] == [asked.template]
        message = Message(body=asked.body, content_type=asked.content_type, exchange=asked.exchange)
        assert _outcome(message, listening) == (asked.expects, asked.id if asked.good else None)
    assert len({asked.id for asked in events}) == len({asked.body for asked in events}) == 200
    kinds = Counter(asked.expects for asked in events)
    assert (kinds["ignored"], kinds["started"] + kinds["added"], len(kinds)) == (30, 150, 7)
    assert {asked.copies for asked in events if asked.good} == {1, 2}


def _outcome(message: Message, listening: list[Any]) -> tuple[str, str | None]:
    try:
        results = make_all(listening, read(message, 0.0))
    except Rejected as why:
        return why.code, None
    match results:
        case []:
            return "ignored", None
        case [Made() as made]:
            return {"job.start": "started"}.get(made.kind, "added"), made.request_id
        case [Failed()]:
            return "template_failed", None
    raise AssertionError(results)


def test_the_same_seed_makes_the_same_events() -> None:
    """A finding can be looked at again."""
    assert templated_load(50, 7, "p") == templated_load(50, 7, "p") != templated_load(50, 8, "p")


def heard(kind: str, name: str, template: str | None, **data: Any) -> dict[str, Any]:
    """An event of Jobrelay's."""
    data |= {"requestId": name, "metadata": {"template": template} if template else {}}
    return {"type": f"jobrelay.{kind}.v1", "id": f"{kind}-{name}-{template}", "data": data}


CREATED = heard("job-created", "s", "triage", job={"id": 1, "key": "k"}, index=1, count=1)
ENDED = heard("job-state", "s", "triage", job={"id": 1, "key": "k"}, state="Successful")
ADDED = heard("queue-item-added", "i", "intake", item={"id": None})
STARTS = [{"reference": "p:s", "jobIds": [1]}]
IN_QUEUE = {"reference": "p:i"}


@pytest.mark.parametrize(
    ("said", "items", "lost", "doubled", "wrong"),
    [
        ([CREATED, ENDED, ADDED], [IN_QUEUE], [], [], []),
        ([CREATED, ENDED], [], ["i was not added"], [], []),
        ([CREATED, ENDED], [IN_QUEUE], ["the item of i was not announced"], [], []),
        ([CREATED, ENDED, ADDED], [IN_QUEUE] * 2, [], ["i was added 2 times"], []),
        (
            [CREATED, ENDED, ADDED],
            [IN_QUEUE, {"reference": "p:x"}],
            [],
            ["x was added, and nobody asked"],
            [],
        ),
        ([CREATED, ENDED, ADDED], [IN_QUEUE, {"reference": "p:u"}], [], [], ["u was added"]),
        (
            [CREATED, ENDED, heard("queue-item-added", "i", "triage")],
            [IN_QUEUE],
            [],
            [],
            ["i was made by template triage"],
        ),
    ],
)
def test_the_verdict_is_over_items_too(
    said: list[dict[str, Any]],
    items: list[dict[str, Any]],
    lost: list[str],
    doubled: list[str],
    wrong: list[str],
) -> None:
    """Each is there once, and said; what nobody wanted came to nothing."""
    tally = Tally([START, ITEM, UNWANTED])
    assert tally.requests_open == 2
    for event in said:
        tally.take(event)
    verdict = judge(tally, STARTS, "p", items)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == (lost, doubled, wrong)
    assert verdict.good is (lost + doubled + wrong == [])


def test_a_job_of_what_only_asks_for_an_item_is_wrong() -> None:
    """A request becomes what it asks for, and nothing beside."""
    tally = Tally([START, ITEM])
    for event in (CREATED, ENDED, ADDED):
        tally.take(event)
    also = {"reference": "p:i", "jobIds": [2]}
    assert judge(tally, [*STARTS, also], "p", [IN_QUEUE]).wrong == ["i was started"]


def test_what_templates_made_is_counted_for_each() -> None:
    """Events as often as they were published, requests, and what came of them."""
    tally = Tally([START, ITEM, UNWANTED])
    for event in (CREATED, ENDED, ADDED, ADDED):
        tally.take(event)
    assert (tally.requests_open, tally.jobs_open) == (0, 0)
    assert by_template(tally) == {
        "intake": {"events": 2, "requests": 1, "jobs": 0, "items": 1, "refused": 0},
        "triage": {"events": 2, "requests": 1, "jobs": 1, "items": 0, "refused": 0},
    }
    assert judge(tally, STARTS, "p", [IN_QUEUE]).outcomes == {"started": 1, "added": 1, "ignored": 1}
