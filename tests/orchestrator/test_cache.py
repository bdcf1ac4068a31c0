"""The cache: one read for all, old values in trouble, refusals remembered for a moment."""

import asyncio
import contextlib

import pytest

from worker.domain.failures import Code, Failure, Later, Rejected, Unavailable
from worker.orchestrator.cache import MOST_ENTRIES, Cache, Flight

DOWN = Unavailable(Later.UNREACHABLE, "down", outage=True)
NO = Rejected(Code.FOLDER_UNKNOWN, "no such folder")


class Source:
    """Counts its reads; fails while it is told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.failure: Failure | None = None
        self.now = 0.0

    async def read(self) -> int:
        self.reads += 1
        mine = self.reads
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return mine

    def clock(self) -> float:
        return self.now


@pytest.fixture
def source() -> Source:
    """A source that works, at time 0."""
    return Source()


@pytest.fixture
def cache(source: Source) -> Cache[int]:
    """A cache of 300 seconds by the source's clock."""
    return Cache(300, clock=source.clock)


async def test_each_answer_is_told_by_where_it_came_from(source: Source) -> None:
    """Remembered, read, read for another one; and an old one in place of a read that failed."""
    told: list[str] = []
    cache: Cache[int] = Cache(300, told.append, source.clock)
    await asyncio.gather(cache.get("k", source.read), cache.get("k", source.read))
    await cache.get("k", source.read)
    source.failure, source.now = DOWN, 301
    await cache.get("k", source.read)
    assert told == ["miss", "joined", "hit", "miss", "stale"]


async def test_a_value_is_read_once_in_its_time(source: Source, cache: Cache[int]) -> None:
    """And again when it is older."""
    assert [await cache.get("k", source.read) for _ in range(3)] == [1, 1, 1]
    source.now = 299
    assert await cache.get("k", source.read) == 1
    source.now = 301
    assert await cache.get("k", source.read) == 2


async def test_callers_of_one_moment_share_a_read(source: Source, cache: Cache[int]) -> None:
    """Also those who insist on a fresh one."""
    assert set(await asyncio.gather(*(cache.get("k", source.read) for _ in range(100)))) == {1}
    source.now = 10
    reads = (cache.get("k", source.read, fresh=True) for _ in range(100))
    assert set(await asyncio.gather(*reads)) == {2}


async def test_fresh_reads_again_but_not_within_two_seconds(source: Source, cache: Cache[int]) -> None:
    """A stream of unknown names cannot hammer the server."""
    await cache.get("k", source.read)
    source.now = 1.9
    assert await cache.get("k", source.read, fresh=True) == 1
    source.now = 2.1
    assert await cache.get("k", source.read, fresh=True) == 2


async def test_an_old_value_stands_in_for_a_failing_read(source: Source, cache: Cache[int]) -> None:
    """For one more life; and the failing server is asked every two seconds at most."""
    await cache.get("k", source.read)
    source.failure = DOWN
    source.now = 301
    assert [await cache.get("k", source.read) for _ in range(5)] == [1] * 5
    assert source.reads == 2
    source.now = 304
    assert await cache.get("k", source.read) == 1
    assert source.reads == 3
    source.now = 601
    with pytest.raises(Unavailable):
        await cache.get("k", source.read)


async def test_who_doubts_the_old_value_is_not_given_it(source: Source, cache: Cache[int]) -> None:
    """A fresh read that fails is a failure: else an unknown name would be rejected in an outage."""
    await cache.get("k", source.read)
    source.failure, source.now = DOWN, 5
    with pytest.raises(Unavailable):
        await cache.get("k", source.read, fresh=True)
    assert await cache.get("k", source.read) == 1


async def test_a_failure_is_not_remembered_but_a_refusal_is(source: Source, cache: Cache[int]) -> None:
    """An outage may be over at once; a refusal lasts fifteen seconds, two for who insists."""
    source.failure = DOWN
    for _ in range(2):
        with pytest.raises(Unavailable):
            await cache.get("k", source.read)
    assert source.reads == 2
    source.failure = NO
    for _ in range(2):
        with pytest.raises(Rejected):
            await cache.get("k", source.read)
    assert source.reads == 3
    source.failure, source.now = None, 3
    with pytest.raises(Rejected):
        await cache.get("k", source.read)
    assert await cache.get("k", source.read, fresh=True) == 4


async def test_a_refusal_replaces_an_old_value(source: Source, cache: Cache[int]) -> None:
    """A folder that is gone is not served from memory."""
    await cache.get("k", source.read)
    source.failure, source.now = NO, 301
    with pytest.raises(Rejected):
        await cache.get("k", source.read)


async def test_the_memory_is_bounded(source: Source, cache: Cache[int]) -> None:
    """Names come from outside; the oldest are forgotten."""
    for key in range(MOST_ENTRIES + 10):
        await cache.get(key, source.read)
    assert len(cache._entries) == MOST_ENTRIES


async def test_a_cancelled_reader_leaves_the_read_to_the_next() -> None:
    """Nobody's cancellation is felt by another."""
    gate, begun = asyncio.Event(), 0

    async def read() -> int:
        nonlocal begun
        begun += 1
        await gate.wait()
        return begun

    cache: Cache[int] = Cache(300)
    readers = [asyncio.ensure_future(cache.get("k", read)) for _ in range(3)]  # noqa: TID251
    await asyncio.sleep(0)
    readers[0].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await readers[0]
    gate.set()
    assert await asyncio.wait_for(asyncio.gather(*readers[1:]), 5) == [2, 2]
    assert await cache.get("k", read) == 2


async def test_a_shared_failure_is_everybodys_own() -> None:
    """Each waiter gets a copy with all its facts, so that tracebacks do not pile up on one."""

    async def fail() -> int:
        raise Unavailable(Later.THROTTLED, "slow down", retry_after=7)

    flight: Flight[int] = Flight(fail)
    results = await asyncio.gather(flight.result(), flight.result(), return_exceptions=True)
    first, second = results
    assert isinstance(first, Unavailable)
    assert isinstance(second, Unavailable)
    assert first is not second
    assert (second.code, second.detail, second.retry_after) == (Later.THROTTLED, "slow down", 7)
