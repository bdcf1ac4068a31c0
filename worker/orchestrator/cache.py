"""Remembers what was read: one read for all who ask at once, old answers for as long as new ones fail."""

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from worker.domain.failures import Failure, Rejected, Unavailable

T = TypeVar("T")

MIN_AGE_S = 2.0
"""Nothing is read again sooner than this, in seconds, whoever insists on a fresh answer."""
REFUSAL_TTL_S = 15.0
"""How long a refusal (an unknown folder, a missing permission) is remembered, in seconds."""
MOST_ENTRIES = 10_000


class Flight(Generic[T]):
    """Something done once for all who wait for it.

    The first one does it; when that one is cancelled, the next one does it anew, so that nobody's
    cancellation is felt by another. A failure is everybody's.
    """

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._lock = asyncio.Lock()
        self._value: tuple[T] | None = None
        self._failure: Failure | None = None

    @property
    def is_over(self) -> bool:
        """True once there is a value or a failure."""
        return self._value is not None or self._failure is not None

    async def result(self) -> T:
        """What it came to, or its `Failure` (a copy: each waiter has its own traceback)."""
        async with self._lock:
            if not self.is_over:
                try:
                    self._value = (await self._make(),)
                except Failure as failure:
                    self._failure = failure
        if self._value is None:
            assert self._failure is not None  # noqa: S101 - the lines above set one of the two
            raise copy.copy(self._failure)
        return self._value[0]


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T | None = None
    refusal: Rejected | None = None
    read_at: float = float("-inf")
    failed_at: float = float("-inf")


class Cache(Generic[T]):
    """Values by key, each read again when older than *ttl* seconds.

    - Callers at the same moment share one read.
    - A refusal (`Rejected`) is remembered too, for 15 s at most.
    - When a read fails (`Unavailable`), the old value is given for up to one more *ttl*; who asked for a
      fresh one gets the failure, because the old value is what they doubt.
    - *fresh* reads again, unless that was done in the last two seconds.

    *heard* is told how each `get` was answered: `hit`, `miss`, `joined` (another one's read), and beside
    one of the latter two `stale`, where the read failed and an old value was given.
    """

    def __init__(
        self,
        ttl: float,
        heard: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl = ttl
        self._heard = heard
        self._clock = clock
        self._entries: dict[Hashable, _Entry[T]] = {}
        self._flights: dict[Hashable, Flight[T]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]], *, fresh: bool = False) -> T:
        """The value of *key*, by *read* where it is not known well enough."""
        entry = self._entries.get(key)
        if entry is not None and self._is_good(entry, fresh=fresh):
            self._heard("hit")
            if entry.refusal is not None:
                raise copy.copy(entry.refusal)
            return entry.value  # type: ignore[return-value]
        try:
            return await self._shared(key, read)
        except Unavailable:
            if fresh or entry is None or not self._may_serve_stale(entry):
                raise
            self._heard("stale")
            entry.failed_at = self._clock()
            return entry.value  # type: ignore[return-value]

    def _is_good(self, entry: _Entry[T], *, fresh: bool) -> bool:
        now = self._clock()
        age = now - entry.read_at
        if fresh:
            return age < MIN_AGE_S
        if entry.refusal is not None:
            return age < min(self._ttl, REFUSAL_TTL_S)
        return age < self._ttl or (now - entry.failed_at < MIN_AGE_S and self._may_serve_stale(entry))

    def _may_serve_stale(self, entry: _Entry[T]) -> bool:
        return entry.refusal is None and self._clock() - entry.read_at < 2 * self._ttl

    async def _shared(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        flight = self._flights.get(key)
        self._heard("miss" if flight is None else "joined")
        if flight is None:
            flight = self._flights[key] = Flight(lambda: self._read(key, read))
        try:
            return await flight.result()
        finally:
            if self._flights.get(key) is flight and flight.is_over:
                del self._flights[key]

    async def _read(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        try:
            value = await read()
        except Rejected as refusal:
            self._keep(key, _Entry(refusal=refusal, read_at=self._clock()))
            raise
        self._keep(key, _Entry(value, read_at=self._clock()))
        return value

    def _keep(self, key: Hashable, entry: _Entry[T]) -> None:
        self._entries.pop(key, None)
        if len(self._entries) >= MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry
