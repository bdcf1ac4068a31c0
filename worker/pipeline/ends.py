"""What is told of a message's end is its only end, though the broker gives the message out again afterwards.

A rejection is entered before it is told: were it only told, and its worker lost before the ack, another
attempt might start what its sender has been told was rejected.
"""

import json
from dataclasses import replace

from worker.domain.failures import Rejected
from worker.domain.requests import Entry
from worker.pipeline.case import Case
from worker.pipeline.ports import Ledger


class Ends:
    """Keeps in the ledger how each life of a message ends."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def met(self, case: Case) -> bool:
        """True where the broker gives out again what is told already: the ack was lost on the way.

        Where it may have been told that it is rejected, `case.refusal` says why.
        """
        if not case.message.redelivered:
            return False
        entry = await self._ledger.known(case.life)
        if entry is None:
            return False
        case.refusal = _refusal(entry)
        return entry.settled

    async def enter(self, case: Case, why: Rejected) -> Rejected:
        """Why it is to be told that the message is rejected: what was entered first, by whomever."""
        mine = replace(case.entry(), refusal=json.dumps(why.document()))
        stands = await self._ledger.claim(case.life, mine, over=None)
        return (stands and _refusal(stands)) or why

    async def told(self, case: Case) -> None:
        """Another attempt might end otherwise, and both would have been told."""
        await self._ledger.settle(case.life, case.entry())


def _refusal(entry: Entry) -> Rejected | None:
    return Rejected.of(json.loads(entry.refusal)) if entry.refusal else None
