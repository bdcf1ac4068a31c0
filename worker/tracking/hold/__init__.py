"""What one tracker has in its hands, jobs or items: found by key, due in time, and of copies the younger.

Moments are those of the loop.
"""

import random
import zlib
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

import orjson

from worker.pipeline.ports import Receipt
from worker.tracking.hold.moulds import Mould

TICK_S = 0.2

Rank = tuple[int, int]


def rank_of(generation: int, body: bytes) -> Rank:
    """Of two messages of one job, or of one item, the one of the higher rank stays.

    Where the ranks are the same it is one message, seen by who has lost it and by who has it now.
    """
    return generation, zlib.crc32(body)


class Held(ABC):
    """What is in hand, by its message: found by *key*, looked at when it is *due*, renewed at *renew_at*."""

    __slots__ = ("_mould", "_packed", "due", "generation", "key", "let_go", "receipt", "renew_at")

    def __init__(self, receipt: Receipt, key: str, generation: int, mould: Mould, body: bytes) -> None:
        self.receipt = receipt
        self.key = key
        self.generation = generation
        self.due = -1
        self.renew_at = float("inf")
        self.let_go = False
        self._mould = mould
        self._packed = mould.packed(body)

    @property
    @abstractmethod
    def state(self) -> str:
        """The state that was announced last; by it they are counted."""

    @property
    def folder_id(self) -> int:
        """The id of the folder it is in."""
        return self._mould.folder_id

    @property
    def in_hand(self) -> bool:
        """False once it was let go of, or its message was lost with its channel; then it stays so."""
        return not self.let_go and self.receipt.is_open

    @property
    def rank(self) -> Rank:
        """See `rank_of`."""
        return rank_of(self.generation, self._mould.unpacked(self._packed))

    @property
    def document(self) -> dict[str, Any]:
        """The tracking document as it came."""
        return dict(orjson.loads(self._mould.unpacked(self._packed)))


S = TypeVar("S", bound=Held)


class Hold(Generic[S]):
    """All that one tracker holds of one sort."""

    def __init__(self, consumer_timeout_s: float, now: float) -> None:
        self._consumer_timeout_s = consumer_timeout_s
        self._by_key: dict[str, S] = {}
        # Keys, not slots: what is let go of before its moment would be kept until then.
        self._due: defaultdict[int, list[str]] = defaultdict(list)
        self._looked_until = int(now / TICK_S)
        self.folders: Counter[int] = Counter()
        """How many of each folder are in hand."""
        self.states: Counter[str] = Counter()
        """How many are in each state, as it was announced last."""

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[S]:
        return iter(list(self._by_key.values()))

    def get(self, key: str) -> S | None:
        """The slot of that key, if it is in hand."""
        return self._by_key.get(key)

    def hold(self, slot: S, now: float) -> bool:
        """Takes *slot* into hand, in the place of a copy that is older or was lost with its channel.

        False where a younger one is in hand: it stays, and the message of *slot* is acknowledged. What is
        held is let go by the time the broker wants to see its message settled.
        """
        held = self._by_key.get(slot.key)
        if held is not None and held.receipt.is_open and held.rank > slot.rank:
            slot.receipt.ack()
            return False
        if held is not None:
            self._resign(held)
        slot.renew_at = now + self._consumer_timeout_s * random.uniform(0.4, 0.7)  # noqa: S311
        self._by_key[slot.key] = slot
        self.folders[slot.folder_id] += 1
        self.states[slot.state] += 1
        return True

    def drop(self, slot: S) -> None:
        """Lets go of *slot*, whose message is settled or lost, unless another one has taken its place."""
        if self._by_key.get(slot.key) is slot:
            del self._by_key[slot.key]
            slot.let_go = True
            self.folders[slot.folder_id] -= 1
            self.states[slot.state] -= 1
            if not self.folders[slot.folder_id]:
                del self.folders[slot.folder_id]

    def sweep(self) -> None:
        """Lets go of what was lost with its channel: somebody else has it, and it counts as his."""
        for slot in self:
            if not slot.receipt.is_open:
                self.drop(slot)

    def give_back(self) -> None:
        """Returns all messages to the queue, once nothing is taken any more."""
        for slot in self:
            slot.receipt.give_back()
            self.drop(slot)

    def compare(self, copies: Iterable[tuple[str, int, int | None]]) -> list[tuple[str, Rank]]:
        """Drops what is older than its copy in another hand, in the middle of a look too. Gives the younger.

        *copies* are keys and both parts of a rank. A worker of an older version says no second one: of two
        that are as old both are kept.
        """
        younger = []
        for key, generation, mark in copies:
            slot = self._by_key.get(key)
            if slot is None:
                continue
            mine = slot.rank
            theirs = generation, mine[1] if mark is None else mark
            if mine > theirs:
                younger.append((key, mine))
            elif mine < theirs:
                self._resign(slot)
        return younger

    def later(self, slot: S, at: float) -> None:
        """Looks at *slot* at that moment, and not before."""
        slot.due = max(int(at / TICK_S), self._looked_until)
        self._due[slot.due].append(slot.key)

    def due(self, now: float) -> list[S]:
        """The slots whose moment has come, each once."""
        found: list[S] = []
        for tick in range(self._looked_until, int(now / TICK_S) + 1):
            for key in self._due.pop(tick, ()):
                slot = self._by_key.get(key)
                if slot is not None and slot.due == tick:
                    slot.due = -1
                    found.append(slot)
        self._looked_until = int(now / TICK_S) + 1
        return found

    def _resign(self, slot: S) -> None:
        """Leaves a job or item to who has the younger message; a look that goes on tells nothing any more."""
        self.drop(slot)
        slot.receipt.ack()
