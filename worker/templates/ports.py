"""What the templates need from outside, beside the pipeline's ports.

Adapters keep these promises, unimported.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from worker.domain.messages import Message
from worker.domain.requests import Kind


class Outbox(Protocol):
    """Publishes, confirmed; see `pipeline.ports.Outbox`."""

    async def request(self, request: Message, kind: Kind, wanted: Callable[[], bool] | None = None) -> None:
        """Publishes a request of Jobrelay's own. Asks *wanted* as `announce` does."""

    async def defer(
        self, message: Message, kind: str, seconds: int, headers: Mapping[str, Any], again: Mapping[str, Any]
    ) -> None:
        """Sends *message* round the delay queue of *seconds*; it comes back by the routing key *kind*."""


class Bindings(Protocol):
    """Keeps the queue of events bound."""

    async def want(self, pairs: Collection[tuple[str, str]], within_s: float) -> None:
        """Binds these exchanges and keys, and no others. Returns when that was tried, or after *within_s*."""


class Telemetry(Protocol):
    """Counts what happens to events; never in the way."""

    def event(self, outcome: str) -> None:
        """What became of an event: `made`, `unmet`, `failed`, `rejected`, `unwanted`, `repeated`, `round`."""

    def made(self, template: str) -> None:
        """A request was made by *template*."""

    def failed(self, template: str) -> None:
        """*template* could make nothing of an event."""

    def loaded(self, templates: int) -> None:
        """So many templates are in force."""

    def refused(self, on: bool) -> None:
        """The files do not hold, and the templates before stay in force; or they do again."""
