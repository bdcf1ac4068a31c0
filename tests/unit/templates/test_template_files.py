"""The templates of a folder: all of them, or everything that is wrong, with its file and line."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from worker.contracts import schema
from worker.contracts.schemas import root
from worker.domain.requests import Kind
from worker.templates.files import TemplateErrors, load

GOOD = """name: NAME
bindings: [{exchange: x, routingKeys: ["a.b", "c.#"]}]
requestId: data.id
start:
  process: {name: A}
"""


def good(name: str, more: str = "") -> str:
    """A template that holds."""
    return GOOD.replace("NAME", name) + more


def faults(folder: Path, **files: str | bytes) -> list[str]:
    """What is wrong with a folder of these files; `__` in a name is its dot."""
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(TemplateErrors) as raised:
        load(folder)
    return [str(fault) for fault in raised.value.faults]


def test_a_folder_is_read_in_the_order_of_its_files(tmp_path: Path) -> None:
    """Several documents in a file, and what a mounted ConfigMap puts beside them."""
    (tmp_path / "b.yaml").write_text(good("b") + "---\n" + good("c") + "---\n# no more\n")
    (tmp_path / "a.json").write_bytes((root() / "examples/template.v1/minimal.json").read_bytes())
    (tmp_path / "..data").mkdir()
    (tmp_path / ".hidden.yaml").write_text("][")
    (tmp_path / "README.md").write_text("read me")
    templates = load(tmp_path)
    assert [(one.name, one.file, one.line) for one in templates] == [
        ("triage", "a.json", 1),
        ("b", "b.yaml", 1),
        ("c", "b.yaml", 7),
    ]
    assert templates[1].kind is Kind.START
    assert load(tmp_path / "..data") == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "t.yaml: holds no template"),
        ("][", "t.yaml, line 1: expected the node content, but found ']'"),
        (good("a", "when: 'data.x =='\n"), "t.yaml, line 6: /when is not an expression: "),
        (
            good("a", 'when: "nope(data.x)"\n'),
            "t.yaml, line 6: /when is not an expression: there is no function",
        ),
        (good("a", 'when: "abs(`1`, `2`)"\n'), "/when is not an expression: abs() takes 1 arguments, not 2"),
        (good("a", "when: \"join('-')\"\n"), "/when is not an expression: join() takes 2 arguments, not 1"),
        (good("a", 'when: "' + "[" * 2000 + '"\n'), "t.yaml, line 6: /when is not an expression: "),
        (good("a", "wen: data.x\n"), "t.yaml, line 6: /wen is not known here; did you mean when?"),
        (good("a", "name: b\n"), "t.yaml, line 6: /name is there twice"),
        (good("a", "  priority: Hihg\n"), "t.yaml, line 6: /start/priority give Low"),
        (
            good("a", "  jobsCount: {$: data.n, $optional: data.m}\n"),
            "line 6: /start/jobsCount must be {$: EXPRESSION}",
        ),
        (good("a", "  jobsCount: {$: 3}\n"), "line 6: /start/jobsCount must be {$: EXPRESSION}"),
        (
            good("a", "  inputArguments:\n    A: [{$: ')('}]\n"),
            "line 7: /start/inputArguments/A/0 is not an expr",
        ),
        (
            good("a", "  expiresAt: {$: data.e}\nexpiresIn: PT1H\n"),
            "line 7: /expiresIn is there beside expiresAt",
        ),
        (
            good("a", "  priority: {$: data.a}\n  folder: {path: A, id: 3}\n"),
            "line 7: /start/folder give exactly one",
        ),
        (good("a", "  folder: {id: {$: data.a}, nr: 3}\n"), "line 6: /start/folder/nr is not known here"),
        (good("a", "expiresIn: PT0S\n"), "line 6: /expiresIn must be longer"),
        (good("a", "expiresIn: P1M\n"), "line 6: /expiresIn give a duration"),
        (good("a", "metadata: {m: {x: y}}\n"), "line 6: /metadata/m must be a text or {$: EXPRESSION}"),
        (good("a", "metadata: {template: y}\n"), "line 6: /metadata/template is set by the worker"),
        (good("a", "queueItem: {queue: Q}\n"), "line 1: give exactly one of start and queueItem"),
        (good("a", "note: &n x\n"), "t.yaml, line 6: anchors are not read"),
        (good("a", "note: !!binary aGk=\n"), "t.yaml, line 6: tags are not read"),
        (good("a", "  jobsCount: !!int foo\n"), "t.yaml, line 6: tags are not read"),
        (good("a", "  jobsCount: !!float abc\n"), "t.yaml, line 6: tags are not read"),
        (good("a", "note: ! x\n"), "t.yaml, line 6: tags are not read"),
        (good("a", "metadata: !!map {a: b}\n"), "t.yaml, line 6: tags are not read"),
        (good("a", "metadata: {a: !!seq [b]}\n"), "t.yaml, line 6: tags are not read"),
        (good("a", 'note: "\\UFFFFFFFF"\n'), "t.yaml, line 6: has an escape"),
        (good("a", 'note: "\\U00110000"\n'), "t.yaml, line 6: has an escape"),
        (good("a", "1: x\n"), "t.yaml, line 6: has a key that is not text: put it in quotes"),
        (good("a", "  jobsCount: 123456789012345678901\n"), "line 6: /start/jobsCount is too big a number"),
        (good("a", "  inputArguments: {A: 1e999}\n"), "line 6: /start/inputArguments/A is too big a number"),
        (good("a", 'note: "\\ud83d"\n'), "line 6: /note has half a character"),
        (good("a", 'metadata: {"\\ud83d": b}\n'), "line 6: /metadata has half a character"),
        (good("a").replace("exchange: x", "exchange: büro"), "/bindings/0/exchange give the name of an exch"),
        (good("a").replace("exchange: x", f"exchange: {'x' * 128}"), "/bindings/0/exchange "),
        (good("a").replace("exchange: x", "exchange: '  '"), "/bindings/0/exchange give the name of an exch"),
        (good("a").replace("c.#", "é" * 200), "/bindings/0/routingKeys/1 has 400 bytes; at most 255"),
        (good("a", "note: " + "[" * 40 + "]" * 40), "line 6: nests deeper than 32 levels"),
        (good("a", "note: " + "[" * 900), "line 6: nests deeper"),
        (good("a").encode() + b"note: \xff\n", "t.yaml, line 6: is not UTF-8"),
        (good("a") + "note: a\x07b\n", "t.yaml, line 6: has a character"),
        ("x" * 1_048_577, "t.yaml: has 1,048,577 bytes"),
        ("- 1\n", "t.yaml, line 1: must be an object"),
    ],
)
def test_a_fault_has_its_file_its_line_and_its_reason(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    """Whoever wrote the file finds the place at once."""
    found = faults(tmp_path, t__yaml=content)
    assert any(said in fault for fault in found), found


def test_a_file_whose_name_nobody_can_write_is_a_fault(tmp_path: Path) -> None:
    """It is told in the log, in readiness and by the check, none of which has characters for it."""
    found = faults(tmp_path, **{"\udcff__yaml": good("a")})
    assert found == ["\\udcff.yaml: has a name that is not UTF-8: give it another"]


def test_whatever_the_library_trips_over_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set that nobody thought of is not taken, like all that do not hold; other files' faults are told."""

    def trips(path: Path) -> object:
        raise ZeroDivisionError(path)

    monkeypatch.setattr("worker.templates.files.documents", trips)
    found = faults(tmp_path, a__yaml=good("a"), b__yaml=good("b"))
    assert found == [
        "a.yaml: cannot be read (ZeroDivisionError): docs/templates.md has whole ones",
        "b.yaml: cannot be read (ZeroDivisionError): docs/templates.md has whole ones",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{\n"name": "a",\n"name": "b"}', "t.json: the key /name is there twice"),
        ("{", "t.json: it is not JSON"),
        ('{\n\t"name": "A"\n}', "t.json, line 2: /name use 1 to 64"),
    ],
)
def test_json_is_read_strictly(tmp_path: Path, content: str, said: str) -> None:
    """A JSON file is JSON, and its faults have lines all the same."""
    found = faults(tmp_path, t__json=content)
    assert any(said in fault for fault in found), found


