"""An installed RabbitMQ run as a node of our own: nothing that runs is touched, nothing is left behind."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator.rabbitmq.guard import Guard
from simulator.rabbitmq.loading import AT_ONCE
from simulator.rabbitmq.loopback import NoBroker, await_broker, free_ports

# Debian's commands on the PATH insist on the service's user and folders; the real ones are these.
_SERVERS = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
    "/home/linuxbrew/.linuxbrew/opt/rabbitmq/sbin/rabbitmq-server",
)
_MORE_FOLDERS = ("/usr/sbin", "/opt/homebrew/bin", "/usr/local/bin", "/home/linuxbrew/.linuxbrew/bin")
_USER = "jobrelay"
_MEMORY, _DISK = 1 << 30, 64 << 20
_LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"
_IDLE = (
    "+sbwt none +sbwtdcpu none +sbwtdio none"  # waiting schedulers would take the processor from the tests
)

# A killed process may still write for a moment, so removing the folder may need a second try.
_CLEAN_UP = 'kill -KILL "-$1"; for _ in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$2" && break; sleep 0.2; done'


def installed_server() -> Path | None:
    """The `rabbitmq-server` of this machine that can be run as a private node."""
    found = next(filter(os.path.exists, _SERVERS), None) or _find("rabbitmq-server")
    return Path(found) if found and _find("epmd") else None


def _find(command: str) -> str | None:
    return shutil.which(command, path=os.pathsep.join((os.environ.get("PATH", ""), *_MORE_FOLDERS)))


class PrivateNode:
    """A RabbitMQ node with its own data folder, ports, port mapper, cookie and user, on loopback only.

    A context: the node answers inside it and is gone after it, with its data, also if this process is killed.
    """

    url: str
    """Where it is reached: `amqp://USER:PASSWORD@127.0.0.1:PORT`. It stays the same over `restart`."""

    def __init__(
        self, plugins: Sequence[str] = (), *, console: bool = False, wait: bool = True, tick_s: int = 5
    ) -> None:
        """`plugins` are enabled from the start; those with ports of their own listen where they always do.

        With *console* the node takes `tell`. Unless *wait*, the context begins while the node starts; if that
        comes to nothing, its end says so. Each quorum queue counts and checks itself every *tick_s*: 5 is
        RabbitMQ's own choice.
        """
        server = installed_server()
        if server is None:
            raise NoBroker("No rabbitmq-server with its epmd is installed.")
        self._server, self._plugins, self._console = server, plugins, console
        self._wait, self._tick_s = wait, tick_s
        self._open = ExitStack()
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Starts the node and returns when it takes connections."""
        with self._open:
            self._home = Path(tempfile.mkdtemp(prefix="jobrelay-rabbitmq-"))
            self._port, epmd, *rest = free_ports(6)
            self._environment = self._environ(epmd, rest)
            password = secrets.token_hex(12)
            self._write_files(password)
            self.url = f"amqp://{_USER}:{password}@127.0.0.1:{self._port}"
            self._epmd = self._spawn(_find("epmd") or "epmd", group=0)
            self._open.callback(self._reap)
            self._open.enter_context(Guard(_CLEAN_UP, str(self._epmd.pid), str(self._home)))
            self._start()
            self._open = self._open.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kills the node, which nobody needs any more, and removes its folder."""
        if not self._wait and self._node.poll() is not None:
            print(f"RabbitMQ has ended by itself.\n{self._last_words()}", file=sys.stderr)
        self._open.close()

    def kill(self) -> None:
        """The node is gone at once, as when the system kills it; its data stay.

        A quorum queue that was declared in the last second or so may answer nothing after `restart`: RabbitMQ
        writes its register of them with that delay.
        """
        self._node.kill()
        self._node.wait()

    def restart(self) -> None:
        """The node ends (unless it has) and answers again at the same port with the same data."""
        self.kill()
        self._start()

    def pause(self) -> None:
        """The node stands still with all connections open, as behind a dead network, until `resume`."""
        self._node.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """A paused node goes on."""
        self._node.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """The id of the node's process."""
        return self._node.pid

    def ctl(self, *arguments: str, timeout_s: float = 60) -> str:
        """Runs `rabbitmqctl` against this node and returns what it printed; about a second each."""
        command = [str(self._server.with_name("rabbitmqctl")), "--quiet", *arguments]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=timeout_s, check=True
        )
        return done.stdout

    def tell(self, expression: str, timeout_s: float = 20) -> str:
        """Evaluates Erlang in the node and returns the value as Erlang writes it, at no cost beside `ctl`.

        Raises `ValueError` with what the node says of an expression that fails.
        """
        answer = self._home / f"answer-{secrets.token_hex(4)}"
        line = (
            f'file:write_file("{answer}.part", io_lib:format("~tp", [try {{ok, begin {expression} end}}'
            " catch _:Why -> {failed, Why} end])),"
            f' file:rename("{answer}.part", "{answer}"), f().\n'
        )
        if self._node.stdin is None:
            raise ValueError("this node has no console")
        self._node.stdin.write(line.encode())
        self._node.stdin.flush()
        end = time.monotonic() + timeout_s
        while not answer.exists():
            if time.monotonic() > end:
                raise ValueError(f"the node does not answer {expression}\n{self._last_words()}")
            time.sleep(0.005)
        kind, _, value = answer.read_text()[1:-1].partition(",")
        if kind != "ok":
            raise ValueError(f"{expression}: {value}")
        return value

    def _start(self) -> None:
        self._node = self._spawn(str(self._server), group=self._epmd.pid, console=self._console)
        if not self._wait:
            return
        try:
            await_broker(self._port, lambda: self._node.poll() is not None)
        except NoBroker as error:
            raise NoBroker(f"{error}\n{self._last_words()}") from error

    def _spawn(self, program: str, group: int, *, console: bool = False) -> subprocess.Popen[bytes]:
        """A process of the port mapper's group: Ctrl-C does not reach it, and one signal ends them all."""
        with (self._home / "output.txt").open("ab") as output:
            process = subprocess.Popen(
                [program],
                cwd=self._home,
                env=self._environment | AT_ONCE,
                stdin=subprocess.PIPE if console else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=group,
            )
        self._started.append(process)
        return process

    def _reap(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()

    def _last_words(self) -> str:
        texts = [self._home / "output.txt", *sorted((self._home / "log").glob("*.log"))]
        return "\n".join("\n".join(text.read_text(errors="replace").splitlines()[-15:]) for text in texts)

    def _write_files(self, password: str) -> None:
        (self._home / "enabled_plugins").write_text(f"[{','.join(self._plugins)}].\n")
        (self._home / "advanced.config").write_text(
            f'[{{rabbit, [{{tcp_listeners, [{{"127.0.0.1", {self._port}}}]}},'
            f' {{default_user, <<"{_USER}">>}}, {{default_pass, <<"{password}">>}},'
            f" {{quorum_tick_interval, {1000 * self._tick_s}}},"
            f" {{vm_memory_high_watermark, {{absolute, {_MEMORY}}}}}, {{disk_free_limit, {_DISK}}}]}}].\n"
        )
        cookie = self._home / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)

    def _environ(self, epmd: int, ports: Sequence[int]) -> dict[str, str]:
        """This process's environment with nothing in it that is meant for another RabbitMQ or Erlang."""
        home, (distribution, *ctl) = self._home, ports
        foreign = ("RABBITMQ_", "ERL_", "NOTIFY_SOCKET", "CONF_ENV_FILE")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        settings = {
            "NODENAME": "jobrelay@localhost",
            "DIST_PORT": distribution,
            "CTL_DIST_PORT_MIN": ctl[0],
            "CTL_DIST_PORT_MAX": ctl[-1],
            "CONF_ENV_FILE": home / "none.conf",
            "CONFIG_FILE": home / "none",
            "ADVANCED_CONFIG_FILE": home / "advanced.config",
            "ENABLED_PLUGINS_FILE": home / "enabled_plugins",
            "FEATURE_FLAGS_FILE": home / "feature_flags",
            "GENERATED_CONFIG_DIR": home / "generated",
            "MNESIA_BASE": home / "data",
            "LOG_BASE": home / "log",
            "PID_FILE": home / "pid",
            "SERVER_ADDITIONAL_ERL_ARGS": f"{_LOOPBACK} {_IDLE}",
            "CTL_ERL_ARGS": _LOOPBACK,
        }
        return inherited | {
            "HOME": str(home),
            "PATH": os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_FOLDERS)),
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            **({"RABBITMQ_ALLOW_INPUT": "true"} if self._console else {}),
            "RUNNING_UNDER_SYSTEMD": "true",  # the start script then becomes the node instead of its parent
            **{f"RABBITMQ_{name}": str(value) for name, value in settings.items()},
        }
