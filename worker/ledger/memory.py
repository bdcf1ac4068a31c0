"""The ledger in this process: bounded, and gone with it.

It knows publishers' duplicates; redeliveries of one message are settled by the look-up, with it or without.
"""

from collections import OrderedDict

_MOST = 200_000


class MemoryLedger:
    """Remembers the last requests that were started here; see `pipeline.ports.Ledger` for its promises."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._started: OrderedDict[str, tuple[str, str | None]] = OrderedDict()

    async def started(self, request_id: str) -> tuple[str, str | None] | None:
        """Fingerprint and message id of the message that was started, None when it is not remembered."""
        return self._started.get(request_id)

    async def remember(self, request_id: str, fingerprint: str, message_id: str | None) -> None:
        """Remembers a start, and forgets the oldest beyond the bound."""
        self._started[request_id] = (fingerprint, message_id)
        self._started.move_to_end(request_id)
        if len(self._started) > self._most:
            self._started.popitem(last=False)
