"""What the client does is told, for metrics."""

from collections.abc import Awaitable, Callable

import pytest
from heard import Heard
from stub_server import JOB, Server, resets, rows, says

from worker.domain.failures import Unavailable
from worker.domain.processes import Folder
from worker.orchestrator import Client

Connect = Callable[..., Awaitable[Client]]


async def test_every_exchange_is_told(connect: Connect, server: Server, folder: Folder) -> None:
    """Operation, outcome and seconds, and what is tried again: what metrics are made of."""
    heard = Heard()
    server.on("Releases", says(None, 503, Retry_After="0"), resets, rows())
    client = await connect(reports=heard)
    await client.processes(folder)
    calls = [(operation, outcome) for operation, outcome, _ in heard.calls]
    assert calls[:2] == [("Token", "200"), ("Releases", "503")]
    assert calls[-1] == ("Releases", "200")
    assert all(seconds >= 0 for _, _, seconds in heard.calls)
    assert set(heard.retries) == {"Releases"}


async def test_a_look_up_is_told_by_what_it_shows(connect: Connect, server: Server, folder: Folder) -> None:
    """Nobody can tell is neither found nor absent; and each list has had its turn."""
    heard = Heard()
    server.on("JobsList", rows(), rows(JOB), says(None, 503))
    client = await connect(reports=heard, http_timeout_s=1)
    await client.find(folder, "jobrelay:inc-1", None)
    await client.find(folder, "jobrelay:inc-1", None)
    with pytest.raises(Unavailable):
        await client.find(folder, "jobrelay:inc-1", None)
    assert heard.lookups == ["absent", "found", "unknown"]
    assert set(heard.turns) == {"had"}
    assert len(heard.turns) == server.calls["JobsList"]


async def test_the_budget_is_told_and_who_is_refused_a_turn(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """After a 429 that is long there is no turn, and how long it will be can be asked."""
    heard = Heard()
    server.on("JobsList", says(None, 429, Retry_After="60"))
    client = await connect(reports=heard, http_timeout_s=1, poll_budget_per_min=60)
    assert heard.pace() == (60, 1.0, 0.0)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await client.find(folder, "jobrelay:inc-1", None)
    a_minute, slowness, wait_s = heard.pace()
    assert (a_minute, heard.turns[0], heard.turns[-1]) == (60, "had", "refused")
    assert slowness == pytest.approx(2, abs=0.1)
    assert 50 < wait_s < 120


async def test_names_are_told_by_the_cache_that_knew_them(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Once read, then remembered."""
    heard = Heard()
    server.on("Releases", rows())
    client = await connect(reports=heard)
    await client.processes(folder)
    await client.processes(folder)
    assert heard.reads == [("processes", "miss"), ("processes", "hit")]
