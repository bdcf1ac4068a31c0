"""Copies of one item's message in several hands: the younger one stays."""

from collections.abc import Sequence
from typing import Any

from worker.tracking.hold import Hold, Rank
from worker.tracking.items.slot import ItemSlot
from worker.tracking.ports import Hints

_KIND = "item-generation"
_AT_ONCE = 500


class Copies:
    """Tells other trackers what came to hand: who holds an older copy drops it, a younger one answers."""

    def __init__(self, hints: Hints, slots: Hold[ItemSlot], me: str) -> None:
        self._hints = hints
        self._slots = slots
        self._me = me
        self._taken: list[tuple[str, Rank]] = []

    def took(self, slot: ItemSlot) -> None:
        """*slot* came to hand, and a copy of it may be in another one."""
        self._taken.append((slot.key, slot.rank))

    def tell(self) -> None:
        """Tells what was taken."""
        while self._taken:
            some, self._taken = self._taken[:_AT_ONCE], self._taken[_AT_ONCE:]
            self._send(some)

    def hear(self, document: Any) -> bool:
        """True for a hint about items, which nobody else needs to hear. Raises for what cannot be read."""
        if document["kind"] != _KIND:
            return False
        if document["tracker"] != self._me and (younger := self._slots.compare(document["items"])):
            self._send(younger)
        return True

    def _send(self, ranks: Sequence[tuple[str, Rank]]) -> None:
        items = [[key, *rank] for key, rank in ranks]
        self._hints.send({"kind": _KIND, "tracker": self._me, "items": items})
