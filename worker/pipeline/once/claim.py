"""A request's claim to be started: what may have been sent for it before, and what is entered before we send.

Two sources say that an earlier POST may still commit: the message's own past, for its copies, and the ledger,
for other messages of one request id. Both become one doubt, which only a look-up after its end removes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from worker.domain.outcomes import HOLD_S, Cancelled, Done, Duplicate, Outcome, Repeated, Told, told_before
from worker.domain.requests import Entry
from worker.pipeline.case import Case
from worker.pipeline.holding.pauses import Stopping
from worker.pipeline.ports import Clock, Ledger
from worker.pipeline.rules import Rules

_CLOCKS_DIFFER_S = 600.0
_SEARCHED_S = 7 * 24 * 3600.0
_GLANCE_S = 0.1


@dataclass(slots=True, kw_only=True)
class Claim:
    """One request's right to be carried out, in this worker's hands.

    *key* names it in the ledger. *since* is when it was first in hand, as far as known. *safe_at* is the
    moment from which no earlier POST can commit any more, None when there was none. *look* is true while a
    look-up must come before any POST. *told* is set where another message's jobs are started and told (in
    folder *told_in*), and this one's may have been started too. *folder_id* is the folder in which the
    doubt can be looked up, where that is known. *other* owns the ledger's entry that the doubt comes from,
    and *over* owned one that a look-up has disproved; *doubted* stays true from then on. *cancelled* is
    true where a stop request came for it. No POST leaves after *send_by*. *still_mine* tells whether the
    broker sees it so too.
    """

    key: str
    reference: str
    mine: Entry
    comes_again: bool
    since: float
    still_mine: Callable[[], bool]
    safe_at: float | None = None
    look: bool = False
    other: str | None = None
    over: str | None = None
    told: Duplicate | None = None
    told_in: int | None = None
    folder_id: int | None = None
    doubted: bool = False
    cancelled: bool = False
    entered: bool = False
    send_by: float = 0.0
    expires_at: datetime | None = None

    def doubt(self, safe_at: float) -> None:
        """A POST may commit until *safe_at*."""
        self.look, self.safe_at = True, safe_at

    def settled(self) -> None:
        """It is known what became of every POST so far."""
        self.look, self.safe_at = False, None

    def disproved(self) -> None:
        """No earlier POST has happened, or can happen any more: nothing of it was found in time."""
        self.settled()
        self.over, self.doubted, self.folder_id = self.other, True, None


class Claims:
    """Opens, enters and closes claims; keeps what the ledger knows true to them."""

    def __init__(self, ledger: Ledger, rules: Rules, stopping: Stopping, clock: Clock) -> None:
        self._ledger = ledger
        self._rules = rules
        self._stopping = stopping
        self._clock = clock

    async def open(self, case: Case) -> Claim | Told:
        """The claim of a request in hand, or what it is when all is said of it already."""
        message, past = case.message, case.past
        # Whoever was about to tell a rejection had nothing under way any more; a twin of it would be known.
        look = not message.fresh and (case.refusal is None or not self._ledger.shared)
        claim = Claim(
            key=case.key,
            reference=case.reference,
            mine=case.entry(),
            comes_again=message.comes_again,
            since=max(past.first_at, self._clock() - _SEARCHED_S) - _CLOCKS_DIFFER_S,
            still_mine=lambda: case.delivery.is_open,
            safe_at=past.safe_at if look else None,
            folder_id=past.folder_id,
            look=look,
        )
        stands = await self._ledger.known(claim.key)
        if stands is not None and message.fresh:
            stands = await self._once_told(claim, stands)
        before = self._heeded(claim, stands)
        if isinstance(before, Duplicate) and claim.look:
            # Without a common ledger it may have been started elsewhere, next to the other.
            claim.told, before = before, None
            claim.told_in = stands.folder_id if stands else None
        if isinstance(before, Cancelled) and claim.look:
            # What may have been sent is not cancelled: it is looked up, and then there is `enter`.
            claim.cancelled, before = True, None
        return before or claim

    async def enter(self, claim: Claim, folder_id: int) -> Told | None:
        """Enters a POST that is about to be sent. None: send it, unless `claim.look` says to look first."""
        now, timeout_s = self._clock(), self._rules.http_timeout_s
        safe_at = now + 2 * timeout_s + self._rules.commit_slack_s
        mine = replace(claim.mine, safe_at=safe_at, folder_id=folder_id)
        stands = await self._ledger.claim(claim.key, mine, over=claim.over)
        if stands is not None and stands.cancelled and self._heeded(claim, stands) is None:
            stands = await self._ledger.claim(claim.key, mine, over=stands.owner)
        if stands is not None:
            return self._heeded(claim, await self._once_told(claim, stands))
        claim.mine, claim.entered, claim.send_by = mine, True, now + timeout_s
        claim.folder_id = folder_id
        return None

    async def close(self, claim: Claim, outcome: Outcome | None) -> None:
        """Leaves behind what others have to know: the doubt, or that nothing was sent.

        A start is left to whoever settles it. *outcome* is None when the attempt was torn off.
        """
        if isinstance(outcome, Done | Duplicate | Repeated):
            return
        if claim.safe_at is not None:
            mine = replace(claim.mine, safe_at=claim.safe_at, folder_id=claim.folder_id)
            await self._ledger.claim(claim.key, mine, over=None)
        elif claim.entered:
            await self._ledger.release(claim.key, claim.mine.owner)

    def _heeded(self, claim: Claim, stands: Entry | None) -> Told | None:
        """Notes the doubt of an entry that has one."""
        if stands is not None and stands.in_doubt:
            # What has been disproved and does not give way is not looked up again at once.
            later = self._clock() + 2 * HOLD_S if stands.owner == claim.over else 0.0
            claim.doubt(max(claim.safe_at or 0.0, stands.safe_at, later))
            claim.other = stands.owner
            claim.folder_id = stands.folder_id or claim.folder_id
        return told_before(stands, claim.mine, copy=claim.comes_again)

    async def _once_told(self, claim: Claim, stands: Entry) -> Entry | None:
        """The entry once it is in no doubt or gone, or as it stands after a few seconds.

        Whoever entered it is about to say what became of it; a look-up now would tell the same twice.
        """
        entry: Entry | None = stands
        until = min(stands.safe_at, self._clock() + HOLD_S)
        while entry is not None and entry.in_doubt and self._clock() < until and not self._stopping:
            await self._stopping.pause(_GLANCE_S)
            entry = await self._ledger.known(claim.key)
        return entry
