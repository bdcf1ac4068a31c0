"""A storm of lost answers against Orchestrator's own limit: few calls, and in the end all are answered."""

import asyncio

import pytest
from heard import Heard
from seeded import SEED, SOUTH, client_of, shared, start_info
from simulated import Simulated

from worker.domain.failures import Later, Unavailable
from worker.domain.processes import Folder
from worker.domain.requests import FolderRef
from worker.orchestrator import Client
from worker.orchestrator.http import budget


def limited(simulator: Simulated, calls: int, seconds: float) -> None:
    """At most so many lists in any *seconds*, as Cloud does it."""
    behaviour = SEED["behaviour"] | {"rateLimitPerMinute": calls, "rateLimitSeconds": seconds}
    simulator.seed({**SEED, "behaviour": behaviour})


async def in_the_end(client: Client, folder: Folder, reference: str) -> int:
    """How many jobs there are, asked again as often as a deferral would."""
    while True:
        try:
            return len(await client.find(folder, reference, "P0"))
        except Unavailable as why:
            if why.code is not Later.THROTTLED or why.outage:
                raise
            await asyncio.sleep(why.retry_after or 1)


async def test_a_storm_of_look_ups_is_a_few_calls(
    simulator: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 in two folders, a few at a time: no more than the share, and nobody meets a 429."""
    monkeypatch.setattr(budget, "MINUTE_S", 3.0)
    limited(simulator, 30, 3.0)
    async with client_of(simulator, poll_budget_per_min=30, http_timeout_s=10) as client:
        folders = [await shared(client), await client.folder(FolderRef(path=SOUTH))]
        for n in range(0, 500, 50):
            await client.start(folders[0], start_info(f"jobrelay:{n}"))
        async with asyncio.TaskGroup() as group:
            found = []
            for n in range(500):
                found.append(group.create_task(client.find(folders[n % 2], f"jobrelay:{n}", "P0")))
                if n % 20 == 19:
                    await asyncio.sleep(0.03)
    assert [len(task.result()) for task in found] == [int(n % 50 == 0) for n in range(500)]
    assert 10 <= simulator.ledger()["calls"]["JobsList"] <= 25


async def test_all_are_answered_while_others_use_the_limit_up(
    simulator: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two replicas that may ask far more than there is: they slow down, and each look-up is answered."""
    monkeypatch.setattr(budget, "MINUTE_S", 1.0)
    limited(simulator, 4, 1.0)
    heard = Heard()
    async with client_of(simulator, heard) as one, client_of(simulator, heard) as two:
        folder = await shared(one)
        await one.start(folder, start_info("jobrelay:0"))
        async with asyncio.TaskGroup() as group:
            found = []
            for n in range(100):
                found.append(group.create_task(in_the_end((one, two)[n % 2], folder, f"jobrelay:{n % 50}")))
                await asyncio.sleep(0.01)
    assert [task.result() for task in found] == [int(n % 50 == 0) for n in range(100)]
    statuses = heard.outcomes("JobsList")
    assert statuses["429"] <= 5
    assert statuses.total() <= 40
