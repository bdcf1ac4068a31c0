"""The client and a faithful Orchestrator: what was promised, and what the server's own ledger says of it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from seeded import KEY, SOUTH, client_of, shared, start_info
from simulated import Simulated

from worker.domain.failures import Code, Failure, Later, OutcomeUnknown, Rejected, Unavailable
from worker.domain.processes import Folder
from worker.domain.requests import FolderRef

FAULTS: dict[str, tuple[dict[str, Any], type[Failure] | None, int, int]] = {
    "503, nothing done": ({"do": "status", "status": 503}, OutcomeUnknown, 1, 0),
    "429 for 2 s": ({"do": "status", "status": 429, "retryAfter": 2}, Unavailable, 1, 0),
    "429 until a date": (
        {"do": "status", "status": 429, "retryAfter": "Fri, 31 Dec 2100 00:00:00 GMT"},
        Unavailable,
        1,
        0,
    ),
    "500": ({"do": "status", "status": 500}, OutcomeUnknown, 1, 0),
    "504 after the job was made": ({"do": "commit-then-status", "status": 504}, OutcomeUnknown, 1, 1),
    "no answer, job made": ({"do": "commit-then-hang"}, OutcomeUnknown, 1, 1),
    "cut after the job was made": ({"do": "commit-then-reset"}, OutcomeUnknown, 1, 1),
    "401 once": ({"do": "status", "status": 401}, None, 2, 1),
    "409": ({"do": "status", "status": 409}, Rejected, 1, 0),
    "cut before": ({"do": "reset"}, OutcomeUnknown, 1, 0),
    "web page": ({"do": "html"}, OutcomeUnknown, 1, 0),
    "empty 400 once": ({"do": "empty-400"}, None, 2, 1),
    "token expired": ({"do": "expire-token"}, None, 2, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_one_post_and_a_truthful_failure(seeded: Simulated, fault: str) -> None:
    """The nine faults of the market's fault laboratory, and more: what is heard, sent and made.

    Where the outcome is unknown, the look-up finds exactly what was made.
    """
    what, kind, posts, starts = FAULTS[fault]
    async with client_of(seeded, http_timeout_s=0.4) as client:
        folder = await shared(client)
        seeded.faults([{"operation": "StartJobs", "times": 1} | what])
        failure: Failure | None = None
        try:
            await client.start(folder, start_info("jobrelay:r"))
        except Failure as raised:
            failure = raised
        ledger = seeded.ledger()
        assert type(failure) is (kind or type(None))
        assert (ledger["calls"]["StartJobs"], len(ledger["starts"])) == (posts, starts)
        assert len(await client.find(folder, "jobrelay:r", "P0")) == starts


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="client credentials, on-premises"),
        pytest.param(
            {"orchestrator_url": "/acme/DefaultTenant/orchestrator_"}, id="client credentials, suite"
        ),
        pytest.param({"auth": "access_token", "access_token": "rt_test"}, id="personal access token"),
        pytest.param(
            {"auth": "user_key", "user_key": "test-user-key", "token_url": "/oauth/token"}, id="user key"
        ),
        pytest.param(
            {"auth": "password", "username": "admin", "password": "qwe123!Q", "tenant": "DefaultTenant"},
            id="password",
        ),
    ],
)
async def test_every_way_to_sign_in_is_taken(seeded: Simulated, more: dict[str, str]) -> None:
    """And a token that expires is replaced, where it can be."""
    absolute = {name: seeded.url + value if value.startswith("/") else value for name, value in more.items()}
    async with client_of(seeded, **absolute) as client:
        folder = await shared(client)
        assert folder.id == 101
        assert len(await client.start(folder, start_info("jobrelay:r"))) == 1
        assert client.status().token_ok


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"scope": "OR.Nothing"}, "JOBRELAY_SCOPE"),
        ({"auth": "access_token", "access_token": "wrong"}, "JOBRELAY_ACCESS_TOKEN"),
        ({"auth": "password", "username": "admin", "password": "wrong"}, "JOBRELAY_PASSWORD"),
    ],
)
async def test_wrong_credentials_are_named(seeded: Simulated, more: dict[str, str], words: str) -> None:
    """An outage, not a rejection."""
    async with client_of(seeded, **more) as client:
        with pytest.raises(Unavailable) as raised:
            await shared(client)
    assert (raised.value.code, raised.value.outage) == (Later.CREDENTIALS_REFUSED, True)
    assert words in raised.value.detail


async def test_a_wrong_base_url_is_named(seeded: Simulated) -> None:
    """The seeds' trap: web pages instead of JSON."""
    wrong = {"orchestrator_url": f"{seeded.url}/wrong", "auth": "access_token", "access_token": "rt_test"}
    async with client_of(seeded, **wrong) as client:
        with pytest.raises(Unavailable, match="JOBRELAY_ORCHESTRATOR_URL"):
            await shared(client)


async def test_two_hundred_starts_with_one_token_and_no_cookie(seeded: Simulated) -> None:
    """The server sets cookies and refuses who sends them back; no start is lost to that."""
    async with client_of(seeded, http_timeout_s=10) as client:
        folder = await shared(client)
        async with asyncio.TaskGroup() as group:
            for n in range(200):
                group.create_task(client.start(folder, start_info(f"jobrelay:{n}")))
    ledger = seeded.ledger()
    assert (ledger["calls"]["Token"], ledger["calls"]["StartJobs"], len(ledger["starts"])) == (1, 200, 200)


