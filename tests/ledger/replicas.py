"""Replicas of a worker as far as their ledgers go: what each reported, and what it had to answer alone."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from redis.asyncio import Redis
from working import until

from worker.domain.requests import Entry
from worker.ledger.redis import RedisLedger
from worker.ledger.store import Store

MINE = Entry("me", "sha", "m-1", settled=False, safe_at=100.0, folder_id=101)
OTHERS = replace(MINE, owner="other")


@dataclass(slots=True)
class Replica:
    """A shared ledger, and what its worker hears of it."""

    url: str
    prefix: str
    clock: Callable[[], float] = time.time
    reports: list[tuple[bool, str | None]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    ledger: RedisLedger = field(init=False)

    def __post_init__(self) -> None:
        store = Store(self.url, self.prefix, self.clock)
        self.ledger = RedisLedger(store, lambda ok, why: self.reports.append((ok, why)), self.alone.append)

    async def back(self) -> None:
        """Returns when Redis is used."""
        await until(lambda: self.reports and self.reports[-1][0], lambda: f"not used: {self.reports[-1:]}")

    async def away(self, why: str) -> str:
        """Why Redis is not used, once that has *why* in it."""
        await until(lambda: why in self._why(), lambda: f"{why} is not in {self._why()}")
        return self._why()

    def _why(self) -> str:
        return (self.reports[-1][1] or "") if self.reports else ""


def new_prefix() -> str:
    """One that nobody has used on a server."""
    return f"t-{secrets.token_hex(4)}"


@asynccontextmanager
async def replica(
    url: str, prefix: str = "t", clock: Callable[[], float] = time.time
) -> AsyncIterator[Replica]:
    """One whose ledger is kept; its Redis need not be there yet."""
    here = Replica(url, prefix, clock)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(here.ledger.keep())
        try:
            yield here
        finally:
            keeping.cancel()


@asynccontextmanager
async def operator(url: str) -> AsyncIterator[Redis]:
    """Somebody who talks to the server by himself."""
    client = Redis.from_url(url, protocol=2, decode_responses=True)
    try:
        yield client
    finally:
        await client.aclose()


def same(one: Entry | None, other: Entry | None) -> bool:
    """Whether two say the same; a safe_at goes by the clocks of two machines."""
    if one is None or other is None:
        return one is other
    near = one.settled or abs(one.safe_at - other.safe_at) < 1
    return near and replace(one, safe_at=0) == replace(other, safe_at=0)


async def is_written(here: Replica, names: list[str]) -> None:
    """Redis has these as settled, for others to know."""
    async with operator(here.url) as redis:
        found = [await redis.hget(f"{here.prefix}:request:{name}", "settled") for name in names]
        assert found == ["1"] * len(names)
