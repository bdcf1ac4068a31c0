"""What is typed: help, exit codes, and requests as the schema wants them."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import typer
from shell import Said, Shell

from worker.cli.main import app
from worker.cli.output import complain
from worker.cli.start.request import folder_fields, pairs, process_fields, seconds
from worker.cli.start.story import Story

COMMANDS = (
    "run", "check", "start", "follow", "jobs", "simulate", "demo", "probe", "audit", "audit tail", "topology",
    "topology declare", "topology export", "dead", "dead list", "dead show", "dead replay", "dead drop",
    "webhook", "webhook register", "webhook list", "webhook remove", "template", "template check",
    "template test", "template scaffold",
)  # fmt: skip
GUID = "99587436-4ce5-480d-988c-6d7f43787a2c"
NOWHERE = "amqp://guest:planted-secret@127.0.0.1:1/"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_by_examples(bare: Shell, command: str) -> None:
    """--help needs no setting and no broker, and shows what one would type."""
    said = bare(*command.split(), "--help")
    assert said.code == 0
    assert "Examples:" in said.out
    assert f"jobrelay {command}" in said.out


def test_help_keeps_to_a_terminal_of_80_columns() -> None:
    """It is shown with the line breaks that it was written with, after its first paragraph."""

    def paragraphs(command: Any) -> Iterator[str]:
        yield from (command.help or "").partition("\n\n")[2].splitlines()
        for one in getattr(command, "commands", {}).values():
            yield from paragraphs(one)

    assert [line for line in paragraphs(typer.main.get_command(app)) if len(line) > 79] == []


def test_the_topology_is_exported_without_a_broker(no_settings: pytest.MonkeyPatch, bare: Shell) -> None:
    """It talks to nobody, so it needs no address, and none that is right; a wrong prefix is still told."""
    assert bare("topology", "export").out.startswith("{")
    no_settings.setenv("JOBRELAY_AMQP_URL", "nonsense")
    assert bare("topology", "export").code == 0
    no_settings.setenv("JOBRELAY_PREFIX", "a b")
    assert bare("topology", "export").code == 3


def test_the_version_is_told(bare: Shell) -> None:
    """--version is one line."""
    said = bare("--version")
    assert (said.code, said.out.split()[0]) == (0, "jobrelay")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["topology", "declare"], 3, "JOBRELAY_AMQP_URL is missing"),
        (["frobnicate"], 2, "frobnicate"),
        (["start", "X", "--arg", "no-sign"], 2, "name=value"),
        (["start", "X", "--arg", "a:={"], 2, "not JSON"),
        (["start", "X", "--expires-in", "soon"], 2, "not a duration"),
        (["start", "X", "--folder", "id:xyz"], 2, "id:N with N a number"),
        (["dead", "replay", "--all", "--rate", "fast"], 2, "10/s"),
        (["dead", "show", "5c7d", "--all"], 2, "in one way"),
        (["dead", "drop", "5c7", "--yes"], 2, "at least 4 characters"),
        (["start", "X", "--strategy", "Some"], 2, "/strategy"),
        (["start", "X", "--request-id", "a b"], 2, "/requestId"),
        (["run", "--role", "start,stop"], 2, "'stop'"),
        (["follow", "--type", "job-stat"], 2, "did you mean job-state?"),
        (["audit", "tail", "--from", "yesterday"], 2, "2026-01-31T08:00:00Z"),
        (["jobs", "--state", "runing"], 2, "did you mean Running?"),
        (["jobs", "--state", "Successful"], 2, "there are Pending"),
        (["dead", "replay"], 2, "by ID, --code or --all"),
        (["dead", "drop", "--all"], 2, "--yes"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_exit_code(
    bare: Shell, arguments: list[str], code: int, told: str
) -> None:
    """Usage is 2, settings are 3; nothing is written to stdout."""
    said = bare(*arguments)
    assert (said.code, said.out) == (code, "")
    assert told in " ".join(said.err.replace("│", " ").split())


@pytest.mark.parametrize(
    "arguments",
    [["topology", "declare"], ["dead", "list"], ["follow"], ["audit", "tail"], ["start", "X"], ["jobs"]],
    ids=" ".join,
)
def test_a_broker_that_is_away_is_exit_code_4_in_one_line(
    no_settings: pytest.MonkeyPatch, bare: Shell, arguments: list[str]
) -> None:
    """The line says where and what to look at, and not the password."""
    no_settings.setenv("JOBRELAY_AMQP_URL", NOWHERE)
    said = bare(*arguments)
    assert (said.code, said.out) == (4, "")
    assert said.err.startswith("error: RabbitMQ at 127.0.0.1:1 cannot be reached")
    assert len(said.err.splitlines()) == 1
    assert "planted-secret" not in said.err


def test_a_real_process_says_no_more(bare: Shell) -> None:
    """Neither the libraries' logs nor the interpreter add to the line, and no secret is in it."""
    environment = {"JOBRELAY_AMQP_URL": NOWHERE, "PATH": ""}
    command = [sys.executable, "-m", "worker", "dead", "list"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    said = Said(ended.returncode, ended.stdout, ended.stderr)
    assert (said.code, said.out, f"\n{said.err}".count("\nerror:")) == (4, "", 1)
    assert "Traceback" not in said.err
    assert "planted-secret" not in said.err


def test_a_complaint_hides_what_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever text an error carries, no password is in what is printed."""
    complain(f"cannot open {NOWHERE}: client_secret=planted-secret was refused")
    said = capsys.readouterr().err
    assert said.startswith("error: cannot open amqp://guest:***@127.0.0.1:1/")
    assert "planted-secret" not in said


def test_a_missing_queue_names_the_way_to_have_it(
    no_settings: pytest.MonkeyPatch, bare: Shell, amqp_url: str, prefix: str
) -> None:
    """A wrong prefix is the usual reason, so it is named."""
    no_settings.setenv("JOBRELAY_AMQP_URL", amqp_url)
    no_settings.setenv("JOBRELAY_PREFIX", prefix)
    said = bare("dead", "list")
    assert said.code == 1
    assert f"no queue '{prefix}.dead-letters'" in said.err
    assert "JOBRELAY_PREFIX" in said.err
    assert "jobrelay topology declare" in said.err


@pytest.mark.parametrize(
    ("texts", "read"),
    [
        (["a=b"], {"a": "b"}),
        (["a=1", "b:=18446744073709551616", "c:=[true]"], {"a": "1", "b": 2**64, "c": [True]}),
        (["a=b=c", "d=x:=y"], {"a": "b=c", "d": "x:=y"}),
        (["in Text=line\nline", "e="], {"in Text": "line\nline", "e": ""}),
        ([], {}),
    ],
)
def test_arguments_are_text_or_json(texts: list[str], read: dict[str, Any]) -> None:
    """name=text stays text, name:=JSON is what it says, numbers to the digit."""
    assert pairs(texts, "--arg", typed=True) == read


@pytest.mark.parametrize(
    ("text", "folder"),
    [(None, None), ("Shared/A", {"path": "Shared/A"}), ("id:5", {"id": 5}), (f"key:{GUID}", {"key": GUID})],
)
def test_a_folder_is_a_path_an_id_or_a_key(text: str | None, folder: dict[str, Any] | None) -> None:
    """The forms of JOBRELAY_FOLDER."""
    assert folder_fields(text) == folder


def test_a_guid_is_a_release_key_and_anything_else_a_name() -> None:
    """An environment goes with a name."""
    assert process_fields(GUID.upper(), None) == {"releaseKey": GUID}
    assert process_fields("Triage", "Demo") == {"name": "Triage", "environment": "Demo"}


@pytest.mark.parametrize(("text", "number"), [("90", 90), ("1.5s", 1.5), ("10m", 600), ("2h", 7200)])
def test_a_duration_is_read(text: str, number: float) -> None:
    """Seconds unless a unit says otherwise."""
    assert seconds(text) == number


@pytest.mark.parametrize("text", ["", "-1", "10 minutes", "1w"])
def test_no_duration_is_a_mistake_in_usage(text: str) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(typer.BadParameter):
        seconds(text)


def event(kind: str, key: str = "k1", state: str = "Pending", count: int = 1) -> dict[str, Any]:
    """An event of the request `r`, as far as a story reads it."""
    data = {
        "requestId": "r", "job": {"key": key}, "state": state, "count": count, "index": 1, "process": {},
        "code": "expired", "detail": "late", "delaySeconds": 5, "bodyDiffers": False, "stopRequestId": "s",
    }  # fmt: skip
    return {"type": f"jobrelay.{kind}.v1", "time": datetime.now(UTC).isoformat(), "data": data}


CREATED, OTHER = event("job-created", count=2), event("job-created", "k2", count=2)


@pytest.mark.parametrize(
    ("events", "started", "waited"),
    [
        ([], None, None),
        ([event("request-deferred")], None, None),
        ([event("request-rejected")], False, False),
        ([event("request-duplicate")], False, False),
        ([CREATED], None, None),
        ([CREATED, OTHER], True, None),
        ([event("job-created"), event("job-state", state="Running")], True, None),
        ([event("job-created"), event("job-state", state="Successful")], True, True),
        ([event("job-created"), event("job-state", state="Faulted")], True, False),
        ([CREATED, OTHER, event("job-state", "k2", "Successful", 2)], True, None),
        (
            [
                CREATED,
                OTHER,
                event("job-state", "k2", "Successful", 2),
                event("job-state", "k1", "Stopped", 2),
            ],
            True,
            False,
        ),
        ([event("job-state", state="Successful"), event("job-created")], True, True),
        ([event("request-cancelled")], False, False),
        ([event("job-created"), event("job-tracking-expired")], True, False),
    ],
)
def test_a_story_ends_when_all_jobs_have(
    events: list[dict[str, Any]], started: bool | None, waited: bool | None
) -> None:
    """Without --wait when the jobs exist, with it when all are over; a refusal ends it either way."""
    story = Story("r")
    for one in events:
        assert story.take(one)
    assert (story.ended(wait=False), story.ended(wait=True)) == (started, waited)


def test_a_story_tells_what_is_repeated_once() -> None:
    """An event that comes again, under the same id, moves no job back."""
    story, running = Story("r"), {**event("job-state", state="Running"), "id": "e-1"}
    assert story.take(running)
    assert story.take({**event("job-state", state="Suspended"), "id": "e-2"})
    assert not story.take(running)
    assert story.jobs["k1"]["state"] == "Suspended"


def test_a_story_is_about_one_request() -> None:
    """Other requests' events change nothing."""
    story = Story("another")
    assert not story.take(event("job-created"))
    assert story.ended(wait=False) is None
