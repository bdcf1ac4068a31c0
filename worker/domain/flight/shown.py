"""What scans have shown, as heard here: for which jobs they speak, and which they have shown of late. Pure.

Moments are seconds of one clock, the hearer's.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

SAFETY_S = 600.0
"""Scans are believed for so long, or up to twice as long; then a job is read by id all the same."""
LATELY_S = 60.0
"""For how long at least it is known which jobs scans have shown that were in nobody's hands here."""
_LATELY_MOST = 100_000
# Rounds overlap: most of what one page shows is shown again by the next one.
_SPAN_S = 20.0
_MISSED_SCANS = 3
_PRIME = 2_654_435_761
_HEARD_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Link:
    """Where a chain of pages is: its id, how many there are, and the word by which the next is asked for."""

    chain: str
    number: int
    word: str


@dataclass(slots=True)
class _Chain:
    """An unbroken row of scans of one folder, as heard here."""

    id: str
    number: int
    since: float
    heard_at: float
    word: str | None = None
    complete_at: float = float("-inf")


@dataclass(slots=True)
class Coverage:
    """Which jobs need no look because scans would have told: those read since a chain of them began."""

    _chains: dict[int, _Chain] = field(default_factory=dict)

    def heard(self, folder_id: int, link: tuple[str, int, str | None], now: float, *, complete: bool) -> None:
        """A page of a scan: its chain, its number in it, the word for the next; *complete*: none is left."""
        chain, number, word = link
        last = self._chains.get(folder_id)
        if last is None or last.id != chain or number != last.number + 1:
            last = self._chains[folder_id] = _Chain(chain, number, now, now)
        last.number, last.word, last.heard_at = number, word, now
        if complete:
            last.complete_at = now

    def covers(self, folder_id: int, job_id: int, read_at: float, now: float, interval_s: float) -> bool:
        """True where every change since *read_at* has been told, or will be within moments."""
        chain = self._chains.get(folder_id)
        if chain is None or read_at < chain.since or now - read_at > _believed_s(job_id):
            return False
        return now - chain.complete_at <= _MISSED_SCANS * interval_s

    def left(self, folder_id: int, now: float, interval_s: float) -> Link | None:
        """Where the scan of a folder was left that somebody made a moment ago; None: it begins anew."""
        last = self._chains.get(folder_id)
        if last is None or last.word is None or now - last.heard_at > _MISSED_SCANS * interval_s:
            return None
        return Link(last.id, last.number, last.word)


def _believed_s(job_id: int) -> float:
    """Once to twice `SAFETY_S`: jobs that were read at one moment are not read so again."""
    return SAFETY_S * (1 + job_id * _PRIME % 2**32 / 2**32)


@dataclass(slots=True)
class Lately:
    """In which state scans have shown jobs that were not in hand, or on their way out, for `LATELY_S`.

    What pages show within a span is kept together, each job once, and until the last of it is old.
    """

    _spans: deque[tuple[float, dict[str, tuple[str, int]]]] = field(default_factory=deque)

    def note(self, jobs: Iterable[tuple[str, str, int]], now: float) -> None:
        """A page showed these jobs: key, state and ResumeVersion of each."""
        if not self._spans or now - self._spans[-1][0] > _SPAN_S:
            self._spans.append((now, {}))
        shown = self._spans[-1][1]
        for key, state, resume_version in jobs:
            shown[key] = _one(state, resume_version)

    def shown(self, key: str) -> tuple[str, int] | None:
        """The state and the ResumeVersion of a job as it was shown last, if it was."""
        return next((shown[key] for _, shown in reversed(self._spans) if key in shown), None)

    def forget(self, now: float) -> bool:
        """Drops what is old. False where there was too much to remember, so that nothing is known."""
        while self._spans and now - self._spans[0][0] > LATELY_S + _SPAN_S:
            self._spans.popleft()
        if sum(len(shown) for _, shown in self._spans) <= _LATELY_MOST:
            return True
        self._spans.clear()
        return False


@lru_cache(256)
def _one(state: str, resume_version: int) -> tuple[str, int]:
    """One object for the many that are shown alike."""
    return state, resume_version


def vouched(words: Iterable[tuple[float, float]], now: float, interval_s: float) -> float:
    """Until when all that was shown of any job in any tracker's hands has been looked at.

    *words* are those of all trackers of late, also of those that are gone: when each was heard, and for how
    many seconds its oldest look had been waiting then. A job that no scan speaks for begins to wait within
    1.2 intervals. Never (minus infinity) where `Lately` does not reach back so far.
    """
    since = min((heard_at - late_s for heard_at, late_s in words), default=now)
    since -= 1.2 * interval_s + _HEARD_WITHIN_S
    return since if now - since <= LATELY_S else float("-inf")
