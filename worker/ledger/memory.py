"""The ledger in this process: bounded, and gone with it.

It knows publishers' duplicates; redeliveries of one message are settled by the look-up, with it or without.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from worker.domain.requests import LIFE, Entry

_MOST = 200_000
# Apart: anybody may send what is rejected, and must not make starts forgotten by it.
_MOST_LIVES = 20_000


class MemoryLedger:
    """Remembers the last requests in doubt, started or cancelled here; see `pipeline.ports.Ledger`."""

    def __init__(self, most: int = _MOST, clock: Callable[[], float] = time.time) -> None:
        self.shared = False
        self._most = most
        self._clock = clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lives: OrderedDict[str, Entry] = OrderedDict()

    async def known(self, request_id: str) -> Entry | None:
        """What is known of a request, None where that is nothing."""
        entry = self._among(request_id).get(request_id)
        return None if entry is not None and entry.cancelled and self._is_past(entry) else entry

    async def claim(self, request_id: str, mine: Entry, *, over: str | None) -> Entry | None:
        """Enters that a POST may be under way, or returns the entry that stands in the way."""
        stands = await self.known(request_id)
        if stands is not None and not stands.gives_way_to(mine, over):
            return stands
        self._enter(request_id, mine)
        return None

    async def cancel(self, request_id: str, tombstone: Entry, *, over: str | None) -> Entry | None:
        """Enters that a request is not to be started, or returns the entry that stands in the way."""
        stands = await self.known(request_id)
        if stands is not None and not stands.cancelled:
            if stands.settled or stands.owner != over or not self._is_past(stands):
                return stands
        elif stands is not None and stands.owner == tombstone.owner and not tombstone.fingerprint:
            return None
        self._enter(request_id, tombstone)
        return None

    async def settle(self, request_id: str, mine: Entry) -> None:
        """Remembers for good that a request's jobs are started and told."""
        self._enter(request_id, replace(mine, settled=True))

    async def release(self, request_id: str, owner: str) -> None:
        """Forgets an unsettled entry of *owner*: nothing was sent."""
        stands = self._entries.get(request_id)
        if stands is not None and stands.owner == owner and not stands.settled:
            del self._entries[request_id]

    async def forget(self, life: str) -> None:
        """Forgets how an earlier life of a message ended."""
        self._lives.pop(life, None)

    def _is_past(self, entry: Entry) -> bool:
        return entry.safe_at <= self._clock()

    def _enter(self, request_id: str, entry: Entry) -> None:
        entries = self._among(request_id)
        entries[request_id] = entry
        entries.move_to_end(request_id)
        if len(entries) > (self._most if entries is self._entries else _MOST_LIVES):
            entries.popitem(last=False)

    def _among(self, name: str) -> OrderedDict[str, Entry]:
        return self._lives if name.startswith(LIFE) else self._entries
