"""Texts for people: every link leads somewhere, and what one is told to type is there."""

import re
from argparse import ArgumentParser
from pathlib import Path

import pytest
import typer
from chaos import __main__ as chaos
from fleet import __main__ as fleet
from texts import ROOT, of_each_text

from bench import __main__ as bench
from reference.contract import routing_key, schemas
from worker.cli.main import app

README = (ROOT / "README.md").read_text("utf-8")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
_PROGRAM = re.compile(r"(?<![\w./-])scripts/[a-z]+\b(?![./])")
_PLACE = re.compile(r"`((?:bench|compose|k8s|reference|schemas|simulator|tests|worker)/[\w./-]+)")
_COMMAND = re.compile(r"^(?:.*[;&|] |.*-- |# )?jobrelay ([a-z][^|#;&>\n]*)", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; the second one of a name ends with -1."""
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.+)$", _FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        again = sum(1 for earlier in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", earlier))
        found.append(f"{slug}-{again}" if again else slug)
    return set(found)


@of_each_text
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(path: Path) -> None:
    """A reader who follows one finds the page, and the place on it."""
    for target, anchor in _LINK.findall(_FENCE.sub("", path.read_text("utf-8"))):
        file = path.parent / target if target else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text("utf-8")), f"{target}#{anchor}"


@of_each_text
def test_every_file_of_the_repository_that_is_named_is_there(path: Path) -> None:
    """Whoever looks into it finds it where the text says."""
    places = _PLACE.findall(path.read_text("utf-8"))
    assert [place for place in places if not (ROOT / place).exists()] == []


@of_each_text
def test_every_script_and_command_that_is_named_is_there(path: Path) -> None:
    """Whoever types it does not read 'not found'."""
    text = path.read_text("utf-8")
    assert [name for name in _PROGRAM.findall(text) if not (ROOT / name).exists()] == []
    blocks = "\n".join(_FENCE.findall(text)) + "\n" + "\n".join(re.findall(r"`(jobrelay [^`]+)`", text))
    assert [words for words in _COMMAND.findall(blocks) if not _is_command(words.split())] == []


def _is_command(words: list[str]) -> bool:
    """Whether these are a command of the CLI and its options."""
    command = typer.main.get_command(app)
    for word in words:
        commands = getattr(command, "commands", None)
        if commands is None or not word.isalpha():  # what follows are arguments
            break
        if word not in commands:
            return False
        command = commands[word]
    options = {option for one in command.params for option in one.opts} | {"--help"}
    return options >= {word.partition("=")[0] for word in words if word.startswith("--")}


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ("dead show 4711 --json", True),
        ("check --help", True),
        ("dead", True),
        ("dead show --id 4711", False),
        ("dead look", False),
        ("topology declare --role=start", False),
    ],
)
def test_a_command_is_one_with_its_options(typed: str, there: bool) -> None:
    """Examples."""
    assert _is_command(typed.split()) is there


@pytest.mark.parametrize(
    ("script", "parser"), [("bench", bench._parser()), ("chaos", chaos._parser()), ("track", fleet._parser())]
)
def test_a_script_s_help_has_every_option(script: str, parser: ArgumentParser) -> None:
    """It is the script's first lines, as the program behind it is not there yet when one asks."""
    first, _, _ = (ROOT / "scripts" / script).read_text("utf-8").partition("\n#\n")
    told = set(re.findall(r"\[(--[a-z-]+)", first))
    assert told == {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}


def test_the_readme_can_be_read_in_five_minutes() -> None:
    """At most 150 lines; what is longer is a page of docs/."""
    assert len(README.splitlines()) <= 150


def test_the_readme_tells_of_every_event() -> None:
    """Whoever binds a queue knows from its first page what may come."""
    told = re.findall(r"^\| `([a-z-]+\.[a-z.<>-]+)` \|", README, re.MULTILINE)
    keys = [routing_key(name).translate({ord("{"): "<", ord("}"): ">"}) for name in schemas("events")]
    assert sorted(told) == sorted(keys)


def test_the_readme_leads_to_every_page() -> None:
    """A page that nobody is led to is not read."""
    pages = {*ROOT.glob("docs/*.md"), ROOT / "docs/clients/README.md"}
    assert pages - {ROOT / target for target, _ in _LINK.findall(README)} == set()


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## Try it", "try-it"),
        ("### What `POST` costs, and why", "what-post-costs-and-why"),
        ("## [Alerts](x.md): all", "alerts-all"),
        ("## Who asks\n## Who asks", "who-asks-1"),
    ],
)
def test_an_anchor_is_what_github_makes_of_a_heading(heading: str, anchor: str) -> None:
    """Examples, as the rule is GitHub's."""
    assert anchor in anchors(heading)