async def test_names_of_any_letters_are_resolved(seeded: Simulated) -> None:
    """Non-ASCII and apostrophes, by path, key and id."""
    async with client_of(seeded) as client:
        south = await client.folder(FolderRef(path=SOUTH))
        assert south == await client.folder(FolderRef(key=south.key))
        assert south == await client.folder(FolderRef(id=102))
        assert (await client.folder(FolderRef(path="admin's workspace"))).id == 103
        with pytest.raises(Rejected) as raised:
            await client.folder(FolderRef(path="admin''s workspace"))
        assert raised.value.code is Code.FOLDER_UNKNOWN


async def test_ten_thousand_resolutions_cost_three_look_ups_of_each_kind(seeded: Simulated) -> None:
    """20 processes in 3 folders: the bound is 20 and 3."""
    paths = ["Shared", SOUTH, "admin's workspace"]
    async with client_of(seeded, http_timeout_s=10) as client:

        async def resolve(number: int) -> str:
            folder = await client.folder(FolderRef(path=paths[number % 3]))
            processes = await client.processes(folder)
            return processes[number % len(processes)].name

        names = await asyncio.gather(*(resolve(number) for number in range(10_000)))
    assert len(set(names)) == 21
    calls = seeded.ledger()["calls"]
    assert (calls["Folders"], calls["Releases"]) == (3, 3)


async def test_robots_and_machines_of_both_kinds_of_folder(seeded: Simulated) -> None:
    """Classic by environment, modern by folder; a session's id leads to its robot."""
    async with client_of(seeded) as client:
        modern, classic = await shared(client), await client.folder(FolderRef(path="Default"))
        assert (modern.modern, classic.modern) == (True, False)
        assert [robot.id for robot in await client.robots(modern)] == [7]
        assert [robot.id for robot in await client.robots(classic)] == [7, 8]
        assert [robot.id for robot in await client.robots(classic, "E")] == [7]
        robot = await client.robot_of_session(classic, 4779)
        assert robot is not None
        assert robot.id == 8
        assert [machine.id for machine in await client.machines(modern)] == [31]
        (process,) = await client.processes(classic)
        assert process.environment == "E"


async def test_a_large_start_is_found_whole(seeded: Simulated) -> None:
    """More jobs than a page has rows, beside others with a Reference that differs in case."""
    async with client_of(seeded, http_timeout_s=10) as client:
        folder = await shared(client)
        made = await client.start(folder, start_info("jobrelay:big", JobsCount=1001))
        await client.start(folder, start_info("jobrelay:BIG"))
        found = await client.find(folder, "jobrelay:big", "P0")
    assert [job.id for job in found] == [job.id for job in made]
    assert len(found) == 1001


async def test_a_job_is_read_by_id_in_its_folder(seeded: Simulated) -> None:
    """And one that does not exist is None."""
    async with client_of(seeded) as client:
        (made,) = await client.start(await shared(client), start_info("jobrelay:r"))
        job = await client.job(101, made.id)
        assert job is not None
        assert (job.key, job.reference, job.folder_id) == (made.key, "jobrelay:r", 101)
        assert await client.job(101, made.id + 1) is None
        assert client.api_version == 20


async def test_a_job_is_found_by_its_key_in_its_folder_and_stopped(seeded: Simulated) -> None:
    """A list call; in another folder it is none. What is over is refused, and all others with it."""
    async with client_of(seeded) as client:
        folder = await shared(client)
        one, other = await client.start(folder, start_info("jobrelay:r", JobsCount=2))
        found = await client.job_by_key(folder, one.key)
        assert found is not None
        assert (found.id, found.reference) == (one.id, "jobrelay:r")
        assert await client.job_by_key(await client.folder(FolderRef(path=SOUTH)), one.key) is None
        assert seeded.ledger()["calls"]["JobsList"] == 2
        await client.stop(folder, [one.id], "Kill")
        with pytest.raises(Rejected, match=r"1658|over"):
            await client.stop(folder, [one.id, other.id])
        states = [getattr(await client.job(folder.id, job.id), "state", None) for job in (one, other)]
    assert states == ["Stopped", "Pending"]


async def test_an_attachment_becomes_input(seeded: Simulated) -> None:
    """Uploaded where the server says, and taken by StartJobs in place of arguments."""
    async with client_of(seeded, scope="OR.Jobs OR.Execution OR.Folders") as client:
        folder = await shared(client)
        attachment = await client.attach(folder, "input.json", b'{"text":"long"}')
        info = start_info("jobrelay:r", InputFile=str(UUID(attachment)))
        del info["InputArguments"]
        assert len(await client.start(folder, info)) == 1


@pytest.mark.parametrize(
    ("folder_id", "more", "code"),
    [
        (101, {"ReleaseKey": KEY.format(9999)}, 1002),
        (110, {"ReleaseKey": KEY.format(100)}, 2816),
        (999, {}, 1100),
    ],
)
async def test_refusals_carry_orchestrators_code(
    seeded: Simulated, folder_id: int, more: dict[str, Any], code: int
) -> None:
    """So that the pipeline can drop what it had cached, and the sender knows what to mend."""
    async with client_of(seeded) as client:
        where = Folder(folder_id, None, "somewhere", modern=True)
        with pytest.raises(Rejected) as raised:
            await client.start(where, start_info("jobrelay:r", **more))
    assert raised.value.answer is not None
    assert raised.value.answer.error_code == code
    assert raised.value.answer.trace_id
    assert raised.value.remedy
