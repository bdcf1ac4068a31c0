"""A worker as a process of its own, and waiting for what it does: a condition with a deadline."""

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from tenant import CLIENT_ID, CLIENT_SECRET
from warm import started

T = TypeVar("T")
WITHIN_S = 30.0
_LOOK_AGAIN_S = 0.01, 0.2  # the longer it takes, the less often
_LINES_SHOWN = 25
QUICK = {
    "HTTP_TIMEOUT_S": 2,
    "GRACE_S": 12,
    "HEARTBEAT_S": 1,
    "COMMIT_SLACK_S": 0.5,
    "POLL_INTERVAL_S": 0.2,
    "POLL_BUDGET_PER_MIN": 6000,
    "HTTP_PORT": 0,
    "CLIENT_ID": CLIENT_ID,
    "CLIENT_SECRET": CLIENT_SECRET,
}


async def until(found: Callable[[], T], what: Callable[[], str] | str, within: float = WITHIN_S) -> T:
    """The first true value of *found*; fails with *what* when there is none in time."""
    end = time.monotonic() + within
    pause, longest = _LOOK_AGAIN_S
    while not (value := found()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what if isinstance(what, str) else what()}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.25, longest)
    return value


class Working:
    """A running `python -m worker run`. A context; leaving it kills the process if it has not ended.

    *settings* are names without their prefix, over the quick ones; the log goes to *log*. *program* is what
    Python is to run in place of the worker's module.
    """

    def __init__(
        self,
        log: Path,
        roles: str = "start,track,web",
        program: Sequence[str] = ("-m", "worker"),
        **settings: Any,
    ) -> None:
        self.log = log
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBRELAY_")}
        ours = {f"JOBRELAY_{name}": str(value) for name, value in {**QUICK, **settings}.items()}
        self._environment = {**kept, **ours}
        self._port = 0
        self._command = [*program, "run", "--role", roles]

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            output = log.fileno(), log.fileno()
            self._process = started(*self._command, output=output, environment=self._environment)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL: gone at once, whatever it has in hand."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """SIGTERM: asks it to stop."""
        self._process.send_signal(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: it stands still, with all that it has in hand."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it is served over HTTP, once it was ready."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        await until(lambda: self._process.poll() is not None, lambda: f"the worker ends\n{self.last_words()}")
        return self._process.wait()

    async def ready(self) -> None:
        """Returns when `/readyz` says so."""
        await self.health(lambda document: bool(document["ready"]))

    async def health(self, looked_for: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """The body of `/readyz`, once it is as *looked_for*."""
        seen: list[Any] = []

        def look() -> dict[str, Any] | None:
            seen[:] = [self._readyz()]
            return seen[0] if seen[0] is not None and looked_for(seen[0]) else None

        found = await until(look, lambda: f"readiness as awaited; it is {seen}\n{self.last_words()}")
        assert found is not None
        return found

    def metric(self, name: str) -> float:
        """The sum of the metrics whose lines in `/metrics` begin with *name*; once the worker was ready."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of that event so far."""
        return [line for line in self._lines() if line.get("event") == event]

    def mentions(self, text: str) -> bool:
        """Whether *text* is anywhere in the log."""
        return text in self.log.read_text(errors="replace")

    def last_words(self) -> str:
        """The end of the log, for a test that fails."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LINES_SHOWN:] if self.log.exists() else []
        return "\n".join(["the worker's last lines:", *lines])

    def _lines(self) -> list[dict[str, Any]]:
        whole = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return [json.loads(line) for line in whole if line.startswith("{") and line.endswith("}")]

    def _readyz(self) -> dict[str, Any] | None:
        assert self._process.poll() is None, f"the worker has ended\n{self.last_words()}"
        if not self._port and not self._find_port():
            return None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=5) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as not_ready:
            with not_ready:
                return dict(json.load(not_ready))
        except OSError:
            return None

    def _find_port(self) -> int:
        for line in self.said("web.listening"):
            self._port = line["port"]
        return self._port
