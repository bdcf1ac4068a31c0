"""`jobrelay template scaffold`: a template to begin with, which is one whatever the names are."""

from pathlib import Path

import pytest
from shell import Shell

from worker.cli.template.scaffold import PLACEHOLDER, Order, text_of, text_of_queue
from worker.domain.processes import Argument, Folder, Process
from worker.domain.queues import Queue
from worker.templates.files import load


@pytest.mark.parametrize(
    "process",
    [
        ["TypedArguments", "--folder", "Operations"],
        ["Kim's report & more", "--folder", "Kim's folder"],
        ["Überweisung prüfen", "--folder", "id:502"],
        ["b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7002", "--folder", "Classic"],
        ["FileIntake", "--folder", "Classic", "--environment", "QuickstartDemo"],
    ],
)
def test_what_is_scaffolded_passes_the_check_with_an_exchange(
    connected: Shell, tmp_path: Path, process: list[str]
) -> None:
    """With Orchestrator; what is required is there, and a file that is there is left as it is."""
    file = tmp_path / "one.yaml"
    said = connected("template", "scaffold", "--process", *process, "--output", str(file))
    assert (said.code, said.out) == (0, ""), said.err
    text = file.read_text("utf-8")
    file.write_text(text.replace(PLACEHOLDER, "shop"), "utf-8")
    checked = connected("template", "check", str(tmp_path), "--connected")
    assert (checked.code, [line["state"] for line in checked.lines]) == (0, ["ok"]), checked.out
    file.write_text(text, "utf-8")
    assert connected("template", "scaffold", "--process", *process).out == text
    assert connected("template", "scaffold", "--process", "InvoiceIntake", "--folder", "Operations",
                     "--output", str(file)).code == 1  # fmt: skip
    assert file.read_text("utf-8") == text


def test_a_queue_is_scaffolded_into_a_folder_that_is_not_there(connected: Shell, tmp_path: Path) -> None:
    """It is made, and lacks an exchange only; a queue that is not there is told with what is near."""
    file = tmp_path / "new" / "templates" / "orders.yaml"
    asked = ("template", "scaffold", "--folder", "Operations", "--queue")
    said = connected(*asked, "Orders", "--output", str(file))
    assert (said.code, said.out) == (0, ""), said.err
    for option in ("--connected", "--offline"):
        checked = connected("template", "check", str(file), option)
        (found,) = checked.lines
        assert (checked.code, found["state"], found["pointer"]) == (1, "failed", "/bindings/0/exchange")
        assert (found["line"], found["remedy"]) == (6, "put the exchange of your application here")
    unknown = connected(*asked, "Order")
    assert (unknown.code, unknown.out, "near it: Orders" in unknown.err) == (1, "", True)
    assert [connected(*asked, "Orders", "--process", "x").code, connected(*asked[:2]).code] == [2, 2]


def test_a_scaffold_lists_the_arguments_with_their_types(connected: Shell) -> None:
    """Required ones first; a process that is not there is told with the nearest one."""
    said = connected("template", "scaffold", "--process", "TypedArguments", "--folder", "Operations")
    lines = [line.strip() for line in said.out.splitlines()]
    at = lines.index("inputArguments:")
    assert lines[at + 1 : at + 4] == [
        'in_Text: {$: "data.in_Text"}  # System.String, required',
        'in_Count: {$: "data.in_Count"}  # System.Int32, required',
        'in_Big: {$optional: "data.in_Big"}  # System.Int64, optional',
    ]
    assert 'in_Flag: {$optional: "data.in_Flag"}  # System.Boolean, optional, has a default' in lines
    unknown = connected("template", "scaffold", "--process", "TypedArgument", "--folder", "Operations")
    assert (unknown.code, unknown.out) == (1, "")
    assert "did you mean 'TypedArguments'?" in unknown.err


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        'q"q',
        "it's",
        "back\\slash",
        "ümlaut",
        "é\u2028x",
        "\U0001f600",
        "true",
        "x: {y}",
        "# no",
        "{0}",
        "1st",
        "\t",
    ],
)
def test_a_scaffold_is_a_template_whatever_the_names_are(tmp_path: Path, name: str) -> None:
    """Of the process, its folder and its arguments: in the file each of them is text."""
    one = Argument(name, f"Odd.{name}", required=True, has_default=False)
    process = Process(1, name, name, "1.0\n", "key", arguments=(one,))
    text = text_of(Order(name, None, None), Folder(1, None, f"A/{name}", modern=True), process)
    (tmp_path / "one.yaml").write_text(text, "utf-8")
    (read,) = load(tmp_path)
    assert read.target["process"] == {"name": name}
    assert read.target["folder"] == {"path": f"A/{name}"}
    slot = read.target["inputArguments"][name]
    assert slot.expression.value({"data": {name: "here"}}) == "here"


@pytest.mark.parametrize("name", ["a b", "é\u2028x", "x: {y}", "true", "{0}"])
def test_a_scaffold_for_a_queue_is_a_template_whatever_its_name_is(tmp_path: Path, name: str) -> None:
    """Like one for a process."""
    text = text_of_queue(
        Order(None, None, None, name), Folder(1, None, f"A/{name}", modern=True), Queue(1, name)
    )
    (tmp_path / "one.yaml").write_text(text, "utf-8")
    (read,) = load(tmp_path)
    assert (read.target["queue"], read.target["folder"]) == (name, {"path": f"A/{name}"})


def test_an_argument_that_a_template_cannot_name_is_left_to_a_comment(tmp_path: Path) -> None:
    """`$` marks an expression; the rest of the template is there."""
    given = tuple(Argument(name, "T", required=True, has_default=False) for name in ("$", "$y", "x"))
    process = Process(1, "p", "p", "1", "key", arguments=given)
    (tmp_path / "one.yaml").write_text(text_of(Order("p", None, None), Folder(1, None, "f", True), process))
    assert load(tmp_path)[0].target["inputArguments"].keys() == {"x"}
