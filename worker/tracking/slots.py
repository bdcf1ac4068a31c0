"""The jobs in this tracker's hands: small, found by key, and due in order of time."""

import math
import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar

import orjson

from worker.domain.flight.steps import Known, Patience
from worker.domain.jobs import JobState
from worker.pipeline.ports import Receipt

TICK_S = 0.2
_MOULDS_MOST = 1_000

Rank = tuple[int, int]


class Mould:
    """A document of one process in one folder: packed against it another takes a seventh of its length."""

    __slots__ = ("_sample", "folder_id")

    def __init__(self, folder_id: int, sample: bytes) -> None:
        self.folder_id = folder_id
        self._sample = sample

    def packed(self, body: bytes) -> bytes:
        """The document, as short as what it does not share with the sample."""
        packing = zlib.compressobj(1, zlib.DEFLATED, -15, zdict=self._sample)
        return packing.compress(body) + packing.flush()

    def unpacked(self, packed: bytes) -> bytes:
        """The document as it came."""
        return zlib.decompressobj(-15, zdict=self._sample).decompress(packed)


class Moulds:
    """The moulds of the processes of late; slots keep theirs."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str], Mould] = {}

    def of(self, body: bytes, document: Mapping[str, Any]) -> Mould:
        """The mould of a document; it is the sample itself where it is the first of its process."""
        process, folder = document["process"], document["folder"]["id"]
        kind = folder, process["releaseKey"] or "", process["name"]
        if (mould := self._known.get(kind)) is None:
            if len(self._known) >= _MOULDS_MOST:
                self._known.clear()
            mould = self._known[kind] = Mould(folder, body)
        return mould


class Slot:
    """A job in hand: its message's receipt and document, and what is known of it."""

    __slots__ = (
        "_mould", "_packed", "again", "due", "generation", "job_id", "key", "known", "let_go", "queued",
        "read_at", "receipt", "renew_at",
    )  # fmt: skip

    def __init__(self, receipt: Receipt, mould: Mould, body: bytes, document: Mapping[str, Any]) -> None:
        job = document["job"]
        self.receipt = receipt
        self.key: str = job["key"].lower()
        self.job_id: int = job["id"]
        self.generation: int = document["generation"]
        self.known = _known(document)
        self.due = -1
        self.read_at = float("-inf")
        self.renew_at = float("inf")
        self.queued = self.again = self.let_go = False
        self._mould = mould
        self._packed = mould.packed(body)

    @property
    def folder_id(self) -> int:
        """The id of the job's folder."""
        return self._mould.folder_id

    @property
    def state(self) -> str:
        """The state that was announced last."""
        return self.known.state

    @property
    def in_hand(self) -> bool:
        """False once it was let go of, or its message was lost with its channel; then it stays so."""
        return not self.let_go and self.receipt.is_open

    @property
    def document(self) -> dict[str, Any]:
        """The tracking document as it came."""
        return dict(orjson.loads(self._mould.unpacked(self._packed)))

    @property
    def rank(self) -> Rank:
        """See `rank_of`."""
        return rank_of(self.generation, self._mould.unpacked(self._packed))


def rank_of(generation: int, body: bytes) -> Rank:
    """Of two messages of one job the one of the higher rank stays.

    Where the ranks are the same it is one message, seen by who has lost it and by who has it now.
    """
    return generation, zlib.crc32(body)


class Held(Protocol):
    """What is in hand: found by *key*, looked at when it is *due*, let go of at *renew_at*."""

    key: str
    receipt: Receipt
    due: int
    renew_at: float
    let_go: bool

    @property
    def folder_id(self) -> int:
        """The folder it is in."""

    @property
    def state(self) -> str:
        """By what it is counted."""

    @property
    def rank(self) -> Rank:
        """See `rank_of`."""


S = TypeVar("S", bound=Held)


class Hold(Generic[S]):
    """All that one tracker holds of one sort. Moments are those of the loop."""

    def __init__(self, consumer_timeout_s: float, now: float) -> None:
        self._consumer_timeout_s = consumer_timeout_s
        self._by_key: dict[str, S] = {}
        self._due: defaultdict[int, list[S]] = defaultdict(list)
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

    def hold(self, slot: S, now: float) -> None:
        """Takes *slot* into hand; it is let go by the time the broker wants to see its message settled."""
        slot.renew_at = now + self._consumer_timeout_s * random.uniform(0.4, 0.7)  # noqa: S311
        self._by_key[slot.key] = slot
        self.folders[slot.folder_id] += 1
        self.states[slot.state] += 1

    def drop(self, slot: S) -> None:
        """Lets go of *slot*, unless another one has taken its place."""
        if self._by_key.get(slot.key) is slot:
            del self._by_key[slot.key]
            slot.let_go = True
            self.folders[slot.folder_id] -= 1
            self.states[slot.state] -= 1
            if not self.folders[slot.folder_id]:
                del self.folders[slot.folder_id]

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
                self.drop(slot)
                slot.receipt.ack()
        return younger

    def later(self, slot: S, at: float) -> None:
        """Looks at *slot* at that moment, and not before."""
        slot.due = max(int(at / TICK_S), self._looked_until)
        self._due[slot.due].append(slot)

    def due(self, now: float) -> list[S]:
        """The slots whose moment has come, each once."""
        found: list[S] = []
        for tick in range(self._looked_until, int(now / TICK_S) + 1):
            for slot in self._due.pop(tick, ()):
                if slot.due == tick and self._by_key.get(slot.key) is slot:
                    slot.due = -1
                    found.append(slot)
        self._looked_until = int(now / TICK_S) + 1
        return found


class Slots(Hold[Slot]):
    """All jobs of one tracker."""

    def __init__(self, patience: Patience, now: float) -> None:
        super().__init__(patience.consumer_timeout_s, now)
        self._waiting: dict[Slot, float] = {}

    def wait(self, slot: Slot, now: float) -> None:
        """*slot* waits for a look from now on, until it is `seen`."""
        self._waiting[slot] = now

    def seen(self, slot: Slot) -> None:
        """The look at *slot* is over."""
        self._waiting.pop(slot, None)

    def late(self, now: float) -> float:
        """For how many seconds the oldest look has been waiting."""
        return now - next(iter(self._waiting.values()), now)


def _known(document: Mapping[str, Any]) -> Known:
    pending = document["state"] == JobState.PENDING and not document.get("explained")
    since = math.ceil(datetime.fromisoformat(document["trackedSince"]).timestamp()) if pending else None
    return _one(document["state"], document["resumeVersion"], since, document.get("missingSince"))


@lru_cache(1024)
def _one(state: str, resume_version: int, pending_since: int | None, missing_since: float | None) -> Known:
    """One object for all of whom the same is known: nearly all, but for the seconds since which some wait."""
    return Known(state, resume_version, pending_since, missing_since)
