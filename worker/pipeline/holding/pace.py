"""How many StartJobs may be on their way at once. Pure.

As many as are in hand, until a 429; then additive increase, multiplicative decrease: replicas that share a
tenant come to equal shares without speaking to each other. A Retry-After holds all that is in hand; a long
one for two minutes, then one at a time tries.
"""

import math
from dataclasses import dataclass

DECREASE = 0.7
"""What is left of the limit after a 429."""

INCREASE = 0.02
"""What a round of as many answers as the limit adds to it: little, because each 429 holds everybody."""

BOLDER_AFTER_S = 10.0
"""After so long without a 429 it grows twice as fast, after twice that three times, and so on."""

LEAST = 0.01
REST_MOST_S = 10.0
BACK_OFF_S, BACK_OFF_MOST_S = 0.25, 5.0
PAUSE_MOST_S = 120.0
"""No Retry-After holds longer what did not meet it: it may be a proxy's for one request, or a wrong date."""

SPREAD = 0.1
"""Replicas that were given the same Retry-After come back up to this part of it later."""


@dataclass(slots=True)
class Pace:
    """The limit and the moment before which nothing is sent. Times are in seconds of one clock.

    Until *asked_until*, where the server asked for more patience than *not_before*, one at a time tries.
    *most* are in hand at once: a limit from there on is none. Below 1 one POST at a time is sent, with rests
    between them, so that on average *limit* are on their way.
    """

    most: int
    limit: float = math.inf
    not_before: float = -math.inf
    asked_until: float = -math.inf
    under_way: int = 0
    cut_at: float = -math.inf
    cuts: int = 0

    def wait(self, now: float) -> float:
        """Seconds until the next may be sent: 0, it may; infinite, when one has come back."""
        if now < self.not_before:
            return self.not_before - now
        room = 1.0 if now < self.asked_until else max(1.0, self.limit)
        return 0.0 if self.under_way + 1 <= room else math.inf

    def sent(self) -> None:
        """One is on its way."""
        self.under_way += 1

    def came_back(self) -> None:
        """One is no longer on its way, however it ended."""
        self.under_way -= 1

    def succeeded(self, now: float, took: float) -> None:
        """One was taken, in *took* seconds."""
        self.cuts = 0
        if now - took >= self.cut_at:
            self.asked_until = -math.inf
        if self.limit == math.inf:
            return
        step = INCREASE * (1 + (now - self.cut_at) / BOLDER_AFTER_S)
        self.limit += step * min(self.limit, 1 / self.limit)
        if self.limit >= self.most:
            self.limit = math.inf
        elif self.limit < 1:
            rest = min(took * (1 / self.limit - 1), REST_MOST_S)
            self.not_before = max(self.not_before, now + rest)

    def throttled(self, now: float, sent_at: float, retry_after: float | None, chance: float) -> None:
        """One met a 429. *chance*, from 0 to 1, spreads those who come back at the same moment.

        Those that were sent before the last cut tell nothing new, but how long to wait.
        """
        if sent_at >= self.cut_at:
            self.limit = max(LEAST, DECREASE * min(self.limit, self.under_way))
            self.cut_at = now
            self.cuts += 1
        if retry_after is None:
            pause = min(BACK_OFF_S * 2**self.cuts, BACK_OFF_MOST_S) * (1 + chance) / 2
        else:
            spread = 1 + SPREAD * chance
            pause = min(retry_after, PAUSE_MOST_S) * spread
            self.asked_until = max(self.asked_until, now + retry_after * spread)
        self.not_before = max(self.not_before, now + pause)
