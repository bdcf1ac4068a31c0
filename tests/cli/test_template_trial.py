"""`jobrelay template test`: the request that a template makes of an event, or why it makes none."""

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from shell import Shell

from worker.cli.output import Output
from worker.cli.template.trial import Sent, as_expected, trials
from worker.contracts.schemas import root
from worker.templates.files import load

EXAMPLES = root() / "examples" / "template.v1"
INCIDENT = str(EXAMPLES / "incident-created.yaml")
EVENT = str(EXAMPLES / "events" / "incident-created.json")
AT = ("--property", "timestamp=2026-11-22T08:15:00Z")
TOLD = {
    "specversion": "1.0",
    "type": "jobrelay.job-created.v1",
    "data": {"id": "1", "version": 1, "priority": "P1", "metadata": {"template": "another"}},
}
CLOUD = ("--property", "contentType=application/cloudevents+json")
MADE = {
    "incident-created": ("job.start", "inc-INC-4711-1", "incident.created"),
    "order-placed": ("queue-item.add", "order-O-1001", "order.placed"),
    "file-arrived": (
        "job.start",
        "file-439ec5c4d3b0f75402a296fa33ca4a7a97c5f127565547290c85807f00299df0",
        "",
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_a_worked_case_is_tried_with_nothing_but_its_two_files(bare: Shell, name: str) -> None:
    """No setting, no connection; exchange and key are the template's; a CloudEvent says that it is one."""
    files = (str(EXAMPLES / f"{name}.yaml"), str(EXAMPLES / "events" / f"{name}.json"))
    said = bare("template", "test", *files, *(CLOUD if name == "file-arrived" else ()))
    assert (said.code, said.err) == (0, "")
    (made,) = said.lines
    assert (made["result"], made["kind"], made["request"]["requestId"], made["routingKey"]) == (
        "made",
        *MADE[name],
    )
    assert made["request"]["metadata"]["template"] == made["template"]


def test_a_cloud_event_is_known_by_its_content_type_as_a_worker_knows_it(bare: Shell) -> None:
    """Sent as plain JSON it is data like any other: that is done, and said."""
    files = (str(EXAMPLES / "file-arrived.yaml"), str(EXAMPLES / "events" / "file-arrived.json"))
    said = bare("template", "test", *files)
    assert (said.code, said.lines[0]["result"]) == (1, "condition_not_met")
    assert "as application/json its body is the data" in said.err
    assert CLOUD[1] in said.err
    plain = bare("template", "test", *files, "--property", "contentType=application/json")
    assert (plain.out, plain.err) == (said.out, "")


def test_the_same_event_makes_the_same_request(bare: Shell) -> None:
    """To the letter, whenever it is asked, where the event says when it happened."""
    said = [bare("template", "test", INCIDENT, EVENT, *AT) for _ in range(2)]
    assert said[0].out == said[1].out
    assert said[0].lines[0]["request"]["expiresAt"] == "2026-11-22T09:15:00+00:00"


@pytest.mark.parametrize(
    ("event", "options", "result", "about"),
    [
        ({"id": "1", "priority": "P2"}, (), "condition_not_met", ("expression", "data.priority == 'P1'")),
        ({"id": 1, "version": 1, "priority": "P1"}, (), "failed", ("pointer", "/requestId")),
        ({}, ("--exchange", "shop"), "no_binding", ("exchange", "shop")),
        (TOLD, CLOUD, "left_alone", ("exchange", "tickets")),
        ({}, ("--routing-key", "incident.closed"), "no_binding", ("routingKey", "incident.closed")),
    ],
)
def test_why_no_request_is_made_is_told(
    bare: Shell, event: Any, options: tuple[str, ...], result: str, about: tuple[str, str]
) -> None:
    """With exit code 1, as there is none; a failure names template, pointer and expression."""
    said = bare("template", "test", INCIDENT, "-", *options, answer=json.dumps(event))
    (told,) = said.lines
    assert (said.code, told["template"], told["result"]) == (1, "incident-triage", result)
    assert told[about[0]] == about[1]
    if result == "failed":
        assert told["expression"] == "join('-', ['inc', data.id, to_string(data.version)])"
        assert "join()" in told["reason"]


@pytest.mark.parametrize("expected", ["made", "condition_not_met", "failed"])
@pytest.mark.parametrize(
    ("event", "options", "result"),
    [
        ({"id": "1", "version": 1, "priority": "P1"}, (), "made"),
        ({"id": "1", "priority": "P2"}, (), "condition_not_met"),
        ({"id": 1, "priority": "P1"}, (), "failed"),
        ({}, ("--exchange", "shop"), "no_binding"),
    ],
)
def test_a_pipeline_asks_for_the_result_it_expects(
    bare: Shell, event: Any, options: tuple[str, ...], result: str, expected: str
) -> None:
    """The exit code is 0 exactly if that comes; what came is told as ever."""
    told = bare("template", "test", INCIDENT, "-", *options, "--expect", expected, answer=json.dumps(event))
    assert (told.code, told.lines[0]["result"]) == (0 if result == expected else 1, result)


def test_all_templates_that_hear_of_an_event_are_held_to_what_is_expected() -> None:
    """Those that it does not come to have no say, unless it comes to none."""
    assert as_expected(["no_binding", "made", "made"], "made")
    assert not as_expected(["made", "condition_not_met"], "made")
    assert as_expected(["made", "condition_not_met"], None)
    assert not as_expected(["no_binding"], "made")


def test_expressions_see_what_the_event_came_with(bare: Shell, tmp_path: Path) -> None:
    """Headers with their types, properties, exchange and key, as a worker's would."""
    seen = {name: {"$": name} for name in ("type", "appId", "messageId", "correlationId", "routingKey")}
    seen |= {"Count": {"$": "headers.count"}, "Text": {"$": "headers.text"}}
    part = {"queue": "q", "specificContent": seen}
    own = {"name": "t", "bindings": [{"exchange": "e", "routingKeys": ["a.*.#"]}], "requestId": "'r'"}
    (tmp_path / "t.json").write_text(json.dumps({**own, "queueItem": part}))
    (tmp_path / "e.json").write_text("{}")
    given = [f"--property={name}={name}-1" for name in ("type", "appId", "messageId", "correlationId")]
    files = (str(tmp_path / "t.json"), str(tmp_path / "e.json"))
    said = bare("template", "test", *files, *given, "--header", "count:=7", "--header", "text=7")
    assert said.lines[0]["request"]["specificContent"] == {
        **{name: f"{name}-1" for name in ("type", "appId", "messageId", "correlationId")},
        "routingKey": "a.any",
        "Count": 7,
        "Text": "7",
    }


def test_all_templates_of_a_folder_are_tried_as_a_worker_does(
    bare: Shell, no_settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Or the one that is named; two that would make one request are told, and fail."""
    for name in MADE:
        shutil.copy(EXAMPLES / f"{name}.yaml", tmp_path)
    twin = (tmp_path / "incident-created.yaml").read_text("utf-8").replace("incident-triage", "twin")
    (tmp_path / "later.yaml").write_text(twin, "utf-8")
    came = ("--exchange", "tickets", "--routing-key", "incident.created")
    said = bare("template", "test", str(tmp_path), EVENT, *came)
    found = [(line["template"], line["result"]) for line in said.lines]
    assert found == [
        ("file-to-all-robots", "no_binding"),
        ("incident-triage", "made"),
        ("twin", "failed"),
        ("order-intake", "no_binding"),
    ]
    assert said.code == 1
    no_settings.setenv("JOBRELAY_TEMPLATES_DIR", str(tmp_path))
    assert bare("template", "test", "twin", EVENT).lines[0]["result"] == "failed"
    assert bare("template", "test", "incident-triage", EVENT).code == 0
    assert "no template 'nobody'" in bare("template", "test", "nobody", EVENT).err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((INCIDENT, "/nowhere.json"), 1, "/nowhere.json cannot be read"),
        (("/nowhere.yaml", EVENT), 1, "/nowhere.yaml"),
        (("incident-triage", EVENT), 1, "by its name, set JOBRELAY_TEMPLATES_DIR"),
        ((EVENT, EVENT), 1, "/name"),
        ((INCIDENT, INCIDENT), 1, "invalid_json"),
        ((INCIDENT, EVENT, "--property", "contentType=text/xml"), 1, "wrong_content_type"),
        ((INCIDENT, EVENT, "--property", "colour=red"), 2, "none of messageId"),
        ((INCIDENT, EVENT, "--property", "timestamp=noon"), 2, "2026-01-31T08:00:00Z"),
        ((INCIDENT, EVENT, "--header", "nothing"), 2, "name=value"),
    ],
)
def test_what_cannot_be_tried_is_told_in_a_line(
    bare: Shell, arguments: tuple[str, ...], code: int, told: str
) -> None:
    """On stderr, and nothing on stdout."""
    said = bare("template", "test", *arguments)
    assert (said.code, said.out) == (code, "")
    assert told in " ".join(said.err.replace("│", " ").split())


def test_a_person_reads_the_request() -> None:
    """Under a line that names the template; where there is none, the line says why."""
    drawn = StringIO()
    output = Output.__new__(Output)
    output.as_json, output.console = False, Console(file=drawn, width=200)
    for body in (Path(EVENT).read_bytes(), b"{}", b'{"priority": "P1"}'):
        for trial in trials(load(Path(INCIDENT)), None, Sent(body)):
            trial.show(output)
    lines = drawn.getvalue().splitlines()
    assert lines[:3] == ["incident-triage: job.start", "{", '  "requestId": "inc-INC-4711-1",']
    assert "incident-triage: the condition is not met: data.priority == 'P1'" in lines
    assert lines[-1].startswith("template 'incident-triage': /requestId (join('-', ")
