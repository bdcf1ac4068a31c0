"""The ledger in this process: bounded, and gone with it.

It knows publishers' duplicates; redeliveries of one message are settled by the look-up, with it or without.
"""

from collections import OrderedDict
from dataclasses import replace

from worker.domain.requests import Entry

_MOST = 200_000


class MemoryLedger:
    """Remembers the last requests that were in doubt or started here; see `pipeline.ports.Ledger`."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    async def known(self, request_id: str) -> Entry | None:
        """What is known of a request, None where that is nothing."""
        return self._entries.get(request_id)

    async def claim(self, request_id: str, mine: Entry, *, over: str | None) -> Entry | None:
        """Enters that a POST may be under way, or returns the entry that stands in the way."""
        stands = self._entries.get(request_id)
        if stands is not None and not stands.gives_way_to(mine, over):
            return stands
        self._enter(request_id, mine)
        return None

    async def settle(self, request_id: str, mine: Entry) -> None:
        """Remembers for good that a request's jobs are started and told."""
        self._enter(request_id, replace(mine, settled=True))

    async def release(self, request_id: str, owner: str) -> None:
        """Forgets an unsettled entry of *owner*: nothing was sent."""
        stands = self._entries.get(request_id)
        if stands is not None and stands.owner == owner and not stands.settled:
            del self._entries[request_id]

    def _enter(self, request_id: str, entry: Entry) -> None:
        self._entries[request_id] = entry
        self._entries.move_to_end(request_id)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)
