"""The Orchestrator simulator as a process of its own, and what tests tell it and ask it."""

import json
import os
import select
import urllib.request
from typing import Any, Self

from warm import started

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
        hears, says = os.pipe()
        with open(hears) as said:  # noqa: PTH123 - a descriptor
            self._process = started("-m", "simulator", "--port", "0", output=(says, 2))
            os.close(says)
            ready, _, _ = select.select([said], [], [], _WITHIN_S)
            places = json.loads(said.readline()) if ready else {}
        assert places, f"the simulator did not say within {_WITHIN_S} s where it is"
        self.url, self.cloud, self.onprem = places["url"], places["cloud"], places["onprem"]
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.wait(_WITHIN_S)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

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
