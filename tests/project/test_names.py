"""The repository names no package registry and no path of anybody's machine."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

# (Homebrew's folder on Linux is the same everywhere.)
_FOREIGN = re.compile(
    r"\b(files[.])?(pypi|pythonhosted|npmjs|yarnpkg|debian|ubuntu)[.](org|com)\b"
    r"|(?<![\w.$}/-])/(work|farm|root|home/(?!linuxbrew)\w+|Users/\w+)/"
)


def test_no_tracked_file_names_a_registry_or_a_machines_path() -> None:
    """A clone works with whatever mirrors and folders the machine has that it is on."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    found = []
    for name in filter(None, tracked.split("\0")):
        text = (ROOT / name).read_text(errors="replace") if (ROOT / name).is_file() else ""
        found += [f"{name}: {match[0]}" for match in _FOREIGN.finditer(text)]
    assert found == []
