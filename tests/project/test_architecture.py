"""ARCHITECTURE.md names places and tests; it stays short and true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
NAMED = re.findall(r"`([a-z_]+(?:/[A-Za-z_.]+)+/?)(?:::(\w+))?`", TEXT)


@pytest.mark.parametrize(("place", "test"), NAMED, ids=["::".join(filter(None, named)) for named in NAMED])
def test_what_it_names_is_there(place: str, test: str) -> None:
    """A place is a path from the root, from worker/ or from tests/; a test is in its file."""
    roots = (ROOT, ROOT / "worker", ROOT / "tests")
    found = [path for root in roots for path in (root / place, root / f"{place}.py") if path.exists()]
    assert found
    assert not test or f"def {test}(" in found[0].read_text()


def test_it_can_be_read_in_one_go() -> None:
    """At most 100 lines, each invariant with its number."""
    assert len(TEXT.splitlines()) <= 100
    assert re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE) == [str(number) for number in range(1, 12)]


@pytest.mark.parametrize(
    "folder",
    sorted(path.parent for path in (ROOT / "worker").glob("*/__init__.py")),
    ids=lambda path: path.name,
)
def test_the_map_has_every_folder_of_the_worker(folder: Path) -> None:
    """Each has its row, which names the folders in it."""
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `worker/{folder.name}/` |")]
    assert {path.parent.name for path in folder.glob("*/__init__.py")} <= set(
        re.findall(r"`([a-z_]+)/`", row)
    )
