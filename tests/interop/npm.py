"""Packages of npm as this folder locks them, installed once for all runs."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_CACHE = _HERE.parent.parent / ".cache" / "interop"
_PACKAGE = ("package.json", "package-lock.json", ".npmrc")
_INSTALL_WITHIN_S = 240


def node_modules(folder: str) -> Path:
    """What *folder* locks, installed. Skips where it cannot be had, unless JOBRELAY_REQUIRE names node."""
    named = _HERE / folder
    digest = hashlib.sha256(b"".join((named / name).read_bytes() for name in _PACKAGE)).hexdigest()[:16]
    place = _CACHE / digest
    if not place.exists() and (problem := _install(named, place)):
        (pytest.fail if required("node") else pytest.skip)(f"{folder} cannot be installed: {problem}")
    return place / "node_modules"


def required(program: str) -> bool:
    """Whether JOBRELAY_REQUIRE names it."""
    return program in os.environ.get("JOBRELAY_REQUIRE", "").split(",")


def _install(named: Path, place: Path) -> str | None:
    """Installs into *place*, wholly or not at all; what went wrong, if anything."""
    npm = shutil.which("npm")
    if npm is None:
        return "there is no npm"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE, ignore_cleanup_errors=True) as new:
        for name in _PACKAGE:
            shutil.copy(named / name, new)
        try:
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts"],
                cwd=new,
                capture_output=True,
                text=True,
                timeout=_INSTALL_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"npm took longer than {_INSTALL_WITHIN_S} s"
        if done.returncode:
            return done.stderr[-500:]
        Path(new).rename(place)
    return None