def test_all_faults_of_all_files_are_told_together(tmp_path: Path) -> None:
    """Nobody mends one, and then learns of the next; and nothing of the folder is taken."""
    found = faults(tmp_path, a__yaml=good("a", "when: '('\n"), b__yaml=good("b"), c__yml=good("b", "x: y\n"))
    assert [fault.partition(":")[0] for fault in found] == ["a.yaml, line 6", "c.yml, line 6"]


def test_a_name_is_unique_over_all_files(tmp_path: Path) -> None:
    """A rejection that names a template names one."""
    found = faults(tmp_path, a__yaml=good("same"), b__yaml="\n" + good("same"))
    assert "b.yaml, line 2: /name is the name of another template too, in a.yaml, line 1: " in found[0]


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    """It says which."""
    with pytest.raises(TemplateErrors, match="nowhere: cannot be read: No such file"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("007", "007"),
        ("2026-11-22", "2026-11-22"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("12:30:00", "12:30:00"),
        ("true", True),
        ("7", 7),
        ("-7.5e3", -7500.0),
        ("null", None),
        ("", None),
        ("'7'", "7"),
        ("=", "="),
    ],
)
def test_yaml_is_read_as_json_has_it(tmp_path: Path, written: str, read: Any) -> None:
    """A country code is no truth, an id no number, and a date no moment."""
    (tmp_path / "t.yaml").write_text(good("a", f"  inputArguments:\n    A: {written}\n"))
    assert load(tmp_path)[0].target["inputArguments"] == {"A": read}


