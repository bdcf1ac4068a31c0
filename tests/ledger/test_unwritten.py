"""What is to be written once Redis is back is bounded, and what anybody may send drives out nothing else."""

import pytest
from replicas import MINE, is_written, operator, replica
from structlog.testing import capture_logs

from simulator.redis import PrivateRedis
from worker.domain.requests import LIFE
from worker.ledger import redis as ledger_module

pytestmark = pytest.mark.requires("redis-server")


async def test_what_cannot_be_written_is_bounded(
    server: PrivateRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that stays away costs no memory without end; how many were forgotten is told."""
    monkeypatch.setattr(ledger_module, "_MOST_UNWRITTEN", 3)
    server.kill()
    with capture_logs() as logs:
        async with replica(server.url) as here:
            for n in range(10):
                await here.ledger.settle(f"r-{n}", MINE)
            server.start()
            await here.back()
            await is_written(here, ["r-7", "r-8", "r-9"])
            async with operator(server.url) as redis:
                # A look whether it takes entries makes one of its own, for a moment.
                assert len([key for key in await redis.keys() if ":~" not in str(key)]) == 3
    assert logs[-1]["forgotten"] == 7


async def test_a_flood_of_rejections_leaves_what_is_settled_to_be_written(
    server: PrivateRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may send what is rejected, and each message begins a life; of both there is a bound."""
    monkeypatch.setattr(ledger_module, "_MOST_UNWRITTEN", 3)
    server.kill()
    with capture_logs() as logs:
        async with replica(server.url) as here:
            for n in range(3):
                await here.ledger.settle(f"r-{n}", MINE)
            for n in range(10):
                await here.ledger.forget(f"{LIFE}{n}")
                await here.ledger.settle(f"{LIFE}{n}", MINE)
            server.start()
            await here.back()
            await is_written(here, ["r-0", "r-1", "r-2", f"{LIFE}7", f"{LIFE}8", f"{LIFE}9"])
    assert logs[-1]["forgotten"] == 7
