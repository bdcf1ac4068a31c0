"""Who hears what the client does: for metrics, and never in the way."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from worker.orchestrator.wire import Call


class Reports(Protocol):
    """Hears it. Words are of small sets."""

    def call(self, operation: str, outcome: str, seconds: float) -> None:
        """An exchange ended: *outcome* is a status, `unsent` or `lost`."""

    def retry(self, operation: str) -> None:
        """A read is tried again."""

    def lookup(self, result: str) -> None:
        """A Reference was looked up: `found`, `absent`, or `unknown` where nobody can tell now."""

    def read(self, cache: str, result: str) -> None:
        """A name was asked of a cache: `hit`, `miss`, `joined` (another one's read); `stale`: see `Cache`."""

    def budget(self, a_minute: int, slowness: Callable[[], float], wait_s: Callable[[], float]) -> None:
        """So many list calls a minute are this process's share; the rest may be asked at any time."""

    def turn(self, result: str) -> None:
        """A list call `had` its turn in the budget, or was `refused` one."""

    def unknown_word(self, kind: str) -> None:
        """A job had a word of that enumerated type that we do not know."""


class Exchange(Protocol):
    """One exchange under way, as a trace shows it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What carries the trace on to the server."""

    def ended(self, outcome: str) -> None:
        """What came of it, in the words of `Reports.call`."""


OnExchange = Callable[[Call], Exchange | None]
"""Hears of an exchange as it begins; None where nobody wants to hear of its end."""


class Silent:
    """Hears nothing."""

    def call(self, *_: Any, **__: Any) -> None:
        """Nothing is done of it."""

    retry = lookup = read = budget = turn = unknown_word = call


SILENT = Silent()
