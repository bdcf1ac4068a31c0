"""What trackers know of each other: who holds how much, which copy of a job counts, what scans have shown."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

import structlog

from worker.domain.flight.listing import age_order, row, wanted
from worker.domain.flight.steps import Coverage, excess
from worker.pipeline.holding.pauses import Stopping
from worker.tracking.ports import Hint, Hints, Leases
from worker.tracking.slots import Slot, Slots

HELD_EVERY_S = 5.0
_FORGOTTEN_S = 3 * HELD_EVERY_S
_COPIES_AT_ONCE = 500
LATELY_S = 30.0
"""For how long it is known which jobs scans have shown that were in nobody's hands here."""
_LATELY_MOST = 50_000
_LISTED_AT_ONCE = 200

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Peer:
    heard_at: float
    folders: Mapping[int, int]
    scans: frozenset[int]


class Sharing:
    """Hears the other trackers and tells them of this one, *me*. It may be told nothing, and all still works.

    *look* is called for a slot that is to be looked at now.
    """

    def __init__(self, hints: Hints, leases: Leases, slots: Slots, me: str) -> None:
        self._hints = hints
        self._leases = leases
        self._slots = slots
        self._me = me
        self._peers: dict[str, _Peer] = {}
        self._copies: list[Slot] = []
        self._lately: OrderedDict[str, tuple[float, str, int]] = OrderedDict()
        self.coverage = Coverage()
        self.consumers = 0
        """How many consumers deliver to this tracker; who asks all trackers counts them."""

    async def run(self, stopping: Stopping, look: Callable[[Slot], None]) -> None:
        """Tells what is held here every few seconds, until the worker is to stop."""
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(self._hear(look))
            telling = 0.0
            while not stopping:
                if _now() >= telling:
                    telling = _now() + HELD_EVERY_S
                    self._tell_held()
                self._tell_copies()
                await stopping.pause(HELD_EVERY_S / 10)
            hearing.cancel()

    def took(self, slot: Slot, *, redelivered: bool) -> bool:
        """A slot came to hand, and a copy may be elsewhere. True where a scan has just shown a change."""
        if redelivered:
            self._copies.append(slot)
        _, state, resume_version = self._lately.get(slot.key, (0.0, *_of(slot)))
        return (state, resume_version) != _of(slot)

    def folders(self) -> dict[int, int]:
        """How many jobs of each folder all trackers hold together."""
        total = dict(self._slots.folders)
        for peer in self._alive():
            for folder, count in peer.folders.items():
                total[folder] = total.get(folder, 0) + count
        return total

    def scanned(self) -> int:
        """How many folders are scanned by anybody."""
        others = {folder for peer in self._alive() for folder in peer.scans}
        return len(others | self._mine())

    def excess(self) -> int:
        """How many slots others should have."""
        peers = self._alive()
        held = len(self._slots)
        return excess(held, held + sum(sum(peer.folders.values()) for peer in peers), 1 + len(peers))

    def rows(self, folder: int, chain: str, number: int, rows: Iterable[Any], *, complete: bool) -> None:
        """Shows everybody a page of a scan."""
        shown = [[row.key, row.state, row.resume_version] for row in rows]
        self._hints.send(
            {"kind": "rows", "folder": folder, "chain": chain, "n": number, "jobs": shown, "done": complete}
        )

    def _alive(self) -> list[_Peer]:
        since = _now() - _FORGOTTEN_S
        self._peers = {name: peer for name, peer in self._peers.items() if peer.heard_at >= since}
        return list(self._peers.values())

    def _mine(self) -> set[int]:
        return {folder for folder in self._slots.folders if self._leases.held(lease_of(folder))}

    def _tell_held(self) -> None:
        folders = {str(folder): count for folder, count in self._slots.folders.items()}
        self._hints.send(
            {"kind": "held", "tracker": self._me, "folders": folders, "scans": sorted(self._mine())}
        )

    def _tell_copies(self) -> None:
        """Says what was delivered a second time: whoever holds the younger copy of it answers."""
        while self._copies:
            some, self._copies = self._copies[:_COPIES_AT_ONCE], self._copies[_COPIES_AT_ONCE:]
            self._tell_generations(some)

    def _tell_generations(self, slots: Iterable[Slot]) -> None:
        jobs = [[slot.key, slot.generation] for slot in slots]
        self._hints.send({"kind": "generation", "tracker": self._me, "jobs": jobs})

    async def _hear(self, look: Callable[[Slot], None]) -> None:
        async for hint in self._hints:
            try:
                if hint.document["kind"] == "list":
                    await self._list(hint)
                self._take(hint.document, look)
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                _log.warning("hint.unreadable", reason=repr(error))

    def _take(self, said: Mapping[str, Any], look: Callable[[Slot], None]) -> None:
        match said["kind"]:
            case "look":
                for key in said["jobs"]:
                    if slot := self._slots.get(key.lower()):
                        look(slot)
            case "rows":
                self._passed(said, look)
            case "held" if said["tracker"] != self._me:
                folders = {int(folder): int(count) for folder, count in said["folders"].items()}
                self._peers[said["tracker"]] = _Peer(_now(), folders, frozenset(said["scans"]))
            case "generation" if said["tracker"] != self._me:
                self._compare(said["jobs"])

    async def _list(self, hint: Hint) -> None:
        """Answers who asks which jobs are in flight, for those in hand here; other work gets its turns."""
        asked = hint.document
        is_wanted, limit = wanted(asked), int(asked["limit"])
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
        self.coverage.heard(said["folder"], said["chain"], said["n"], now, complete=said["done"])
        for key, state, resume_version in said["jobs"]:
            slot = self._slots.get(key.lower())
            if slot is None:
                self._lately[key.lower()] = now, state, resume_version
                self._lately.move_to_end(key.lower())
            elif _of(slot) != (state, resume_version):
                look(slot)
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._lately:
            oldest = next(iter(self._lately))
            if now - self._lately[oldest][0] <= LATELY_S:
                break
            del self._lately[oldest]
        if len(self._lately) > _LATELY_MOST:
            self._lately.clear()
            self.coverage = Coverage()

    def _compare(self, jobs: Iterable[Any]) -> None:
        """Drops the older of two copies. Of the same age they may be one message, seen by two: it is kept."""
        younger = []
        for key, generation in jobs:
            slot = self._slots.get(key)
            if slot is None or slot.queued:
                continue
            if slot.generation > generation:
                younger.append(slot)
            elif slot.generation < generation:
                self._slots.drop(slot)
                slot.receipt.ack()
        if younger:
            self._tell_generations(younger)


def _of(slot: Slot) -> tuple[str, int]:
    return slot.known.state, slot.known.resume_version


def lease_of(folder_id: int) -> str:
    """The name of the lease on scanning a folder."""
    return f"scan.{folder_id}"


def _now() -> float:
    return asyncio.get_running_loop().time()
