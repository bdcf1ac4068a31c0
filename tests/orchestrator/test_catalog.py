"""Names to ids: folders by path, id and key; whole lists, read rarely."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import pytest
from stub_server import Server, rows, says

from worker.domain.failures import Code, Rejected
from worker.domain.processes import Argument, Folder
from worker.domain.requests import FolderRef
from worker.orchestrator import Client

Connect = Callable[..., Awaitable[Client]]
KEY = "0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0102"
SOUTH = {"Id": 102, "Key": KEY, "FullyQualifiedName": "Shared/Süd", "ProvisionType": "Automatic"}
FORBIDDEN = says({"message": "You are not authorized!", "errorCode": 0}, 403)
CLASSIC = Folder(id=110, key=None, path="Default", modern=False)
INPUT = (
    '[{"name":"IncidentId","type":"System.String, mscorlib","required":true,"hasDefault":false},'
    '{"name":"Note","type":"System.String","hasDefault":true}]'
)


def release(number: int, **more: Any) -> dict[str, Any]:
    """A ReleaseDto."""
    return {"Id": number, "Key": f"key-{number}", "Name": f"P{number}", "ProcessKey": "Package"} | more


@pytest.mark.parametrize(
    ("ref", "condition"),
    [
        (FolderRef(path="Shared/Süd"), "FullyQualifiedName eq 'Shared/Süd'"),
        (FolderRef(path="/Shared/Süd/"), "FullyQualifiedName eq 'Shared/Süd'"),
        (FolderRef(path="shared/süd"), "FullyQualifiedName eq 'shared/süd'"),
        (FolderRef(id=102), "Id eq 102"),
        (FolderRef(key=KEY), f"Key eq {KEY}"),
    ],
)
async def test_a_folder_is_found_by_path_id_and_key(
    connect: Connect, server: Server, ref: FolderRef, condition: str
) -> None:
    """Each by a filter of its own; the answer is remembered."""
    server.on("Folders", rows(SOUTH))
    client = await connect()
    for _ in range(2):
        assert await client.folder(ref) == Folder(102, KEY, "Shared/Süd", modern=True)
    (seen,) = server.of("Folders")
    assert f"$filter={condition}&" in unquote(seen.path_qs)
    assert seen.path_qs.isascii()


async def test_quotes_and_signs_in_a_path_reach_the_server_whole(connect: Connect, server: Server) -> None:
    """An apostrophe is doubled; whatever means something in a URL is escaped."""
    path = "admin's workspace & more + 50% #1"
    server.on("Folders", rows({"Id": 1, "FullyQualifiedName": path, "ProvisionType": "Manual"}))
    client = await connect()
    assert await client.folder(FolderRef(path=path)) == Folder(1, None, path, modern=False)
    (seen,) = server.of("Folders")
    assert "admin''s%20workspace%20%26%20more%20%2B%2050%25%20%231" in seen.path_qs


async def test_an_unknown_folder_is_rejected(connect: Connect, server: Server) -> None:
    """With what was asked for; it is not asked again at once."""
    server.on("Folders", rows())
    client = await connect()
    for fresh in (False, True):
        with pytest.raises(Rejected) as raised:
            await client.folder(FolderRef(path="Nowhere"), fresh=fresh)
        assert raised.value.code is Code.FOLDER_UNKNOWN
        assert "'Nowhere'" in raised.value.detail
    assert server.calls["Folders"] == 1


async def test_a_folder_key_that_is_no_guid_is_rejected_here(connect: Connect, server: Server) -> None:
    """The server would answer with an OData error."""
    client = await connect()
    with pytest.raises(Rejected) as raised:
        await client.folder(FolderRef(key="x' or Id gt 0"))
    assert raised.value.code is Code.FOLDER_UNKNOWN
    assert not server.seen


async def test_two_folders_but_for_case_need_the_exact_name(connect: Connect, server: Server) -> None:
    """The exact one wins; a third spelling fits neither."""
    twins = [SOUTH, SOUTH | {"Id": 103, "FullyQualifiedName": "SHARED/SÜD"}]
    server.on("Folders", rows(*twins))
    client = await connect()
    assert (await client.folder(FolderRef(path="Shared/Süd"))).id == 102
    with pytest.raises(Rejected):
        await client.folder(FolderRef(path="shared/süd"))


async def test_without_the_right_to_read_folders_ones_own_are_listed(
    connect: Connect, server: Server
) -> None:
    """Least privilege: every page of the account's own folders, matched here, and listed once for all."""
    first = [SOUTH | {"Id": 1000 + n, "FullyQualifiedName": f"F{n}", "Key": None} for n in range(1000)]
    server.on("Folders", FORBIDDEN)
    server.on(
        "OwnFolders", says({"PageItems": first, "Count": 1001}), says({"PageItems": [SOUTH], "Count": 1001})
    )
    client = await connect()
    for ref in (FolderRef(path="Shared/Süd"), FolderRef(id=102), FolderRef(key=KEY.upper())):
        assert (await client.folder(ref)).id == 102
    asked = [seen.path_qs for seen in server.of("OwnFolders")]
    assert asked == [f"/api/Folders/GetAllForCurrentUser?take=1000&skip={skip}" for skip in (0, 1000)]


