"""Once: a request's deed is done by one POST, or found to have been done by an earlier one.

A POST is sent only if no earlier one can have happened. Where one may have, what it made is looked up by
Reference first, and absence counts only after the last moment at which that POST could still commit.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from worker.domain.events import rfc3339
from worker.domain.failures import Later, OutcomeUnknown, Rejected, Unavailable
from worker.domain.outcomes import (
    HOLD_S,
    Adopt,
    Deferred,
    Done,
    Post,
    Returned,
    Told,
    Wait,
    delay_within,
    expired,
    next_step,
)
from worker.domain.processes import Folder
from worker.pipeline.holding.gate import Gate, Turn
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.once.claim import Claim, Claims
from worker.pipeline.ports import Clock

_HELD_TRIES = 3
# The longest Retry-After that is waited for in hand: a longer one is announced, and waited for elsewhere.
_PATIENCE_S = 30.0

X = TypeVar("X")
D = TypeVar("D", bound=Done)


@dataclass(frozen=True, slots=True)
class Found(Generic[X]):
    """What a look-up shows: the request's own, oldest first, and what a second POST made beside it."""

    own: Sequence[X]
    surplus: Sequence[X] = ()


class Deed(Protocol[X, D]):
    """What one request wants done, in a folder that is known. *operation* is Orchestrator's name for it."""

    @property
    def operation(self) -> str:
        """Orchestrator's name for it."""

    @property
    def folder(self) -> Folder:
        """Where it is done."""

    @property
    def asked(self) -> int | None:
        """How many of what it makes are asked for; None where that is not known."""

    async def find(self) -> Found[X]:
        """What there is of it. Raises `Unavailable` where that is not sure."""

    async def send(self, may_send: Callable[[], bool]) -> D:
        """One POST, if *may_send* says so right before it. Raises any of the three kinds of failure."""

    async def adopt(self, found: Found[X]) -> D:
        """What was found is the request's."""

    async def still_alone(self, done: D) -> D:
        """What was done, and what somebody else has made of the same request meanwhile. Never fails."""


class Once:
    """Does deeds once. *commit_slack_s* is how long a POST whose answer was lost may still commit."""

    def __init__(
        self, claims: Claims, gate: Gate, commit_slack_s: float, clock: Clock, stopping: Stopping
    ) -> None:
        self._claims = claims
        self._gate = gate
        self._commit_slack_s = commit_slack_s
        self._clock = clock
        self._stopping = stopping

    async def look_up(self, claim: Claim, deed: Deed[X, D]) -> D | Deferred | Returned | None:
        """Finds out what became of earlier POSTs. None: nothing did, and nothing can any more."""
        while True:
            found = await deed.find()
            match next_step(len(found.own), deed.asked, self._clock(), claim.safe_at):
                case Adopt():
                    claim.settled()
                    return await deed.adopt(found)
                case Post():
                    claim.disproved()
                    return None
                case Wait(seconds) if seconds > HOLD_S:
                    return self._come_back(claim, deed.operation, seconds)
                case Wait(seconds):
                    await self._stopping.pause(seconds)
            if self._stopping:
                return Returned()

    async def do(self, claim: Claim, deed: Deed[X, D]) -> D | Deferred | Returned | Told:
        """Sends the POST, and settles a lost answer by looking up."""
        tries = 0
        while True:
            try:
                async with self._gate.turn(lambda: self._is_wanted(claim)) as turn:
                    self._guard_expiry(claim)
                    if not self._is_wanted(claim):
                        return Returned()
                    outcome = await self._claimed_and_sent(claim, deed, turn)
            except Unavailable as why:
                tries += 1
                if claim.look or not _worth_holding(why, tries):
                    raise
                # The gate knows how long a 429 holds, all that is in hand together.
                if why.code is not Later.THROTTLED:
                    await self._stopping.pause(random.uniform(0, 2**tries / 4))  # noqa: S311 - jitter
            else:
                if outcome is not None:
                    return outcome

    async def _claimed_and_sent(
        self, claim: Claim, deed: Deed[X, D], turn: Turn
    ) -> D | Deferred | Returned | Told | None:
        """One POST, if the ledger grants it; None when nothing came of it, or of the one in its way."""
        told = await self._claims.enter(claim, deed.folder.id)
        if told is not None:
            return told
        if not claim.look:
            done = await self._sent(claim, deed, turn)
            if done is not None:
                return done if claim.still_mine() else await deed.still_alone(done)
        turn.over()
        return await self.look_up(claim, deed)

    async def _sent(self, claim: Claim, deed: Deed[X, D], turn: Turn) -> D | None:
        """Sends one POST; None when its answer was lost. While it is under way the claim is in doubt."""
        claim.doubt(claim.mine.safe_at)
        try:
            done = await turn.spend(deed.send(lambda: self._may_send(claim)))
        except OutcomeUnknown:
            claim.doubt(self._clock() + self._commit_slack_s)
            return None
        except (Rejected, Unavailable):
            claim.settled()
            raise
        claim.settled()
        return done

    def _may_send(self, claim: Claim) -> bool:
        return self._is_wanted(claim) and self._clock() <= claim.send_by

    def _is_wanted(self, claim: Claim) -> bool:
        return claim.still_mine() and not self._stopping

    def _guard_expiry(self, claim: Claim) -> None:
        if claim.expires_at is not None and self._clock() >= claim.expires_at.timestamp():
            raise expired(claim.expires_at.timestamp())

    def _come_back(self, claim: Claim, operation: str, seconds: float) -> Deferred:
        safe_at = rfc3339(self._clock() + seconds)
        return Deferred(
            Later.OUTCOME_UNKNOWN,
            f"an earlier {operation} may have happened; it is looked up again until {safe_at}",
            delay_within(seconds),
            claim.safe_at,
        )


def _worth_holding(why: Unavailable, tries: int) -> bool:
    """True when a short wait in hand is cheaper than a round through the delay queues."""
    if why.outage or why.code is Later.BUSY or tries > _HELD_TRIES:
        return False
    return (why.retry_after or 0) <= _PATIENCE_S
