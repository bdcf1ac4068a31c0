"""The folder is taken whole or not at all, and is bound before it is in force."""

from collections.abc import Collection
from pathlib import Path

import pytest
from eventful import Counted
from structlog.testing import capture_logs

from worker.settings import SettingsError
from worker.templates.files import load
from worker.templates.folder import TemplateFolder

_FILE = """name: {name}
bindings: [{{exchange: x, routingKeys: [{key}]}}]
requestId: data.id
start: {{process: {{name: A}}}}
"""


class Bindings:
    """Notes what is wanted, and which templates were in force at that time."""

    def __init__(self) -> None:
        self.folder: TemplateFolder
        self.wanted: list[tuple[list[str], list[str]]] = []

    async def want(self, pairs: Collection[tuple[str, str]], within_s: float) -> None:
        """Wants these."""
        assert within_s > 0
        names = [template.name for template in self.folder.current()]
        self.wanted.append((sorted(key for _, key in pairs), names))


class Place:
    """A folder with one template, as a worker opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str | None] = []
        self.bindings = Bindings()
        self.write("a", "a")
        self.folder = self.bindings.folder = TemplateFolder(str(path), Counted(), self.told.append)

    def write(self, name: str, key: str) -> None:
        """A template's file."""
        (self.path / f"{name}.yaml").write_text(_FILE.format(name=name, key=key))

    async def look(self) -> list[str]:
        """Looks once; the names in force then."""
        await self.folder._look(self.path, self.bindings)
        return [template.name for template in self.folder.current()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The folder."""
    return Place(tmp_path)


def test_a_worker_does_not_begin_with_files_that_do_not_hold(tmp_path: Path) -> None:
    """One line names the setting, the file, the line and the reason; so it does where there is no folder."""
    (tmp_path / "t.yaml").write_text("name: a\nbindings: [\n")
    with pytest.raises(
        SettingsError, match=r"^JOBRELAY_TEMPLATES_DIR: .*: t.yaml, line 3: expected the node"
    ):
        TemplateFolder(str(tmp_path), Counted(), lambda _: None)
    with pytest.raises(SettingsError, match=r"nowhere: cannot be read: No such file"):
        TemplateFolder(str(tmp_path / "nowhere"), Counted(), lambda _: None)


async def test_a_new_set_is_bound_before_and_the_old_one_taken_off_after(place: Place) -> None:
    """No event that comes by a new binding meets the old templates here, nor one by an old binding nobody."""
    place.write("a", "b")
    assert await place.look() == ["a"]
    assert [keys for keys, _ in place.bindings.wanted] == [["a", "b"], ["b"]]
    place.write("c", "c")
    assert await place.look() == ["a", "c"]
    assert place.bindings.wanted[2:] == [(["b", "c"], ["a"]), (["b", "c"], ["a", "c"])]
    assert await place.look() == ["a", "c"]
    assert len(place.bindings.wanted) == 4
    assert place.told == [None, None]


async def test_a_bad_file_leaves_the_set_before_in_force(place: Place) -> None:
    """It is named with line and reason, once; and what holds again is taken."""
    place.write("b", "b")
    (place.path / "c.yaml").write_text("\nname: c\nwhen: '('\n")
    with capture_logs() as logs:
        assert await place.look() == await place.look() == ["a"]
    assert {(line["file"], line["line"]) for line in logs} == {("c.yaml", 2)}
    assert all(line["event"] == "templates.not_taken" for line in logs)
    assert place.told[0] is not None
    assert place.told[0].startswith("the templates before stay in force: c.yaml, line 2: /bindings")
    assert place.bindings.wanted == []
    (place.path / "c.yaml").unlink()
    assert await place.look() == ["a", "b"]
    assert place.told[1:] == [None]


@pytest.mark.parametrize(
    "content", ["a: !!int b", '"\\UFFFFFFFF"', "- &a [*a]", "x" * 2_000_000, "%YAML 9.9\n---\na"]
)
async def test_no_file_ends_the_watch(place: Place, content: str) -> None:
    """A worker that runs goes on with the set before, and says why the new one is not taken."""
    (place.path / "b.yaml").write_text(content)
    assert await place.look() == ["a"]
    assert "b.yaml" in str(place.told)
    (place.path / "b.yaml").unlink()
    assert await place.look() == ["a"]
    assert place.told[-1] is None


async def test_what_is_no_template_s_file_is_not_even_read(place: Place) -> None:
    """Somebody may keep events or a dump beside them: it makes no look dear, and no set new."""
    beside = place.path / "dump.bin"
    before = place.folder._seen
    beside.write_bytes(b"x")
    assert await place.look() == ["a"]
    assert (place.folder._seen, place.bindings.wanted) == (before, [])


async def test_a_folder_that_goes_away_changes_nothing(place: Place) -> None:
    """A mount that is lost for a moment takes no template out of force; an empty folder does."""
    moved = place.path.rename(place.path.with_name("moved"))
    assert await place.look() == ["a"]
    moved.rename(place.path)
    (place.path / "a.yaml").unlink()
    assert await place.look() == []


async def test_what_changes_under_the_reading_is_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of one set and half of the next is no set."""

    def slow(folder: Path, closed: Collection[str]) -> object:
        found = load(folder, closed)
        place.write("b", "b")
        return found

    place.write("a", "changed")
    monkeypatch.setattr("worker.templates.folder.load", slow)
    assert await place.look() == ["a"]
    assert place.bindings.wanted == []
    monkeypatch.undo()
    assert await place.look() == ["a", "b"]


async def test_without_a_folder_nothing_is_watched() -> None:
    """Most workers have no templates: nothing is bound, and nothing is looked at."""
    folder, bindings = TemplateFolder(None, Counted(), lambda _: None), Bindings()
    await folder.watch(bindings)
    assert (list(folder.current()), bindings.wanted) == ([], [])
