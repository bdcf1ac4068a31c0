"""Jobs that are named within a moment are handed on together: whatever is handed on goes to every tracker.

The first goes on at once. What comes sooner than a moment after that waits for the rest of the moment.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence

_MOMENT_S = 0.1
_MOST = 1_000


class Gathering:
    """Hands on to *look* the keys of jobs, each once: in one call for each moment, or for each thousand.

    *look* returns at once; `add` does not call it itself, so that its failures are its own.
    """

    def __init__(self, look: Callable[[Sequence[str]], None]) -> None:
        self._look = look
        self._jobs: dict[str, None] = {}
        self._next_at = -math.inf

    def add(self, jobs: Iterable[str]) -> None:
        """These jobs, too."""
        if not self._jobs:
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._next_at), self._hand_on)
        self._jobs.update(dict.fromkeys(jobs))

    def _hand_on(self) -> None:
        self._next_at = asyncio.get_running_loop().time() + _MOMENT_S
        jobs, self._jobs = list(self._jobs), {}
        for first in range(0, len(jobs), _MOST):
            self._look(jobs[first : first + _MOST])