async def test_where_no_folder_may_be_listed_the_path_header_opens_it(
    connect: Connect, server: Server
) -> None:
    """base64 of UTF-16LE, as the API wants it; the id comes from the folder's processes."""
    server.on("Folders", FORBIDDEN)
    server.on("OwnFolders", FORBIDDEN)
    server.on("Releases", rows(release(1, OrganizationUnitId=102)))
    client = await connect()
    assert await client.folder(FolderRef(path="Shared/Süd")) == Folder(102, None, "Shared/Süd", modern=True)
    (seen,) = server.of("Releases")
    (encoded,) = seen.header("X-UIPATH-FolderPath-Encoded")
    assert base64.b64decode(encoded).decode("utf-16-le") == "Shared/Süd"
    assert seen.header("X-UIPATH-OrganizationUnitId") == []


async def test_processes_are_listed_whole(connect: Connect, server: Server, folder: Folder) -> None:
    """By pages of 1,000 in the order of Id, the deleted ones left out, arguments read from their text."""
    many = [release(n) for n in range(1000)]
    last = [
        release(1000, IsProcessDeleted=True),
        release(1001, EnvironmentName="Prod", ProcessVersion="1.0.1", Arguments={"Input": INPUT}),
        release(1002, Arguments={"Input": "no JSON"}),
        release(1003, Arguments={"Input": "[]"}),
    ]
    server.on("Releases", rows(*many, count=1004), rows(*last, count=1004))
    client = await connect()
    processes = await client.processes(folder)
    assert len(processes) == 1003
    production, odd, bare = processes[-3:]
    assert (production.environment, production.version, production.package_id) == ("Prod", "1.0.1", "Package")
    assert production.arguments == (
        Argument("IncidentId", "System.String, mscorlib", required=True, has_default=False),
        Argument("Note", "System.String", required=False, has_default=True),
    )
    assert (odd.arguments, bare.arguments, odd.environment) == (None, (), None)
    first, second = server.of("Releases")
    assert first.path_qs == "/odata/Releases?$orderby=Id&$top=1000"
    assert second.path_qs == "/odata/Releases?$orderby=Id&$top=1000&$skip=1000"


async def test_robots_of_a_modern_folder_fall_back_to_the_old_list(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """GetRobotsFromFolder where it exists, else Robots."""
    server.on("RobotsFromFolder", says({"message": "?"}, 404))
    server.on("Robots", rows({"Id": 21, "Name": "unattended-1"}))
    client = await connect()
    (robot,) = await client.robots(folder)
    assert (robot.id, robot.name) == (21, "unattended-1")
    assert "GetRobotsFromFolder(folderId=101)" in server.of("RobotsFromFolder")[0].path_qs
    server.on("RobotsFromFolder", rows({"Id": 22, "Name": "unattended-2"}))
    other = await connect()
    assert [robot.id for robot in await other.robots(folder)] == [22]


async def test_robots_of_an_environment(connect: Connect, server: Server) -> None:
    """Classic: the environment by name, its robots inside; without an environment, the folder's."""
    inside = [{"Id": 7, "Name": "robot-a"}, {"Id": 8, "Name": "robot-b"}]
    server.on("Environments", rows({"Id": 1, "Name": "Prod'1", "Robots": inside}))
    server.on("Robots", rows(*inside, {"Id": 9, "Name": "robot-c"}))
    client = await connect()
    assert [robot.id for robot in await client.robots(CLASSIC, "Prod'1")] == [7, 8]
    assert [robot.id for robot in await client.robots(CLASSIC)] == [7, 8, 9]
    await client.robots(CLASSIC, "Prod'1")
    (seen,) = server.of("Environments")
    assert "$expand=Robots" in seen.path_qs
    assert "Name eq 'Prod''1'" in unquote(seen.path_qs)


async def test_a_session_leads_to_its_robot(connect: Connect, server: Server) -> None:
    """The seeds' trap: an id of Sessions given for one of Robots."""
    server.on("Sessions", rows({"Id": 4778, "Robot": {"Id": 7, "Name": "robot-a"}}), rows(), FORBIDDEN)
    client = await connect()
    robot = await client.robot_of_session(CLASSIC, 4778)
    assert robot is not None
    assert (robot.id, robot.name) == (7, "robot-a")
    assert await client.robot_of_session(CLASSIC, 1) is None
    assert await client.robot_of_session(CLASSIC, 2) is None
    (seen, *_) = server.of("Sessions")
    assert "$filter=Id%20eq%204778&$expand=Robot" in seen.path_qs


async def test_machines_are_those_assigned_to_the_folder(
    connect: Connect, server: Server, folder: Folder
) -> None:
    """The whole tenant's only where the server cannot say it."""
    server.on("AssignedMachines", rows({"Id": 31, "Name": "template-1"}))
    client = await connect()
    assert [machine.name for machine in await client.machines(folder)] == ["template-1"]
    server.on("AssignedMachines", says(None, 405))
    server.on("Machines", rows({"Id": 32, "Name": "template-2"}))
    other = await connect()
    assert [machine.id for machine in await other.machines(folder)] == [32]
