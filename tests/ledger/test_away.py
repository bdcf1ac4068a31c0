"""Redis away, in each way, and back: nobody waits, nothing is raised, and what was settled is written."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from replicas import MINE, OTHERS, Replica, is_written, operator, replica, same
from structlog.testing import capture_logs

from simulator.redis import PrivateRedis
from worker.domain.requests import Entry

pytestmark = pytest.mark.requires("redis-server")
SETTLED = replace(MINE, settled=True)


async def _work_alone(here: Replica) -> None:
    """A hundred requests from memory; who waited for Redis each time would take minutes."""
    async with asyncio.timeout(20):
        for n in range(100):
            name = f"alone-{n}"
            assert await here.ledger.known(name) is None
            assert await here.ledger.claim(name, MINE, over=None) is None
            assert same(await here.ledger.claim(name, OTHERS, over=None), MINE)
            await here.ledger.settle(name, MINE)


async def test_a_redis_that_stands_still_is_away_at_the_first_wait(server: PrivateRedis) -> None:
    """From then on nobody waits; once it goes on, what was entered meanwhile is written, and it is used."""
    with capture_logs() as logs:
        async with replica(server.url) as here:
            await here.back()
            server.pause()
            await _work_alone(here)
            await here.away("Redis gave no answer within 1 s")
            server.resume()
            await here.back()
            await is_written(here, [f"alone-{n}" for n in range(100)])
            alone = len(here.alone)
            await here.ledger.settle("after", MINE)
            assert len(here.alone) == alone
    assert [line["event"] for line in logs] == ["ledger.away", "ledger.back"]


async def test_one_late_answer_is_waited_for(server: PrivateRedis) -> None:
    """It may be this process that is late; to give up all others' promises for it would be dear."""
    with capture_logs() as logs:
        async with replica(server.url) as here:
            await here.back()
            server.pause()
            asyncio.get_running_loop().call_later(1.2, server.resume)
            await here.ledger.settle("late", MINE)
            assert here.alone == []
    assert [line["event"] for line in logs] == []


async def test_a_redis_that_died_and_came_back_empty(server: PrivateRedis) -> None:
    """Its connections and the script are gone with it; what is settled here stays known here."""
    async with replica(server.url) as here:
        await here.back()
        await here.ledger.settle("before", MINE)
        server.kill()
        await _work_alone(here)
        assert same(await here.ledger.known("before"), SETTLED)
        server.start()
        await here.back()
        await is_written(here, [f"alone-{n}" for n in range(100)])
        assert same(await here.ledger.claim("before", OTHERS, over=None), SETTLED)


async def test_a_worker_starts_without_its_redis(server: PrivateRedis) -> None:
    """It says so, and uses it when it comes."""
    server.kill()
    async with replica(server.url) as here:
        await _work_alone(here)
        await here.away("connecting to 127.0.0.1")
        server.start()
        await here.back()
        await is_written(here, ["alone-0"])


async def test_what_was_claimed_and_released_meanwhile_is_written_too(server: PrivateRedis) -> None:
    """A POST that is under way when Redis is back is in other replicas' way; one that was not sent is not."""
    async with replica(server.url) as here, replica(server.url) as there:
        await here.back()
        await here.ledger.claim("released", MINE, over=None)
        server.pause()
        await here.ledger.claim("under way", MINE, over=None)
        await here.ledger.release("released", "me")
        await here.away(" ")
        server.resume()
        await here.back()
        await there.back()
        assert same(await there.ledger.claim("under way", OTHERS, over=None), MINE)
        assert await there.ledger.claim("released", OTHERS, over=None) is None


