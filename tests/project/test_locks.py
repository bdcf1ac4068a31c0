"""The locks fit pyproject.toml and each other, and everything in them has a hash."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = [one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra]
GROUPS = PROJECT["dependency-groups"]
RUNTIME, BUILD, DEV = (ROOT / f"requirements{kind}.lock" for kind in ("", "-build", "-dev"))
_HINT = "run scripts/lock"


def _locked(path: Path) -> dict[str, Requirement]:
    """What a lock pins, by name."""
    entries = path.read_text().replace("\\\n", " ").splitlines()
    pins = [Requirement(entry.partition("--hash")[0]) for entry in entries if entry and entry[0] not in "# "]
    return {canonicalize_name(pin.name): pin for pin in pins}


@pytest.mark.parametrize(
    ("wanted", "lock"),
    [
        (PROJECT["project"]["dependencies"] + EXTRAS, RUNTIME),
        (PROJECT["build-system"]["requires"] + GROUPS["build"], BUILD),
        ([one for one in GROUPS["dev"] if isinstance(one, str)], DEV),
    ],
    ids=["runtime", "build", "dev"],
)
def test_what_the_project_asks_for_is_locked(wanted: list[str], lock: Path) -> None:
    """Each dependency is in its lock, at a version that is within its bounds."""
    locked = _locked(lock)
    for asked in map(Requirement, wanted):
        pin = locked.get(canonicalize_name(asked.name))
        assert pin, f"{asked.name} is not in {lock.name}; {_HINT}"
        (version,) = (part.version for part in pin.specifier)
        assert asked.specifier.contains(version), f"{pin} in {lock.name} is not {asked}; {_HINT}"


@pytest.mark.parametrize("lock", [RUNTIME, BUILD], ids=["runtime", "build"])
def test_tests_run_with_what_is_shipped(lock: Path) -> None:
    """The dev lock has everything of the other two at the same versions, so that one venv serves all."""
    dev = {name: str(pin.specifier) for name, pin in _locked(DEV).items()}
    for name, pin in _locked(lock).items():
        assert dev.get(name) == str(pin.specifier), f"{name}; {_HINT}"


@pytest.mark.parametrize("lock", [RUNTIME, BUILD, DEV], ids=["runtime", "build", "dev"])
def test_every_package_has_hashes_and_no_source_is_named(lock: Path) -> None:
    """What is installed was seen when it was locked; where it comes from is the machine's own setting."""
    text = lock.read_text()
    for entry in text.replace("\\\n", " ").splitlines():
        assert re.search(r"==\S+.* --hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in text
