"""Hears what a client does, as metrics do, and keeps it."""

from collections import Counter
from collections.abc import Callable


class Heard:
    """Keeps the promises of `orchestrator.http.reports`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, float]] = []
        self.retries: list[str] = []
        self.lookups: list[str] = []
        self.reads: list[tuple[str, str]] = []
        self.turns: list[str] = []
        self.unknown: list[str] = []

    def call(self, operation: str, outcome: str, seconds: float) -> None:
        """An exchange ended."""
        self.calls.append((operation, outcome, seconds))

    def retry(self, operation: str) -> None:
        """A read is tried again."""
        self.retries.append(operation)

    def lookup(self, result: str) -> None:
        """A Reference was looked up."""
        self.lookups.append(result)

    def read(self, cache: str, result: str) -> None:
        """A name was asked of a cache."""
        self.reads.append((cache, result))

    def budget(self, a_minute: int, slowness: Callable[[], float], wait_s: Callable[[], float]) -> None:
        """How lists are read can be asked from now on."""
        self._pace = a_minute, slowness, wait_s

    def turn(self, result: str) -> None:
        """A list call had its turn, or was refused one."""
        self.turns.append(result)

    def unknown_word(self, kind: str) -> None:
        """A word came that nobody knows."""
        self.unknown.append(kind)

    def outcomes(self, operation: str) -> Counter[str]:
        """What came of an operation's calls."""
        return Counter(outcome for called, outcome, _ in self.calls if called == operation)

    def pace(self) -> tuple[int, float, float]:
        """How lists are read now: so many a minute, so much slower than that, and the seconds to the next."""
        a_minute, slowness, wait_s = self._pace
        return a_minute, slowness(), wait_s()
