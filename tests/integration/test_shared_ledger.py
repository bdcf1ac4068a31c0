"""Workers that share a ledger: a publisher's duplicates start one job, and Redis may come and go."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from relay import starts_of
from simulated import Simulated
from station import new_id, station
from tenant import SEED, request
from working import Working

from simulator.redis import PrivateRedis

_PAIRS = 8


@pytest.mark.requires("redis-server")
async def test_two_workers_start_a_publishers_duplicates_once(
    amqp_url: str, prefix: str, simulator: Simulated, tmp_path: Path
) -> None:
    """Also when each gets one at the same instant; before Redis is there and without it they work as well."""
    simulator.seed(SEED)
    settings: dict[str, Any] = {
        "AMQP_URL": amqp_url,
        "PREFIX": prefix,
        "ORCHESTRATOR_URL": simulator.onprem,
        "CONCURRENCY": 1,
    }
    with PrivateRedis(password="planted") as redis:
        redis.kill()
        settings |= {"REDIS_URL": redis.url}
        with (
            Working(tmp_path / "one.log", **settings) as one,
            Working(tmp_path / "other.log", **settings) as other,
        ):
            async with station(amqp_url, prefix) as here:
                for worker in (one, other):
                    await worker.ready()
                    health = await worker.health(lambda it: "connecting" in _ledger(it))
                    assert not health["conditions"]["ledger"]["required"]
                await here.outcome(await here.ask(request()))
                redis.start()
                for worker in (one, other):
                    await worker.health(lambda it: not _ledger(it))
                    assert worker.metric("jobrelay_ledger_available") == 1
                simulator.faults([{"operation": "StartJobs", "do": "delay", "seconds": 0.3}])
                for name in [new_id() for _ in range(_PAIRS)]:
                    await asyncio.gather(*(here.ask({**request(), "requestId": name}) for _ in range(2)))
                    await here.hear(name, "request.duplicate")
                    await here.hear(name, "job.created")
                    assert len(starts_of(simulator, f"{prefix}:{name}")) == 1
                redis.kill()
                for worker in (one, other):
                    health = await worker.health(lambda it: bool(_ledger(it)))
                    assert health["ready"]
                await here.outcome(await here.ask(request()))
                assert one.metric("jobrelay_ledger_available") == 0
                assert one.metric("jobrelay_ledger_from") + other.metric("jobrelay_ledger_from") > 0
        assert not one.mentions("planted")
        assert len(one.said("ledger.away")) == 2


def _ledger(health: Mapping[str, Any]) -> str:
    """What is wrong with the ledger; empty if nothing is."""
    return str(health["conditions"]["ledger"]["reason"] or "")
