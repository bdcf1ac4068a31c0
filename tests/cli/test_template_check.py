"""`jobrelay template check`: what is wrong with them, by themselves and at Orchestrator."""

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from shell import Shell
from simulated import Simulated

from worker.cli.output import table_of
from worker.cli.template.finding import COLUMNS, Finding
from worker.contracts.schemas import root

EXAMPLES = root() / "examples" / "template.v1"
CASES = ("file-arrived", "incident-created", "order-placed")
TYPED = {"process": {"name": "TypedArguments"}, "folder": {"path": "Operations"}}
FILLED = {"in_Text": "t", "in_Count": {"$": "data.n"}}
INVOICES = {"process": {"name": "InvoiceIntake"}, "folder": {"path": "Operations"}}
CLASSIC = {"process": {"name": "SupportTriage"}, "folder": {"path": "Classic"}}
ARGUMENT = "/start/inputArguments/in_"


def template(part: str, **target: Any) -> dict[str, Any]:
    """A template with that part."""
    return {"name": "one", "bindings": [{"exchange": "e"}], "requestId": "data.id", part: target}


def written(folder: Path, **files: Any) -> Path:
    """A folder of templates."""
    for name, document in files.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1))
    return folder


def test_every_fault_of_every_file_is_told_with_its_place(bare: Shell, tmp_path: Path) -> None:
    """File, line, pointer and reason; without a setting, and without asking anybody."""
    (tmp_path / "a.yaml").write_text("name: Big\nbindings: []\nrequestId: data.id\nqueueItem: {queue: q}\n")
    (tmp_path / "b.yaml").write_text(
        "name: b\nbindings: [{exchange: e}]\nwhen: 'data.['\nrequestId: nope(data)\nqueueItem: {queue: q}\n"
    )
    said = bare("template", "check", str(tmp_path))
    found = [(line["state"], line["file"], line["line"], line["pointer"]) for line in said.lines]
    assert found == [
        ("failed", "a.yaml", 1, "/name"),
        ("failed", "a.yaml", 2, "/bindings"),
        ("failed", "b.yaml", 3, "/when"),
        ("failed", "b.yaml", 4, "/requestId"),
    ]
    assert said.lines[3]["reason"] == "is not an expression: there is no function nope()"
    assert said.code == 1


@pytest.mark.parametrize(
    ("line", "reason", "remedy"),
    [
        (
            "note: Asked for: P1",
            "mapping values are not allowed here (column 16)",
            "the line is: note: Asked for: P1",
        ),
        ("\tnote: x", "cannot start any token (column 1)", "with spaces"),
        ("when: '", "end of stream", "close the quotes"),
        ("note: @x", "cannot start any token", "in quotes; the line is: note: @x"),
        ("note: &x y", "anchors are not read", "write it out"),
        ("name: two", "is there twice", "take one of them out"),
        ("when: 'data.[a'", "is not an expression", "in single quotes"),
        ("when: 'data.a ==== b'", "is not an expression", "understood up to: data.a =="),
        ("when: lenght(data.a)", "no function lenght()", "did you mean length()?"),
        ("when: join(',')", "join() takes 2 arguments", "with commas between"),
        ("when: priority", "there is no 'priority'", "beside it there are headers"),
        ("wen: data.a", "", "docs/templates.md"),
        ("expiresIn: PT0S", "no time at all", "PT1H"),
    ],
)
def test_each_fault_comes_with_its_remedy(
    bare: Shell, tmp_path: Path, line: str, reason: str, remedy: str
) -> None:
    """With column and line where the file is no YAML, and for an expression how far it is understood."""
    text = f"name: one\nbindings: [{{exchange: e}}]\nrequestId: data.id\nqueueItem: {{queue: q}}\n{line}\n"
    (tmp_path / "one.yaml").write_text(text)
    found = bare("template", "check", str(tmp_path)).lines[0]
    assert (found["state"], found["file"]) == ("failed", "one.yaml")
    assert reason in found["reason"]
    assert remedy in found["remedy"]


def test_what_is_not_asked_while_a_file_has_a_fault_is_said(connected: Shell, tmp_path: Path) -> None:
    """Whether Orchestrator has the process is told by the next check: this one says that it did not look."""
    wrong = template("start", **{**INVOICES, "process": {"name": "gone"}}) | {"when": "data.["}
    folder = written(tmp_path, one=wrong)
    fault, later = connected("template", "check", str(folder), "--connected").lines
    assert (fault["state"], fault["pointer"]) == ("failed", "/when")
    assert (later["state"], "Orchestrator was not asked" in later["reason"]) == ("skipped", True)
    assert later["remedy"] == "mend what failed, and check again"
    assert len(connected("template", "check", str(folder), "--offline").lines) == 1


def test_the_worked_cases_pass(
    connected: Shell, no_settings: pytest.MonkeyPatch, tmp_path: Path, simulator: Simulated
) -> None:
    """With Orchestrator where its settings are there, without it by --offline; the folder is a setting."""
    no_settings.setenv("JOBRELAY_TEMPLATES_DIR", str(tmp_path))
    for name in CASES:
        shutil.copy(EXAMPLES / f"{name}.yaml", tmp_path)
    for option in ("--offline", "--connected"):
        said = connected("template", "check", option)
        assert (said.code, {line["state"] for line in said.lines}) == (0, {"ok"}), said.out
        assert ("QueueDefinitions" in simulator.ledger()["calls"]) is (option == "--connected")


