"""What is generated is as it would be generated now, and can be read."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reference.__main__ import PAGES, main
from worker.settings import Settings

ROOT = Path(__file__).parents[2]
_VOID = {"meta", "br"}


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """A schema, a setting or a queue that changed is told of; otherwise run scripts/docs."""
    assert (ROOT / name).read_text("utf-8") == PAGES[name]()


def test_a_page_that_is_out_of_date_is_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`scripts/docs --check` fails for a missing page, and `scripts/docs` then writes it."""
    for name in PAGES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    (tmp_path / "docs/settings.md").unlink()
    monkeypatch.setattr("reference.__main__.ROOT", tmp_path)
    assert main(["--check"]) == 1
    assert capsys.readouterr().out == "docs/settings.md: is not what scripts/docs would write\n"
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_every_setting_is_in_the_reference() -> None:
    """Each with its row; a secret with the name of its file."""
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \|.*\|.*\|.*\|.*\|$", text, re.MULTILINE)
    assert rows == [name.upper() for name in Settings.model_fields]
    assert "| `jobrelay_client_secret` |" in text
    assert "jobrelay_concurrency" not in text


def test_the_page_for_a_browser_needs_nothing_else() -> None:
    """It fetches nothing, runs nothing, and every link in it leads somewhere."""
    page = _Page()
    page.feed((ROOT / "docs/api.html").read_text("utf-8"))
    assert page.open == []
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert {target for target in page.targets if not target.startswith("#")} == set()
    assert {target[1:] for target in page.targets} <= page.ids


class _Page(HTMLParser):
    """What tags, ids and links a page has; its tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.targets: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        given = dict(attrs)
        self.tags.add(tag)
        self.ids |= {given["id"] or ""} if "id" in given else set()
        self.targets |= {value or "" for name, value in attrs if name in ("href", "src")}
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """A tag ends."""
        assert self.open.pop() == tag
