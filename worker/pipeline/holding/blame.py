"""Whose trouble a failure is, everybody's or one request's own. Pure.

A run of failures is everybody's, unless Orchestrator answers others and fails one request again and again.
"""

import math
from dataclasses import dataclass

from worker.domain.failures import Later, Unavailable

FAILURES = 3
"""So many in a row, with no call that worked between them, are an outage."""

RUN_GAP_S = 60.0
"""Failures further apart than this are no run."""


@dataclass(frozen=True, slots=True)
class Run:
    """Failures with nothing that worked between them: how many, and when the last one was (epoch seconds)."""

    length: int = 0
    last_at: float = -math.inf

    def and_one(self, now: float) -> "Run":
        """The run with a failure of *now*; a new one where the last is long ago."""
        return Run(self.length + 1 if now - self.last_at <= RUN_GAP_S else 1, now)


@dataclass(slots=True)
class Fared:
    """How one request in hand fared: its failures that looked like an outage.

    *apart* are those before which Orchestrator had answered somebody else, since the one before. *went_first*
    is true while it is let in alone, because Orchestrator has just answered the GET.
    """

    failures: int = 0
    apart: int = 0
    went_first: bool = False
    _answers: int = 0

    def failed(self, answers: int) -> None:
        """Notes a failure. *answers* counts what Orchestrator has answered so far."""
        if not self.failures or answers > self._answers:
            self.apart += 1
        self.failures += 1
        self._answers = answers


def is_outage(run: Run, why: Unavailable) -> bool:
    """Whether *run*, whose last failure was *why*, is an outage.

    No connection and refused credentials are one at once: nobody else will fare better. A 5xx, an answer
    that is lost, or one that is not Orchestrator's, may be one request's bad luck.
    """
    return why.code is Later.CREDENTIALS_REFUSED or _is_unsent(why) or run.length >= FAILURES


def is_its_own(fared: Fared, why: Unavailable) -> bool:
    """Whether the failure *why* is the trouble of the request that fared so: to wait here would not mend it.

    No request is the reason that there is no connection.
    """
    return not _is_unsent(why) and (fared.went_first or fared.apart >= FAILURES)


def _is_unsent(why: Unavailable) -> bool:
    return why.code is Later.UNREACHABLE and why.answer is None and not why.sent
