"""The Orchestrator simulator as a process of its own, and what tests tell it and ask it."""

import json
import select
import subprocess
import sys
import urllib.request
from typing import Any, Self

_WITHIN_S = 30


class Simulated:
    """A running `python -m simulator`: `url` at its root, `cloud` and `onprem` the bases for a worker.

    A context; the process ends with it. Its calls block for about a millisecond.
    """

    url: str
    cloud: str
    onprem: str

    def __enter__(self) -> Self:
        """Starts it on a free port and returns when it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--port", "0"], stdout=subprocess.PIPE
        )
        try:
            assert self._process.stdout
            ready, _, _ = select.select([self._process.stdout], [], [], _WITHIN_S)
            assert ready, f"the simulator said nothing for {_WITHIN_S} s"
            places = json.loads(self._process.stdout.readline())
        except BaseException:
            self.__exit__()
            raise
        self.url, self.cloud, self.onprem = places["url"], places["cloud"], places["onprem"]
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.communicate(timeout=_WITHIN_S)

    def seed(self, seed: dict[str, Any] | None = None) -> None:
        """A new world: this one, or the built-in one; no faults, an empty ledger, no recorded requests."""
        self.tell("POST", "seed", seed)

    def faults(self, rules: list[dict[str, Any]]) -> None:
        """Adds faults after those that are set."""
        self.tell("POST", "faults", rules)

    def heal(self) -> None:
        """Drops the faults that are set."""
        self.tell("DELETE", "faults")

    def ledger(self) -> dict[str, Any]:
        """`starts`: every StartJobs committed, answered or not; `calls`: how often each operation came."""
        return dict(self.tell("GET", "ledger"))

    def requests(self) -> list[dict[str, Any]]:
        """What was asked since the last seed: method, path, query, headers (no Authorization), body."""
        return list(self.tell("GET", "requests"))

    def tell(self, method: str, name: str, content: Any = None) -> Any:
        """One control call, `/_sim/NAME`; its JSON answer. A refusal raises with the simulator's reason."""
        body = None if content is None else json.dumps(content).encode()
        call = urllib.request.Request(f"{self.url}/_sim/{name}", body, method=method)  # noqa: S310 - our own URL
        try:
            with urllib.request.urlopen(call, timeout=_WITHIN_S) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise AssertionError(f"{method} {name}: {refusal.code} {refusal.read().decode()}") from refusal
