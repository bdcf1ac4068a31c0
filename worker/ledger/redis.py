"""The ledger that all replicas share, in Redis or Valkey; while that is away, this process's own.

Away begins with the first step that gets no answer or a refusal. From then on all is answered from memory,
at once, which is what a worker without Redis promises. What is entered meanwhile is written as soon as Redis
takes entries again; only then is it asked again.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import structlog

from worker.domain.requests import LIFE, Entry
from worker.ledger.memory import MemoryLedger
from worker.ledger.step import Away, Entries, Foreign, Step

_MOST_UNWRITTEN = 200_000
_AT_ONCE = 500
_LOOK_EVERY_S, _TRY_EVERY_S = 2.0, 1.0

_log = structlog.get_logger(__name__)


class _FromMemory(Exception):
    """There is no answer from Redis."""


class RedisLedger:
    """Remembers requests for all replicas; see `pipeline.ports.Ledger` for its promises.

    `keep` runs for the worker's life. *report* hears whether Redis is used, and if not, why; *count* hears of
    each operation that was answered from memory.
    """

    def __init__(
        self, store: Entries, report: Callable[[bool, str | None], None], count: Callable[[str], None]
    ) -> None:
        self._store = store
        self._report = report
        self._count = count
        self._memory = MemoryLedger()
        self._unwritten: OrderedDict[str, Step] = OrderedDict()
        # Apart, as in memory: anybody may begin one, and must not make starts forgotten by it.
        self._unwritten_lives: OrderedDict[str, Step] = OrderedDict()
        self._dropped = 0
        self._away_since: float | None = None
        self._lost = asyncio.Event()

    async def known(self, request_id: str) -> Entry | None:
        """What any replica has entered; or this one, where Redis has forgotten it (of a life: never)."""
        mine = await self._memory.known(request_id)
        its_life = request_id.startswith(LIFE)
        if mine is not None and mine.settled and not its_life:
            return mine
        try:
            entered = await self._take(Step("known", request_id))
        except _FromMemory:
            return mine
        # A tombstone of mine that Redis does not have is one that has given way.
        left = mine if mine is not None and mine.in_doubt and not its_life else None
        return await self._remembered(request_id, entered) or left

    async def claim(self, request_id: str, mine: Entry, *, over: str | None) -> Entry | None:
        """Enters *mine* for all replicas, or returns what stands in the way."""
        here = await self._memory.known(request_id)
        if here is not None and not here.gives_way_to(mine, over) and await self.known(request_id) == here:
            return here
        step = Step("claim", request_id, mine=mine, over=over)
        try:
            stands = await self._remembered(request_id, await self._take(step))
        except _FromMemory:
            stands = await self._memory.claim(request_id, mine, over=over)
            if stands is None:
                self._write_later(replace(step, over=None))
            return stands
        if stands is None:
            await self._memory.claim(request_id, mine, over=here.owner if here else None)
        return stands

    @property
    def shared(self) -> bool:
        """True while Redis is used."""
        return self._away_since is None

    async def cancel(self, request_id: str, tombstone: Entry, *, over: str | None) -> Entry | None:
        """Enters *tombstone* for all replicas, or returns what stands in the way."""
        step = Step("cancel", request_id, mine=tombstone, over=over)
        try:
            return await self._remembered(request_id, await self._take(step))
        except _FromMemory:
            stands = await self._memory.cancel(request_id, tombstone, over=over)
            if stands is None:
                self._write_later(replace(step, over=None))
            return stands

    async def settle(self, request_id: str, mine: Entry) -> None:
        """Enters *mine* for good, at the latest when Redis is back."""
        await self._memory.settle(request_id, mine)
        await self._written(Step("settle", request_id, mine=mine))

    async def release(self, request_id: str, owner: str) -> None:
        """Forgets an unsettled entry of *owner*, at the latest when Redis is back."""
        await self._memory.release(request_id, owner)
        await self._written(Step("release", request_id, owner))

    async def forget(self, life: str) -> None:
        """Forgets how an earlier life of a message ended, at the latest when Redis is back."""
        await self._memory.forget(life)
        await self._written(Step("forget", life))

    async def keep(self) -> None:
        """Looks whether Redis takes entries, finds it back when it was away, until cancelled; then closes."""
        self._report(False, "not asked yet")
        try:
            while not _cancelled():
                try:
                    await self._store.probe()
                    await self._write_back()
                except Away as why:
                    self._lose(str(why))
                else:
                    self._found()
                await self._pause()
        finally:
            await self._store.close()

    async def _take(self, step: Step) -> Entry | None:
        if self._away_since is None:
            try:
                return await self._store.take(step)
            except Away as why:
                self._lose(str(why))
            except Foreign as why:
                # One entry in the way of one request: no reason to do without Redis for all others.
                _log.warning("ledger.foreign_entry", reason=str(why))
        self._count(step.operation)
        raise _FromMemory

    async def _written(self, step: Step) -> None:
        try:
            await self._take(step)
        except _FromMemory:
            self._write_later(step)

    def _write_later(self, step: Step) -> None:
        """Keeps the last step for each request: it makes those before it needless."""
        unwritten = self._unwritten_lives if step.request_id.startswith(LIFE) else self._unwritten
        unwritten[step.request_id] = step
        unwritten.move_to_end(step.request_id)
        if len(unwritten) > _MOST_UNWRITTEN:
            unwritten.popitem(last=False)
            self._dropped += 1

    async def _write_back(self) -> None:
        # Until both are: one may fill again while the other is written.
        while unwritten := self._unwritten or self._unwritten_lives:
            steps = list(islice(unwritten.values(), _AT_ONCE))
            await self._store.take_all(steps)
            for step in steps:
                if unwritten.get(step.request_id) is step:
                    del unwritten[step.request_id]

    async def _remembered(self, request_id: str, entry: Entry | None) -> Entry | None:
        """Keeps what is final for the time when Redis cannot be asked."""
        if entry is not None and entry.settled:
            await self._memory.settle(request_id, entry)
        return entry

    def _lose(self, reason: str) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("ledger.away", reason=reason)
        self._lost.set()
        self._report(False, reason)

    def _found(self) -> None:
        if self._away_since is not None:
            away_s = round(time.monotonic() - self._away_since, 1)
            _log.info("ledger.back", away_s=away_s, forgotten=self._dropped)
        self._away_since, self._dropped = None, 0
        self._lost.clear()
        self._report(True, None)

    async def _pause(self) -> None:
        if self._away_since is not None:
            await asyncio.sleep(_TRY_EVERY_S * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_S):
                await self._lost.wait()


def _cancelled() -> bool:
    """Also where a library has taken our end for an end of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
