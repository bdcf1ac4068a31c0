"""`python -m simulator.rabbitmq -- COMMAND`: which broker it takes, and how it treats the command."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

_WRAPPER = [sys.executable, "-m", "simulator.rabbitmq", "--"]
_GIVEN = "amqp://somebody:else@broker.invalid"
_WITHIN_S = 60

# A machine without RabbitMQ, for a command that cannot be told so otherwise.
_NOT_INSTALLED = """
import sys
import simulator.rabbitmq
from simulator.rabbitmq.__main__ import main
simulator.rabbitmq.installed_server = lambda: None
sys.exit(main())
"""
_BARE = [sys.executable, "-c", _NOT_INSTALLED, "--"]

# A command that counts the signals it gets until it is told to end.
_COUNTS = """
import os, signal, sys
seen = []
def count(number, frame):
    seen.append(number)
    os.write(1, b"got %d\\n" % number)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, count)
os.write(1, b"ready\\n")
sys.stdin.readline()
os.write(1, b"in all %d\\n" % len(seen))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment that names no broker, with a folder of programs of its own as the whole PATH."""
    inherited = {k: v for k, v in os.environ.items() if k != "JOBRELAY_AMQP_URL"}
    return inherited | {"PATH": str(tmp_path)}


def test_a_named_broker_is_used_and_the_exit_code_is_the_commands() -> None:
    """With JOBRELAY_AMQP_URL set nothing is started, and the command sees that very URL."""
    show = "import os, sys; print(os.environ['JOBRELAY_AMQP_URL']); sys.exit(7)"
    done = subprocess.run(
        [*_WRAPPER, sys.executable, "-c", show],
        env=os.environ | {"JOBRELAY_AMQP_URL": _GIVEN},
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, _GIVEN + "\n")


def test_an_unknown_command_is_named() -> None:
    """As in a shell: exit code 127 and the name."""
    done = subprocess.run(
        [*_WRAPPER, "no-such-command"],
        env=os.environ | {"JOBRELAY_AMQP_URL": _GIVEN},
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (127, "no-such-command: No such file or directory\n")


def test_without_any_broker_it_says_what_to_do(environment: dict[str, str]) -> None:
    """Neither a named broker nor RabbitMQ nor Docker: exit code 4 and the three ways out."""
    done = subprocess.run(
        [*_BARE, "true"], env=environment, capture_output=True, text=True, timeout=_WITHIN_S, check=False
    )
    assert done.returncode == 4
    assert all(way in done.stderr for way in ("JOBRELAY_AMQP_URL", "rabbitmq-server", "Docker"))


def test_a_container_is_published_on_loopback_and_removed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Where only Docker is there, a container serves the command; its password is not on the command line."""
    docker, calls = tmp_path / "docker", tmp_path / "calls"
    docker.write_text(f"#!{sys.executable}\n{_DOCKER.format(calls=str(calls))}")
    docker.chmod(0o755)
    done = subprocess.run(
        [*_BARE, sys.executable, "-c", "import os; print(os.environ['JOBRELAY_AMQP_URL'])"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=True,
    )
    run, removal = (line.split() for line in calls.read_text().splitlines() if line.startswith(("run", "rm")))
    user, password, port = done.stdout.strip().removeprefix("amqp://").replace("@127.0.0.1", "").split(":")
    assert f"127.0.0.1:{port}:5672" in run
    assert user
    assert password not in run
    assert removal[-1] == run[run.index("--name") + 1]


# Does of Docker what is asked of it here: lists its calls, and greets like a broker while a container runs.
_DOCKER = """
import socket, sys
with open({calls!r}, "a") as calls:
    print(*sys.argv[1:], file=calls)
if sys.argv[1] == "run":
    address, port, _ = sys.argv[sys.argv.index("--publish") + 1].split(":")
    with socket.create_server((address, int(port))) as server, server.accept()[0] as line:
        line.recv(8)
        line.sendall(b"\\x01")
"""


def test_one_signal_is_the_commands_and_the_third_ends_it() -> None:
    """A command may finish its work on the first signal; an impatient user gets rid of any command."""
    with _counting(_WRAPPER) as (wrapper, said):
        for _ in range(2):
            wrapper.send_signal(signal.SIGTERM)
            assert said.readline() == "got 15\n"
        wrapper.send_signal(signal.SIGTERM)
        assert wrapper.wait(_WITHIN_S) == 128 + signal.SIGKILL


def test_ctrl_c_on_a_terminal_reaches_the_command_once() -> None:
    """A terminal tells all its processes itself; being told again, the command would see a second Ctrl-C."""
    in_terminal = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *_WRAPPER]
    with _counting(in_terminal) as (wrapper, said):
        assert wrapper.stdin
        for typed, seen in (("\x03", "got 2"), ("\n", "in all 1")):
            wrapper.stdin.write(typed)
            wrapper.stdin.flush()
            while (line := said.readline()) and not line.rstrip().endswith(seen):
                pass
            assert line
        wrapper.communicate(timeout=_WITHIN_S)


@contextmanager
def _counting(wrapper: list[str]) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """The wrapper around a command that counts its signals, and what that says."""
    environment = os.environ | {"JOBRELAY_AMQP_URL": _GIVEN}
    command = [*wrapper, sys.executable, "-c", _COUNTS]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline().rstrip() == "ready"
        yield process, process.stdout