@pytest.mark.parametrize(
    ("pattern", "key", "fits"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*", "a", False),
        ("*", "", True),
        ("#", "", True),
        ("#", "a.b.c", True),
        ("a.#", "a", True),
        ("a.#.z", "a.z", True),
        ("a.#.z", "a.b.c.z", True),
        ("a.#.z", "a.b.c", False),
        ("#.#.z", "z", True),
        ("#.a.#.a.#.a.#.b", ".".join("a" * 127), False),
    ],
)
def test_routing_keys_fit_as_the_broker_has_it(tmp_path: Path, pattern: str, key: str, *, fits: bool) -> None:
    """One queue has the events of all templates: each takes those that its own bindings bring."""
    (tmp_path / "t.yaml").write_text(good("a").replace('"c.#"', f'"{pattern}"').replace('"a.b", ', ""))
    (template,) = load(tmp_path)
    assert template.listens_to("x", key) == fits
    assert not template.listens_to("y", key)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("PT90M", timedelta(minutes=90)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ],
)
def test_a_duration_is_read_by_its_units(tmp_path: Path, written: str, read: timedelta) -> None:
    """Days to seconds, each where it is given."""
    (tmp_path / "t.yaml").write_text(good("a", f"expiresIn: {written}\n"))
    assert load(tmp_path)[0].expires_in == read


@pytest.mark.parametrize(("part", "of"), [("start", "start-job.v1"), ("queueItem", "add-queue-item.v1")])
def test_a_template_can_say_what_a_request_can(part: str, of: str) -> None:
    """A word that requests learn, templates learn too; what all requests share has a place of its own."""
    mine = schema("template.v1")["properties"][part]
    asked = schema(of)
    assert {*mine["properties"], "requestId", "metadata"} == {*asked["properties"]}
    assert {*mine["required"], "requestId"} == {*asked["required"]}
