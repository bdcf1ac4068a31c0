"""How a process ends when its output, its arguments or its user stop it: never with a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shell import Shell

from worker.cli.output import Failed, Output

ENVIRONMENT = {"JOBRELAY_AMQP_URL": "amqp://guest@127.0.0.1:1/", "PATH": os.environ["PATH"]}


def typed(shell_line: str) -> tuple[int, str, str]:
    """What a POSIX shell makes of a line in which `jobrelay` is the command: exit code, stdout, stderr."""
    line = shell_line.replace("jobrelay", f"'{sys.executable}' -m worker")
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


FULL = "/dev/full"
on_linux = pytest.mark.skipif(not Path(FULL).exists(), reason="a device of Linux")


@on_linux
def test_output_that_cannot_be_written_is_a_failure() -> None:
    """On a full disk the exit code is 1, and one line says why: also for what is written at the very end."""
    code, _, err = typed(f"jobrelay --version >{FULL}")
    assert (code, err) == (1, "error: the output could not be written: No space left on device\n")


@on_linux
@pytest.mark.parametrize(
    "write",
    [
        lambda output: output.record({"a": 1}),
        lambda output: output.document({"a": "b" * 10_000}),
        lambda output: output.line("a"),
        lambda output: output.table(["a"], [["b"]]),
    ],
    ids=["record", "document", "line", "table"],
)
def test_whatever_a_command_writes_it_hears_of_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[Output], None]
) -> None:
    """The failure is none of the connection's, and is not met again at the end."""
    with Path(FULL).open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(Failed, match="output could not be written: No space left"):
            write(Output())


def test_no_stdout_at_all_is_a_failure() -> None:
    """It is said before anything is done, since a connection would take the number of the file."""
    code, _, err = typed("jobrelay topology export >&-")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "stdout is closed" in err


def test_a_reader_that_leaves_is_no_trouble() -> None:
    """Nothing is said to those who wanted only the first line."""
    _, out, err = typed("jobrelay topology export | head -1")
    assert (out, err) == ("{\n", "")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("start X --arg", "a=\\xff"),
        ("start", "\\xff"),
        ("follow --request", "r\\xff"),
        ("dead show", "\\xff"),
    ],
)
def test_bytes_that_are_no_text_are_a_mistake_in_usage(bare: Shell, command: str, name: str) -> None:
    """The argument is named, with its bytes readable."""
    said = bare(*command.split(), name.replace("\\xff", "\udcff"))
    assert (said.code, said.out) == (2, "")
    assert f"'{name}' is not UTF-8 text" in " ".join(said.err.replace("│", " ").split())


def test_an_interrupt_before_the_command_has_begun_is_130_without_a_word() -> None:
    """The first signal comes with the first import of a large library."""
    program = (
        "import os, signal, sys\n"
        "class Hook:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in ('typer', 'asyncio'): os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Hook())\n"
        "import worker.__main__\n"
        "worker.__main__.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_the_first_process_of_a_container_ends_at_once_and_leaves_no_zombies() -> None:
    """What the kernel does for any other process it must do itself; it goes by its number."""
    first = "import os, signal; os.getpid = lambda: 1; from worker.cli import interrupt\n"
    orphan = "interrupt.leave_no_zombies(); os.fork() or os._exit(0)\n"
    for program, code in (
        ("interrupt.end_at_once(); signal.raise_signal(signal.SIGTERM)", 143),
        (orphan + "try: os.wait()\nexcept ChildProcessError: os._exit(7)", 7),
    ):
        ended = subprocess.run([sys.executable, "-c", first + program], timeout=30, check=False)
        assert ended.returncode == code


def test_an_interrupt_that_is_to_be_ignored_is() -> None:
    """A process started by nohup or in the background hears no Ctrl-C."""
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from worker.cli import interrupt;"
        "interrupt.end_at_once(); interrupt.begin(); signal.raise_signal(signal.SIGINT); print('alive')"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "alive\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [("ORCHESTRATOR_URL", "http://[::1"), ("ORCHESTRATOR_URL", "http://a:9999999"), ("TENANT", "a\r\nX: b")],
)
def test_a_worker_with_a_broken_setting_says_so_in_a_line(
    no_settings: pytest.MonkeyPatch, bare: Shell, name: str, value: str
) -> None:
    """It ends before it begins, with the exit code of settings."""
    no_settings.setenv("JOBRELAY_AMQP_URL", ENVIRONMENT["JOBRELAY_AMQP_URL"])
    no_settings.setenv(f"JOBRELAY_{name}", value)
    said = bare("run")
    assert (said.code, said.out, len(said.err.splitlines())) == (3, "", 1)
    assert said.err.startswith(f"error: JOBRELAY_{name} must ")


def test_a_worker_without_its_settings_names_each(no_settings: pytest.MonkeyPatch, bare: Shell) -> None:
    """A line for each: its name, and what it is."""
    no_settings.setenv("JOBRELAY_AMQP_URL", ENVIRONMENT["JOBRELAY_AMQP_URL"])
    said = bare("run")
    assert all(line.startswith("error: ") for line in said.err.splitlines())
    names = [line.removeprefix("error: ").split()[0] for line in said.err.splitlines()]
    assert (said.code, said.out) == (3, "")
    assert names == ["JOBRELAY_ORCHESTRATOR_URL", "JOBRELAY_CLIENT_ID", "JOBRELAY_CLIENT_SECRET"]
    assert "what stands before /odata" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["start", "X", "--expires-in", "99999999d"],
        ["audit", "tail", "--from", "9999-12-31T23:59:59-12:00"],
        ["dead", "replay", "--all", "--rate", "nan"],
        ["dead", "replay", "--all", "--rate", "inf"],
    ],
)
def test_a_number_beyond_all_bounds_is_a_mistake_in_usage(bare: Shell, arguments: list[str]) -> None:
    """It is refused like any other that cannot be meant."""
    said = bare(*arguments)
    assert (said.code, said.out) == (2, "")
