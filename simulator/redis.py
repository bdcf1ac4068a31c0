"""An installed Redis or Valkey run as a server of our own, in memory only: nothing is left behind."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from simulator.rabbitmq.guard import Guard
from simulator.rabbitmq.loopback import free_ports

SERVERS = ("redis-server", "valkey-server")

_MORE_FOLDERS = ("/usr/bin", "/opt/homebrew/bin", "/usr/local/bin", "/home/linuxbrew/.linuxbrew/bin")
_UP_WITHIN_S = 30


class NoRedis(Exception):
    """There is no Redis and no Valkey, or it did not start; the text says which."""


def installed_server() -> str | None:
    """The server of this machine, Redis or Valkey."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_MORE_FOLDERS))
    return next(filter(None, (shutil.which(name, path=path) for name in SERVERS)), None)


class PrivateRedis:
    """A server on a loopback port of its own, with nothing on the disk.

    A context: it answers inside it and is gone after it, also if this process is killed.
    """

    url: str
    """Where it is reached: `redis://127.0.0.1:PORT/0`, with a password in it if it was given one."""
    port: int

    def __init__(self, *options: str, password: str = "") -> None:
        """*options* as in its configuration, such as `"--maxmemory", "5mb"`."""
        program = installed_server()
        if program is None:
            raise NoRedis("No redis-server and no valkey-server is installed.")
        (self.port,) = free_ports(1)
        fixed = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        secured = ("--requirepass", password) if password else ()
        self._command = [program, *fixed, *secured, *options]
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"
        self._running = ExitStack()

    def __enter__(self) -> Self:
        """Starts it and returns when it answers."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kills it."""
        self.kill()

    def start(self) -> None:
        """It answers at the same port as before, with nothing in it."""
        self._process = subprocess.Popen(
            self._command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C does not reach it
        )
        with ExitStack() as started:
            started.callback(self._process.wait)
            # The watcher sends the signal: until the process is waited for, its id is nobody else's.
            started.enter_context(Guard('kill -KILL "$1"', str(self._process.pid)))
            self._await_answer()
            self._running = started.pop_all()

    def kill(self) -> None:
        """It is gone at once, with all that was in it."""
        self._running.close()

    def pause(self) -> None:
        """It stands still with all connections open, as behind a dead network, until `resume`."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """A paused one goes on."""
        self._process.send_signal(signal.SIGCONT)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _UP_WITHIN_S
        while not self._answers():
            if self._process.poll() is not None:
                raise NoRedis(f"{self._command[0]} ended while it was starting.")
            if time.monotonic() > deadline:
                raise NoRedis(f"{self._command[0]} did not answer within {_UP_WITHIN_S} s.")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(b"PING\r\n")
                return line.recv(1) in {b"+", b"-"}
        except OSError:
            return False