@pytest.mark.parametrize(
    ("part", "target", "pointer", "told"),
    [
        ("start", {**INVOICES, "folder": {"path": "Nowhere"}}, "/start/folder", "no folder 'Nowhere'"),
        ("start", {"process": {"name": "x"}}, "/start", "JOBRELAY_FOLDER is not set"),
        ("start", {**INVOICES, "process": {"name": "InvoceIntake"}}, "/start/process", "no process"),
        ("start", CLASSIC, "/start/process", "means 2 processes"),
        ("start", {**INVOICES, "strategy": "All"}, "/start/strategy", "not offered"),
        ("start", {**INVOICES, "robots": ["clerk-1", "x"]}, "/start/robots/1", "no robot 'x'"),
        ("start", {**INVOICES, "machines": ["x"]}, "/start/machines/0", "no machine 'x'"),
        ("start", {**TYPED, "inputArguments": {"in_Text": "t"}}, f"{ARGUMENT}Count", "required"),
        ("start", {**TYPED, "inputArguments": {**FILLED, "in_Cnt": 1}}, f"{ARGUMENT}Cnt", "in_Count?"),
        (
            "start",
            {**TYPED, "inputArguments": {**FILLED, "in_Cnt": {"$": "data.a"}}},
            f"{ARGUMENT}Cnt",
            "in_C",
        ),
        ("start", {**TYPED, "inputArguments": {**FILLED, "in_Text": 1}}, f"{ARGUMENT}Text", "must be text"),
        (
            "start",
            {**TYPED, "inputArguments": {**FILLED, "in_Text": {"$optional": "data.a"}}},
            f"{ARGUMENT}Text",
            "may be left out",
        ),
        ("queueItem", {"queue": "Order", "folder": {"id": 501}}, "/queueItem/queue", "near it: Orders"),
    ],
)
def test_what_orchestrator_does_not_have_is_told(
    connected: Shell, tmp_path: Path, part: str, target: dict[str, Any], pointer: str, told: str
) -> None:
    """With its place and line, and nothing else: what comes from the event may be anything."""
    said = connected("template", "check", str(written(tmp_path, one=template(part, **target))), "--connected")
    assert said.code == 1, said.err
    (found,) = said.lines
    assert (found["state"], found["template"], found["pointer"]) == ("failed", "one", pointer)
    assert told in f"{found['reason']} {found['remedy']}"
    assert found["line"] > 5


@pytest.mark.parametrize(
    ("part", "target", "pointer"),
    [
        ("start", {**INVOICES, "folder": {"path": {"$": "data.f"}}}, "/start/folder"),
        ("start", {**INVOICES, "process": {"name": {"$": "data.p"}}}, "/start/process"),
        ("start", {**INVOICES, "inputArguments": {"$": "data"}}, "/start/inputArguments"),
        ("queueItem", {"queue": {"$": "data.q"}, "folder": {"id": 501}}, "/queueItem/queue"),
    ],
)
def test_what_the_event_decides_is_left_to_it(
    connected: Shell, tmp_path: Path, part: str, target: dict[str, Any], pointer: str
) -> None:
    """It is no fault, and it is said that nobody has looked."""
    said = connected("template", "check", str(written(tmp_path, one=template(part, **target))))
    assert [(line["state"], line["pointer"]) for line in said.lines] == [("skipped", pointer)]
    assert said.code == 0


def test_a_check_that_could_not_check_fails(
    bare: Shell, account: None, no_settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No template, no folder, no Orchestrator, no settings of it: nobody takes that for a good end."""
    nothing = bare("template", "check", str(tmp_path))
    assert (nothing.code, "holds no template" in nothing.out) == (1, True)
    gone = bare("template", "check", str(tmp_path / "gone"))
    assert (gone.code, gone.lines[0]["remedy"]) == (1, "name the file or the folder that has the templates")
    written(tmp_path, one=template("start", **INVOICES), two={**template("start", **INVOICES), "name": "two"})
    no_settings.setenv("JOBRELAY_ORCHESTRATOR_URL", "http://127.0.0.1:1")
    away = bare("template", "check", str(tmp_path))
    assert [line["state"] for line in away.lines] == ["failed", "skipped", "skipped"]
    assert (away.code, "--offline" in away.lines[0]["remedy"]) == (1, True)
    no_settings.delenv("JOBRELAY_CLIENT_ID")
    missing = bare("template", "check", str(tmp_path), "--connected")
    assert (missing.code, missing.out) == (3, "")
    assert bare("template", "check", str(tmp_path)).code == 0
    assert "JOBRELAY_TEMPLATES_DIR" in bare("template", "check").err


def test_a_person_reads_a_table() -> None:
    """Sign, template, place, what is wrong and how to mend it, in a row."""
    finding = Finding("failed", "one", "a.yaml", 7, "/start/process", "is not there", "look")
    console = Console(file=StringIO(), width=120)
    with console.capture() as drawn:
        console.print(table_of(COLUMNS, [finding.row()], 120))
    row = drawn.get().splitlines()[1]
    assert row.split() == ["✗", "one", "a.yaml:7", "/start/process", "is", "not", "there", "look"]


def test_queues_that_may_not_be_seen_are_told_with_their_scope(
    connected: Shell, tmp_path: Path, simulator: Simulated
) -> None:
    """By its name, and where it is asked for: by default it is not."""
    simulator.faults([{"operation": "QueueDefinitions", "do": "status", "status": 403, "times": 2}])
    one = template("queueItem", queue="Orders", folder={"path": "Operations"})
    checked = connected("template", "check", str(written(tmp_path, one=one)), "--connected")
    asked = connected("template", "scaffold", "--queue", "Orders", "--folder", "Operations")
    for told in (checked.lines[0]["remedy"], asked.err):
        assert "OR.Queues" in told
        assert "JOBRELAY_SCOPE" in told
