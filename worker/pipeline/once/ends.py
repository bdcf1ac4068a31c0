"""What is told of a message's end is its only end, though the broker gives the message out again afterwards.

A rejection is entered before it is told: were it only told, and its worker lost before the ack, another
attempt might start what its sender has been told was rejected.
"""

import json
from dataclasses import replace
from typing import Any

from worker.domain.failures import Rejected
from worker.domain.requests import Entry, Kind
from worker.pipeline.case import Case
from worker.pipeline.ports import Ledger


class Ends:
    """Keeps in the ledger how each life of a message ends."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def met(self, case: Case) -> bool:
        """True where the broker gives out again what is told already: the ack was lost on the way.

        Where it may have been told that it is rejected, `case.refusal` says why. What is sent anew, byte for
        byte, has an end of its own.
        """
        if not case.message.redelivered:
            await self._ledger.forget(case.life)
            return False
        entry = await self._ledger.known(case.life)
        if entry is None:
            return False
        case.refusal = _refusal(case, entry)
        if not self._ledger.shared or (case.refusal is not None and await self._is_under_way(case)):
            # Without a common ledger it may as well have been sent anew, and met by another worker.
            return False
        return entry.settled

    async def _is_under_way(self, case: Case) -> bool:
        """True where its twin may have been sent, or is done: there is more to be said then."""
        stands = await self._ledger.known(case.key) if case.sender.request_id is not None else None
        return stands is not None and not stands.cancelled

    async def enter(self, case: Case, why: Rejected) -> Rejected:
        """Why it is to be told that the message is rejected: what was entered first, by whomever.

        An event's sender is then told of as it was there: its templates may be others by now.
        """
        stands = await self._ledger.claim(case.life, _entry(case, why), over=None)
        return (stands and _refusal(case, stands)) or why

    async def told(self, case: Case, why: Rejected | None = None) -> None:
        """Remembers that it is told how this life ended: another attempt might end otherwise."""
        await self._ledger.settle(case.life, _entry(case, why))


def _entry(case: Case, why: Rejected | None) -> Entry:
    return replace(case.entry(), refusal=json.dumps(_written(case, why)) if why else None)


def _written(case: Case, why: Rejected) -> dict[str, Any]:
    if not case.event:
        return why.document()
    return {**why.document(), "kind": case.sender.kind, "metadata": case.sender.metadata}


def _refusal(case: Case, entry: Entry) -> Rejected | None:
    """Why it was rejected, if it was; an event's sender becomes the one of whom that is told."""
    if not entry.refusal:
        return None
    document = json.loads(entry.refusal)
    if case.event:
        kind, metadata = Kind(document["kind"]), document["metadata"]
        case.sender = replace(case.sender, kind=kind, metadata=metadata)
    return Rejected.of(document)