async def test_a_claim_of_the_time_away_takes_nobodys_place(server: PrivateRedis) -> None:
    """Whoever entered a request in Redis meanwhile stands there; only a start is written over that."""
    limited = server.url.replace("//", "//limited:pw@")
    async with operator(server.url) as redis, replica(server.url) as there:
        await _let(redis, "limited", "on", ">pw", "~*", "+@all")
        async with replica(limited) as here:
            await here.back()
            await _let(redis, "limited", "-@write")
            for name in ("claimed", "settled"):
                assert await here.ledger.claim(name, MINE, over=None) is None
                assert await there.ledger.claim(name, OTHERS, over=None) is None
            await here.ledger.settle("settled", MINE)
            await _let(redis, "limited", "+@all")
            await here.back()
            assert same(await here.ledger.known("claimed"), OTHERS)
            assert same(await there.ledger.known("settled"), SETTLED)


async def _let(redis: Redis, user: str, *rules: str) -> None:
    await redis.execute_command("ACL", "SETUSER", user, *rules)  # type: ignore[no-untyped-call]


async def _full(redis: Redis, on: bool) -> None:
    await redis.config_set("maxmemory", "1" if on else "0")


async def _replica_of_nobody(redis: Redis, on: bool) -> None:
    await redis.slaveof(*(("127.0.0.1", 1) if on else (None, None)))


async def _forbidden(redis: Redis, on: bool) -> None:
    await _let(redis, "default", "-@write" if on else "+@all")


async def _unsaved(redis: Redis, on: bool) -> None:
    await redis.config_set("stop-writes-on-bgsave-error", "yes" if on else "no")
    if on:
        await redis.config_set("save", "3600 1")
        await redis.bgsave()


@pytest.mark.parametrize(
    ("refuse", "said"),
    [(_full, "memory"), (_replica_of_nobody, "read only"), (_forbidden, "can't run"), (_unsaved, "RDB")],
)
async def test_a_redis_that_is_up_and_refuses_is_away(
    refuse: Callable[[Redis, bool], Awaitable[None]], said: str
) -> None:
    """Out of memory, a replica, a user without rights, a full disk: it is told, until it is mended."""
    with PrivateRedis("--dir", "/proc") as server:
        async with operator(server.url) as redis, replica(server.url) as here:
            await here.back()
            await refuse(redis, True)
            assert said in await here.away(said)
            await _work_alone(here)
            await refuse(redis, False)
            await here.back()
            await is_written(here, ["alone-99"])


async def test_a_quiet_worker_notices_too(server: PrivateRedis) -> None:
    """Readiness is true also while no request comes."""
    async with replica(server.url) as here:
        await here.back()
        server.kill()
        await here.away(" ")
        server.start()
        await here.back()
        assert here.alone == []


async def test_no_connection_is_left(server: PrivateRedis) -> None:
    """A worker takes a few, and when it has ended nobody but the operator is connected."""
    async with operator(server.url) as redis:
        async with replica(server.url) as here:
            await here.back()
            await asyncio.gather(*(here.ledger.known(f"r-{n}") for n in range(100)))
            assert 1 < len(await redis.client_list()) <= 17
        async with asyncio.timeout(10):
            while len(await redis.client_list()) > 1:
                pass


async def test_what_was_cancelled_meanwhile_is_known_here_and_written(server: PrivateRedis) -> None:
    """Until then it is this worker's word alone, and it says so; what gave way elsewhere stays gone here."""
    tombstone = Entry("stop-1", "", None, settled=False, safe_at=time.time() + 99, cancelled=True)
    async with replica(server.url) as here, replica(server.url) as there:
        await here.back()
        certain = [here.ledger.shared]
        server.pause()
        await here.ledger.cancel("r", tombstone, over=None)
        certain.append(here.ledger.shared)
        assert certain == [True, False]
        assert same(await here.ledger.claim("r", MINE, over=None), tombstone)
        server.resume()
        await here.back()
        await there.back()
        stands = await there.ledger.claim("r", MINE, over=None)
        assert stands is not None
        assert replace(stands, safe_at=tombstone.safe_at) == tombstone
        assert await there.ledger.claim("r", OTHERS, over="stop-1") is None
        await there.ledger.release("r", "other")
        assert await here.ledger.known("r") is None
