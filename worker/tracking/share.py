"""What trackers know of each other: who holds how much, which copy of a job counts, what scans have shown."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import repeat
from typing import Any

import structlog

from worker.domain.flight.heard import Holding, link, whole
from worker.domain.flight.listing import age_order, limit_of, row, wanted
from worker.domain.flight.shown import SAFETY_S, Coverage, Lately, Link, vouched
from worker.domain.flight.steps import excess
from worker.domain.jobs import Changes
from worker.domain.messages import Message
from worker.pipeline.holding.pauses import Stopping
from worker.tracking.hold import Rank, rank_of
from worker.tracking.ports import Hint, Hints, Leases
from worker.tracking.slots import Slot, Slots

HELD_EVERY_S = 5.0
_FORGOTTEN_S = 3 * HELD_EVERY_S
_COPIES_AT_ONCE = 500
_LISTED_AT_ONCE = 200
_PEERS_MOST = 1_000
_COMPLAINTS_APART_S = 60.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Peer:
    heard_at: float
    says: Holding


class Sharing:
    """Hears the other trackers and tells them of this one, *me*. It may be told nothing, and all still works.

    *look* is called for a slot that is to be looked at now.
    """

    def __init__(self, hints: Hints, leases: Leases, slots: Slots, me: str, interval_s: float) -> None:
        self._hints = hints
        self._leases = leases
        self._slots = slots
        self._me = me
        self._interval_s = interval_s
        self._peers: dict[str, _Peer] = {}
        self._taken: list[tuple[str, Rank]] = []
        self._lately = Lately()
        self._coverage = Coverage()
        self._complained_at = float("-inf")
        self.consumers = 0
        """How many consumers deliver to this tracker; who asks all trackers counts them."""
        self.of_items: Callable[[Any], bool] = lambda _: False
        """Hears each hint first: True where it was about items."""

    async def run(self, stopping: Stopping, look: Callable[[Slot], None]) -> None:
        """Tells what is held here every few seconds, until the worker is to stop."""
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(self._hear(look))
            telling = 0.0
            while not stopping:
                if _now() >= telling:
                    telling = _now() + HELD_EVERY_S
                    self._tell_held()
                self._tell_taken()
                await stopping.pause(HELD_EVERY_S / 10)
            hearing.cancel()

    def took(self, slot: Slot, message: Message) -> bool:
        """A slot came to hand by *message*. True where a scan has shown a change of late.

        A copy of it may be in another hand. One that was in another tracker's hands counts as read when that
        one was last known to have looked at all that was shown: whatever was shown since is known here.
        """
        self._taken.append((slot.key, rank_of(slot.generation, message.body)))
        if message.redelivered and slot.known.missing_since is None:
            slot.read_at = max(slot.read_at, vouched(self._words(), _now(), self._interval_s))
        return self._lately.shown(slot.key) not in (None, _of(slot))

    def covers(self, slot: Slot) -> bool:
        """True where scans have shown, or will within moments, whatever has changed since *slot* was read."""
        return self._coverage.covers(slot.folder_id, slot.job_id, slot.read_at, _now(), self._interval_s)

    def left(self, folder: int) -> Link | None:
        """Where the scan of a folder can be gone on with."""
        return self._coverage.left(folder, _now(), self._interval_s)

    def folders(self) -> dict[int, int]:
        """How many jobs of each folder all trackers hold together."""
        total = dict(self._slots.folders)
        for peer in self._alive():
            for folder, count in peer.says.folders.items():
                total[folder] = total.get(folder, 0) + count
        return total

    def holds(self, folder: int) -> bool:
        """True where jobs of that folder are in hand here."""
        return self._slots.folders[folder] > 0

    def scanned(self) -> int:
        """How many folders are scanned by anybody."""
        others = {folder for peer in self._alive() for folder in peer.says.scans}
        return len(others | self._mine())

    def excess(self) -> int:
        """How many slots others should have."""
        peers = self._alive()
        held = len(self._slots)
        return excess(held, held + sum(sum(peer.says.folders.values()) for peer in peers), 1 + len(peers))

    def rows(self, folder: int, chain: str, number: int, page: Changes) -> None:
        """Shows everybody a page of a scan, and where to go on."""
        shown = [[row.key, row.state, row.resume_version] for row in page.sightings]
        self._send_rows(folder, chain, number, jobs=shown, done=not page.more, next=page.cursor.word)

    def ended(self, folder: int, chain: str) -> None:
        """Nobody is to go on with a scan: jobs are looked at one by one from now on."""
        self._send_rows(folder, chain, 0, jobs=[], done=False, next=None)

    def _send_rows(self, folder: int, chain: str, number: int, **said: Any) -> None:
        self._hints.send({"kind": "rows", "folder": folder, "chain": chain, "n": number, **said})

    def _alive(self) -> list[_Peer]:
        now = _now()
        self._peers = {name: peer for name, peer in self._peers.items() if now - peer.heard_at <= SAFETY_S}
        return [peer for peer in self._peers.values() if now - peer.heard_at <= _FORGOTTEN_S]

    def _words(self) -> Iterator[tuple[float, float]]:
        yield _now(), self._slots.late(_now())
        yield from ((peer.heard_at, peer.says.late_s) for peer in self._peers.values())

    def _mine(self) -> set[int]:
        return {folder for folder in self._slots.folders if self._leases.held(lease_of(folder))}

    def _tell_held(self) -> None:
        folders = {str(folder): count for folder, count in self._slots.folders.items()}
        held = {"folders": folders, "scans": sorted(self._mine()), "late": self._slots.late(_now())}
        self._hints.send({"kind": "held", "tracker": self._me, **held})

    def _tell_taken(self) -> None:
        """Says what came to hand: who holds an older copy drops that, who holds a younger one answers."""
        while self._taken:
            some, self._taken = self._taken[:_COPIES_AT_ONCE], self._taken[_COPIES_AT_ONCE:]
            self._tell_ranks(some)

    def _tell_ranks(self, ranks: Sequence[tuple[str, Rank]]) -> None:
        jobs = [[key, generation] for key, (generation, _) in ranks]
        marks = [mark for _, (_, mark) in ranks]
        self._hints.send({"kind": "generation", "tracker": self._me, "jobs": jobs, "marks": marks})

    async def _hear(self, look: Callable[[Slot], None]) -> None:
        async for hint in self._hints:
            try:
                if hint.document["kind"] == "list":
                    await self._list(hint)
                elif not self.of_items(hint.document):
                    self._take(hint.document, look)
            except Exception as error:  # noqa: BLE001 - whatever one says, the next one must be heard
                self._complain(error)

    def _complain(self, error: Exception) -> None:
        """Logs that a hint cannot be read, once a minute, and nothing of its text."""
        if _now() - self._complained_at >= _COMPLAINTS_APART_S:
            self._complained_at = _now()
            _log.warning("hint.unreadable", reason=type(error).__name__)

    def _take(self, said: Mapping[str, Any], look: Callable[[Slot], None]) -> None:
        match said["kind"]:
            case "look":
                for key in said["jobs"]:
                    if slot := self._slots.get(key.lower()):
                        look(slot)
            case "rows":
                self._passed(said, look)
            case "held" if said["tracker"] != self._me:
                self._meet(Holding.of(said))
            case "generation" if said["tracker"] != self._me:
                marks = said.get("marks") or repeat(None)
                copies = ((*one, mark) for one, mark in zip(said["jobs"], marks, strict=False))
                if younger := self._slots.compare(copies):
                    self._tell_ranks(younger)

    def _meet(self, peer: Holding) -> None:
        """Remembers what a tracker says last; of too many, those that were heard last."""
        self._peers.pop(peer.tracker, None)
        self._peers[peer.tracker] = _Peer(_now(), peer)
        if len(self._peers) > _PEERS_MOST:
            del self._peers[next(iter(self._peers))]

    async def _list(self, hint: Hint) -> None:
        """Answers who asks which jobs are in flight, for those in hand here; other work gets its turns."""
        asked = hint.document
        is_wanted, limit = wanted(asked), limit_of(asked)
        rows: list[dict[str, Any]] = []
        matching = 0
        for number, slot in enumerate(self._slots):
            if number % _LISTED_AT_ONCE == 0:
                await asyncio.sleep(0)
                rows = nsmallest(limit, rows, key=age_order)
            document = slot.document
            if is_wanted(document):
                matching += 1
                rows.append(row(document))
        told = {"kind": "listed", "tracker": self._me, "consumers": self.consumers, "held": len(self._slots)}
        shown = nsmallest(limit, rows, key=age_order)
        self._hints.reply(hint, {**told, "matching": matching, "rows": shown})

    def _passed(self, said: Mapping[str, Any], look: Callable[[Slot], None]) -> None:
        now = _now()
        self._coverage.heard(whole(said["folder"]), link(said), now, complete=said["done"])
        others = []
        for key, state, resume_version in said["jobs"]:
            slot = self._slots.get(key.lower())
            if slot is None or slot.queued:  # its next message may come back here
                others.append((key.lower(), state, resume_version))
            if slot is not None and _of(slot) != (state, resume_version):
                look(slot)
        self._lately.note(others, now)
        if not self._lately.forget(now):
            self._coverage = Coverage()


def _of(slot: Slot) -> tuple[str, int]:
    return slot.known.state, slot.known.resume_version


def lease_of(folder_id: int) -> str:
    """The name of the lease on scanning a folder."""
    return f"scan.{folder_id}"


def _now() -> float:
    return asyncio.get_running_loop().time()
