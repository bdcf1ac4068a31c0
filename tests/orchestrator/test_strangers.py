"""Jobs are believed only where their rows are jobs' rows, of the Reference that was asked for, each once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from stub_server import JOB, START_INFO, Server, failure_of, rows, says

from worker.domain.failures import OutcomeUnknown, Unavailable
from worker.domain.processes import Folder
from worker.orchestrator import Client

Connect = Callable[..., Awaitable[Client]]
OTHER = JOB | {"Id": 9002, "Key": "7c930486-4b80-415a-b4f0-f30bc2580188"}
STRANGE: list[dict[str, Any]] = [
    {"Key": None}, {"Key": {}}, {"Key": "key-1"}, {"Key": 7},
    {"Id": None}, {"Id": "9001"}, {"Id": 0}, {"Id": -1}, {"Id": 1.5}, {"Id": True}, {"Id": 2**63},
    {"State": None}, {"State": []}, {"State": {}}, {"State": ""}, {"State": "x" * 65},
    {"CreationTime": 5}, {"BatchExecutionKey": 5}, {"Reference": 5}, {"Reference": ["jobrelay:inc-1"]},
]  # fmt: skip


@pytest.mark.parametrize("wrong", [*STRANGE, {"Reference": "jobrelay:inc-2"}], ids=repr)
async def test_a_start_that_is_answered_with_a_strangers_job_is_looked_up(
    connect: Connect, server: Server, folder: Folder, wrong: dict[str, Any]
) -> None:
    """One row that cannot be ours spoils the answer: what was started is unknown."""
    server.on("StartJobs", says({"value": [OTHER, JOB | wrong]}, 201))
    assert isinstance(await failure_of(await connect(), folder), OutcomeUnknown)


async def test_a_start_that_is_answered_with_one_job_twice_is_looked_up(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """Two jobs were asked for, perhaps; one is not two."""
    server.on("StartJobs", says({"value": [JOB, JOB]}, 201))
    assert isinstance(await failure_of(await connect(), folder), OutcomeUnknown)


@pytest.mark.parametrize("reference", [None, "", "absent"])
async def test_a_row_without_a_reference_is_believed(
    connect: Connect, server: Server, folder: Folder, reference: str | None
) -> None:
    """Servers before API 11 know none."""
    row = JOB | {"Reference": reference}
    if reference == "absent":
        del row["Reference"]
    server.on("StartJobs", says({"value": [row]}, 201))
    (job,) = await (await connect()).start(folder, START_INFO)
    assert job.id == JOB["Id"]


@pytest.mark.parametrize("wrong", STRANGE, ids=repr)
async def test_a_look_up_with_a_strange_row_proves_nothing(
    connect: Connect, server: Server, folder: Folder, wrong: dict[str, Any]
) -> None:
    """On a first page and where a second one would have to be asked for by its Id."""
    server.on("JobsList", rows(OTHER, JOB | wrong, count=3))
    with pytest.raises(Unavailable, match="proved nothing"):
        await (await connect()).find(folder, "jobrelay:inc-1", None)


async def test_a_row_that_comes_twice_is_one_job(connect: Connect, server: Server, folder: Folder) -> None:
    """Rows move between pages; two jobs under one Id are no answer at all."""
    server.on("JobsList", rows(JOB, OTHER, JOB | {"State": "Running"}))
    client = await connect()
    found = await client.find(folder, "jobrelay:inc-1", None)
    assert [(job.id, job.state) for job in found] == [(9001, "Pending"), (9002, "Pending")]
    server.on("JobsList", rows(JOB, JOB | {"Key": OTHER["Key"]}))
    with pytest.raises(Unavailable, match="two different jobs"):
        await client.find(folder, "jobrelay:inc-1", None)


@pytest.mark.parametrize("reference", ["jobrelay:inc-2", "jobrelay:inc-11", "", None], ids=repr)
async def test_a_server_that_heeds_no_filter_proves_nothing(
    connect: Connect, server: Server, folder: Folder, reference: str | None
) -> None:
    """It gives the jobs of others; ours may be beyond them."""
    server.on("JobsList", rows(JOB | {"Reference": reference}))
    with pytest.raises(Unavailable, match="other References"):
        await (await connect()).find(folder, "jobrelay:inc-1", None)


async def test_another_job_than_the_one_asked_for_is_not_taken(connect: Connect, server: Server) -> None:
    """Else its state would be told as that of ours."""
    server.on("JobById", says(OTHER))
    with pytest.raises(Unavailable, match="another job"):
        await (await connect()).job(101, 9001)


async def test_a_job_of_another_key_than_asked_for_is_nobodys(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """A server that has no heed of the filter would have a stranger's job stopped."""
    server.on("JobsList", rows(OTHER, count=1))
    with pytest.raises(Unavailable):
        await (await connect()).job_by_key(folder, str(JOB["Key"]))
