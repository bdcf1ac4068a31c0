"""Gathers look-ups: what is asked while a call waits for its turn shares that call.

One call for each folder, of at most 50 References. A Reference that a call fails for does not take the others
with it, nor does a caller who goes away.
"""

import asyncio
import copy
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Generic

from worker.domain.failures import Unavailable
from worker.orchestrator.cache import Flight
from worker.orchestrator.http.budget import Budget, Turns
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.lookup.proof import (
    LOOK_BACK_S,
    TOO_LONG,
    Listing,
    R,
    Search,
    may_be_ones_fault,
    size_of,
)

MOMENT_S = 0.02
"""How long a look-up waits for others of its folder at least, in seconds."""
MOST_REFERENCES = 50

Found = dict[str, list[R] | Unavailable]


class _Batch:
    """The look-ups of one folder that wait for the same call."""

    def __init__(self, folder_id: int, room: int) -> None:
        self.folder_id = folder_id
        self.wanted: dict[str, str | None] = {}
        self.since = time.time() - LOOK_BACK_S
        self._room = room

    def takes(self, reference: str) -> bool:
        return reference in self.wanted or (
            len(self.wanted) < MOST_REFERENCES and size_of(reference) <= self._room
        )

    def add(self, reference: str, release_name: str | None, since: float | None) -> None:
        if reference not in self.wanted:
            self._room -= size_of(reference)
        self.wanted[reference] = release_name
        self.since = min(self.since, since or self.since)


class Lookup(Generic[R]):
    """Gathered look-ups by Reference, at the pace of *budget*; *heard* is told what each has come to.

    Those that are not *urgent* give way to others.
    """

    def __init__(
        self,
        transport: Transport,
        base: str,
        budget: Budget,
        heard: Callable[[str], None],
        listing: Listing[R],
        *,
        urgent: bool = True,
    ) -> None:
        self._search = Search(transport, base, listing)
        self._budget = budget
        self._heard = heard
        self._urgent = urgent
        self._open: dict[int, tuple[_Batch, Flight[Found[R]]]] = {}

    async def find(
        self, folder_id: int, reference: str, release_name: str | None, since: float | None
    ) -> Sequence[R]:
        """All rows with exactly this Reference, oldest first, or `Unavailable`."""
        try:
            found = await self._find(folder_id, reference, release_name, since)
        except Unavailable:
            self._heard("unknown")
            raise
        self._heard("found" if found else "absent")
        return found

    async def _find(
        self, folder_id: int, reference: str, release_name: str | None, since: float | None
    ) -> Sequence[R]:
        flight = self._join(folder_id, reference, release_name, since)
        await asyncio.sleep(MOMENT_S)
        found = (await flight.result())[reference]
        if isinstance(found, Unavailable):
            raise copy.copy(found)
        return found

    def _join(
        self, folder_id: int, reference: str, release_name: str | None, since: float | None
    ) -> Flight[Found[R]]:
        batch, flight = self._open.get(folder_id, (None, None))
        if batch is None or flight is None or not batch.takes(reference):
            batch = _Batch(folder_id, self._search.room)
            flight = Flight(lambda: self._answer(batch))
            self._open[folder_id] = batch, flight
        batch.add(reference, release_name, since)
        return flight

    async def _answer(self, batch: _Batch) -> Found[R]:
        turns = Turns(self._budget, urgent=self._urgent)
        try:
            await turns.hold()
        finally:
            self._close(batch)
        return await self._found(batch, turns)

    def _close(self, batch: _Batch) -> None:
        if self._open.get(batch.folder_id, (None, None))[0] is batch:
            del self._open[batch.folder_id]

    async def _found(self, batch: _Batch, turns: Turns) -> Found[R]:
        try:
            return {**await self._search.rows(batch.folder_id, batch.wanted, batch.since, turns)}
        except Unavailable as why:
            if len(batch.wanted) == 1:
                raise
            if why.answer and why.answer.status in TOO_LONG:
                self._search.shorten(batch.wanted)
            return await self._apart(batch, turns, why)

    async def _apart(self, batch: _Batch, turns: Turns, why: Unavailable) -> Found[R]:
        """What failed together is asked in halves, a half that fails again so, while the other does not."""
        found: Found[R] = {}
        suspects = list(batch.wanted)
        while len(suspects) > 1 and may_be_ones_fault(why):
            random.shuffle(suspects)
            failed: list[list[str]] = []
            for half in (suspects[::2], suspects[1::2]):
                try:
                    wanted: Mapping[str, str | None] = {one: batch.wanted[one] for one in half}
                    found |= await self._search.rows(batch.folder_id, wanted, batch.since, turns)
                except Unavailable as failure:
                    failed.append(half)
                    why = failure
            if len(failed) == 2:
                break
            suspects = failed[0] if failed else []
        return found | dict.fromkeys(suspects, why)
