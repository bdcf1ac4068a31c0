"""Processes of the product whose imports are done: each begins in milliseconds, where they take a second.

A Python that has imported everything forks one for each start. From there on they are what they are by
`python -m MODULE`: own process, environment, output, signals and exit code. What the start itself promises is
tested with real ones (tests/cli/test_ends.py), and the bench and the demo start real ones.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_PLACE = "WARM_PYTHON"
_IMPORTED = "worker.cli.main", "worker.app", "worker.cli.check.orchestrator", "simulator.__main__"
_NUMBER = 4
_PAUSE_S = 0.005
_FOR_THE_PARENT = signal.SIGTERM, signal.SIGHUP


@contextmanager
def ready() -> Iterator[None]:
    """Inside, this process and its children can start warm ones; all of those end with it."""
    with tempfile.TemporaryDirectory(prefix="warm-", ignore_cleanup_errors=True) as folder:
        place = f"{folder}/door"
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(place)
            door.listen(64)
            command = [sys.executable, __file__, str(door.fileno()), folder]
            server = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[door.fileno()]
            )
        os.environ[_PLACE] = place
        try:
            yield
        finally:
            del os.environ[_PLACE]
            server.communicate()


def started(
    *arguments: str, output: tuple[int, int], environment: Mapping[str, str] | None = None
) -> "Warm | subprocess.Popen[bytes]":
    """A running `python ARGUMENTS`: a warm one for `-m MODULE` inside `ready`, else one like any other.

    *output* are the descriptors of its stdout and stderr; *environment* is this process's unless given.
    """
    if arguments[0] == "-m" and _PLACE in os.environ:
        return Warm(arguments[1:], output, os.environ if environment is None else environment)
    out, err = output
    return subprocess.Popen([sys.executable, *arguments], stdout=out, stderr=err, env=environment)


class Warm:
    """A running `python -m MODULE ARGUMENTS`, with as much of `subprocess.Popen` as tests need of it.

    It is killed when this is closed or this process ends, if it has not ended before.
    """

    running: "set[Warm]" = set()  # noqa: RUF012 - all of this process

    def __init__(self, argv: Sequence[str], output: tuple[int, int], environment: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(os.environ[_PLACE])
        with tempfile.TemporaryFile() as order:
            what = {"argv": argv, "environment": dict(environment), "folder": str(Path.cwd())}
            order.write(json.dumps(what).encode())
            order.seek(0)
            socket.send_fds(self._line, [b"!"], [order.fileno(), *output])
            self.pid = _number(self._line)
        self.running.add(self)
        self._line.setblocking(False)

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        if self.returncode is None:
            try:
                self.returncode = _number(self._line)
            except BlockingIOError:
                return None
            self._line.close()
            self.running.discard(self)
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        """The same once it has ended."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            assert time.monotonic() < end, f"process {self.pid} has not ended within {timeout} s"
            time.sleep(_PAUSE_S)
        return code

    def send_signal(self, number: int) -> None:
        """Sends it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)


def _number(line: socket.socket) -> int:
    told = line.recv(_NUMBER)
    assert len(told) == _NUMBER, "the process that starts others has ended"
    return int.from_bytes(told, signed=True)


def _tell(line: socket.socket, number: int) -> None:
    with suppress(OSError):  # who asked may be gone
        line.send(number.to_bytes(_NUMBER, signed=True))


class _Server:
    """Forks on order, and tells how it went."""

    def __init__(self, door: socket.socket) -> None:
        self._children: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._died, wakes = socket.socketpair()
        for one in (self._died, wakes):
            one.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes.fileno())
        self._own = [door, self._died, wakes]
        self._selector.register(door, selectors.EVENT_READ)
        self._selector.register(self._died, selectors.EVENT_READ)
        self._selector.register(0, selectors.EVENT_READ)

    def order(self) -> list[int]:
        """Returns in each child, with the descriptors of its order and its output."""
        door, died, _ = self._own
        if 0 in [key.fileobj for key, _ in self._selector.select()]:
            self._end()  # nothing is imported before it is needed
        for name in _IMPORTED:
            importlib.import_module(name)
        sys.modules["worker.tls"].of_the_system()  # read once, here, in place of once in each child
        gc.freeze()
        while True:
            for key, _mask in self._selector.select():
                if key.fileobj == 0:
                    self._end()
                elif key.fileobj is died:
                    self._reap()
                elif key.fileobj is not door:
                    self._abandoned(key.data, key.fileobj)  # type: ignore[arg-type]
                elif given := self._fork(door.accept()[0]):
                    return given

    def _fork(self, line: socket.socket) -> list[int]:
        _, given, _, _ = socket.recv_fds(line, 1, 3)
        if pid := os.fork():
            self._children[pid] = line
            self._selector.register(line, selectors.EVENT_READ, pid)
            _tell(line, pid)
            for one in given:
                os.close(one)
            return []
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for own in (*self._own, *self._children.values(), line):
            own.close()
        return given

    def _abandoned(self, pid: int, line: socket.socket) -> None:
        """Nobody waits for this process any more."""
        if pid in self._children:
            os.kill(pid, signal.SIGKILL)
            self._selector.unregister(line)

    def _reap(self) -> None:
        self._died.recv(64)
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            line = self._children.pop(pid)
            if line in self._selector.get_map():
                self._selector.unregister(line)
                _tell(line, os.waitstatus_to_exitcode(status))
            line.close()

    def _end(self) -> None:
        """Who started this is gone, one way or the other: so is everything else."""
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(Path(sys.argv[2]), ignore_errors=True)
        os._exit(0)


def _become(order: int, *output: int) -> None:
    with open(order, "rb") as told:
        what: dict[str, Any] = json.load(told)
    for number, one in enumerate((os.open(os.devnull, os.O_RDONLY), *output)):
        os.dup2(one, number)
        os.close(one)
    os.chdir(what["folder"])
    os.environ.clear()
    os.environ.update(what["environment"])
    module, *_ = sys.argv = what["argv"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in _FOR_THE_PARENT:
        signal.signal(number, signal.SIG_DFL)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, *_FOR_THE_PARENT):
        signal.signal(number, signal.SIG_IGN)  # they are for who has started this, and then ends it
    sys.path[0] = str(Path.cwd())
    _become(*_Server(socket.socket(fileno=int(sys.argv[1]))).order())
