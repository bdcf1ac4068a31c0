"""The scripts: what they say, and that everything is set up once, whatever is called first."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ["install", "test", "demo", "bench", "chaos", "track", "image", "check", "docs", "lock"]
_WITHIN_S = 60
_DEV = "v/pip.lock", "requirements-dev.lock"

# A Python whose venvs are copies of it, and which only writes down what pip is asked to do.
_PYTHON = """#!/bin/sh
case "$*" in
    -VV) echo "Python 3.11" ;;
    *flock*) exec python3 "$@" ;;
    "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
    "-m pip "*install*) sleep 0.1; echo "$*" >>"$CALLS" ;;
esac
"""

Install = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize("script", [*(f"scripts/{name}" for name in SCRIPTS), ".ci/run"])
def test_each_script_tells_what_it_does(script: str, tmp_path: Path) -> None:
    """`--help` says it from any folder, and does nothing else."""
    done = subprocess.run(
        [ROOT / script, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=_WITHIN_S, check=True
    )
    assert done.stdout.startswith(script)
    assert done.stderr == ""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone as far as scripts/install looks at it."""
    clone = tmp_path / "a clone"
    (clone / "scripts").mkdir(parents=True)
    files = [
        *("scripts/install", "scripts/progress.sh", "pyproject.toml"),
        *(p.name for p in ROOT.glob("*.lock")),
    ]
    for name in files:
        (clone / name).write_bytes((ROOT / name).read_bytes())
        (clone / name).chmod(0o755)
    return clone


@pytest.fixture
def install(clone: Path, tmp_path: Path) -> Install:
    """Calls scripts/install in the clone, with a Python that only writes down what it is asked to do."""
    python = tmp_path / "python"
    python.write_text(_PYTHON)
    python.chmod(0o755)
    (tmp_path / "redis-server").symlink_to(python)
    given = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": str(python),
        "CALLS": str(tmp_path / "calls"),
        "JOBRELAY_AMQP_URL": "amqp://given",
        "VENV": "v",
    }

    def install(*arguments: str) -> subprocess.Popen[str]:
        command = ["bash", str(clone / "scripts/install"), *arguments]
        return subprocess.Popen(
            command, cwd=tmp_path, env=os.environ | given, stderr=subprocess.PIPE, text=True
        )

    return install


def _calls(tmp_path: Path) -> list[str]:
    """What pip was asked to install, a word for each call."""
    calls = (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
    return [call.split()[-1].removeprefix("--requirement=") for call in calls]


def test_everything_is_installed_once(install: Install, tmp_path: Path) -> None:
    """The second call sees that all is done; a demo after the tests has nothing to do either."""
    for arguments in (["--dev"], ["--dev"], []):
        _, said = install(*arguments).communicate(timeout=_WITHIN_S)
    assert said == ""
    assert _calls(tmp_path) == [*_DEV, "."]


def test_tests_after_a_demo_add_what_they_need(install: Install, tmp_path: Path) -> None:
    """The demo takes the runtime's packages only; the tests then add theirs to the same venv."""
    for arguments in ([], ["--dev"], []):
        install(*arguments).communicate(timeout=_WITHIN_S)
    assert _calls(tmp_path) == ["requirements-build.lock", ".", *_DEV, "."]


def test_a_changed_lock_is_installed(install: Install, clone: Path, tmp_path: Path) -> None:
    """Nobody runs the tests with yesterday's packages."""
    install("--dev").communicate(timeout=_WITHIN_S)
    with (clone / "requirements.lock").open("a") as lock:
        lock.write("another==1.0\n")
    install("--dev").communicate(timeout=_WITHIN_S)
    assert _calls(tmp_path) == [*_DEV, "."] * 2


def test_two_installs_at_once_do_the_work_of_one(install: Install, tmp_path: Path) -> None:
    """The one waits for the other and then finds that all is done."""
    both = [install("--dev"), install("--dev")]
    assert [(one.communicate(timeout=_WITHIN_S), one.returncode)[1] for one in both] == [0, 0]
    assert _calls(tmp_path) == [*_DEV, "."]


def test_a_failed_install_is_no_install(install: Install, tmp_path: Path) -> None:
    """It says what failed and ends with a failure; the next call tries again."""
    python = tmp_path / "python"
    python.write_text(_PYTHON.replace("sleep 0.1;", "echo no network; exit 1;"))
    failed = install()
    _, said = failed.communicate(timeout=_WITHIN_S)
    assert failed.returncode != 0
    assert "no network" in said
    python.write_text(_PYTHON)
    (tmp_path / "a clone/v/bin/python").write_text(_PYTHON)
    install().communicate(timeout=_WITHIN_S)
    assert _calls(tmp_path) == ["requirements-build.lock", "."]
