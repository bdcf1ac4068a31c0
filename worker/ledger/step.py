"""A step on one request's entry in a store, and the two ways in which a store does not take it."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Literal, Protocol

from worker.domain.requests import LIFE, Entry

AS_IT_IS = "surrogatepass"
"""How text is encoded: a sender's need not be valid Unicode, and must not be what a store is given up for."""

# Longer than any copy of a request is under way.
_KEPT_MS = 7 * 24 * 3600 * 1000
# A broker gives out again what it has no ack of within its consumer timeout, half an hour by default. What is
# sent anew might be taken for that, and anybody may send what is rejected.
_LIFE_KEPT_MS = 3600 * 1000


class Away(Exception):
    """Redis does not answer, or refuses; the text says why and holds no password."""


class Foreign(Exception):
    """Under an entry's key stands what no ledger has written; the text names the key."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the entry of one request; *mine* and *over* as in `pipeline.ports.Ledger`."""

    operation: Literal["known", "claim", "cancel", "settle", "release", "forget"]
    request_id: str
    owner: str = ""
    mine: Entry | None = None
    over: str | None = None

    def arguments(self, now: float) -> list[str | bytes | int]:
        """What entry.lua takes."""
        mine = self.mine
        if mine is None:
            return [self.operation, self.owner]
        has_id = int(mine.message_id is not None)
        message_id = (mine.message_id or "").encode(errors=AS_IT_IS)
        left = 0 if self.operation == "settle" else ceil((mine.safe_at - now) * 1000)
        kept = _LIFE_KEPT_MS if self.request_id.startswith(LIFE) else _KEPT_MS
        return [
            self.operation,
            mine.owner,
            left if mine.cancelled else kept,
            mine.fingerprint,
            has_id,
            message_id,
            left,
            self.over or "",
            mine.folder_id or "",
            mine.refusal or "",
        ]


class Entries(Protocol):
    """Entries that other processes see too. A method raises `Away` where they cannot be reached."""

    async def take(self, step: Step) -> Entry | None:
        """Takes one step, undivided, and returns the entry that stands there: of a claim, None is granted.

        Raises `Foreign` where no ledger has written that entry; only `settle` writes over it.
        """

    async def take_all(self, steps: Iterable[Step]) -> None:
        """Takes many steps in one go; nobody hears of what stood in the way of one."""

    async def probe(self) -> None:
        """Makes sure that all steps can be taken."""

    async def close(self) -> None:
        """Closes all connections; raises nothing."""
