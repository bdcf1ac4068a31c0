"""Folders and how they are named, processes, robots, sessions, machines and users."""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from caller import CLASSIC, MODERN, TRIAGE, Caller, F

ZURICH = {"id": 502, "key": "6a1d0c2e-7d0f-4b53-8f0e-0d6a52b10502", "path": "Operations/Zürich Süd"}
KIM = "Kim's folder"


def _encoded(path: str) -> str:
    return b64encode(path.encode("utf-16-le")).decode()


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["Name"] for row in rows]


def test_folders_are_listed_and_found(api: Caller) -> None:
    """By filter with a doubled quote and with non-ASCII, by id, by key; the kind of folder is told."""
    listed = api.get("Folders", folder=None)
    assert listed.json["@odata.count"] == 5
    by_path = api.get("Folders", folder=None, filter="FullyQualifiedName eq 'Operations/Zürich Süd'", top="1")
    assert [row["Id"] for row in by_path.value] == [502]
    assert by_path.value[0]["ParentId"] == 501
    quoted = api.get("Folders", folder=None, filter="FullyQualifiedName eq 'Kim''s folder'")
    assert _kind(quoted.value) == [(503, "Automatic")]
    assert _kind(api.get("Folders", folder=None, filter="DisplayName eq 'Classic'").value) == [
        (510, "Manual")
    ]
    assert api.get("Folders(502)", folder=None).json["Key"] == ZURICH["key"]
    assert api.get(f"Folders/{F}GetByKey(identifier={ZURICH['key']})", folder=None).json["Id"] == 502
    assert api.get("Folders(999)", folder=None).error == (404, 0)


def _kind(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(row["Id"], row["ProvisionType"]) for row in rows]


def test_everybody_may_list_their_own_folders(api: Caller) -> None:
    """In pages of at most 1000."""
    page = api.call("GET", "/api/Folders/GetAllForCurrentUser?take=2&skip=1").json
    assert page["Count"] == 5
    assert [row["Id"] for row in page["PageItems"]] == [502, 503]
    assert api.call("GET", "/api/Folders/GetAllForCurrentUser?take=1001").error == (400, 1000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OrganizationUnitId", "502"),
        ("FolderKey", str(ZURICH["key"]).upper()),
        ("FolderPath-Encoded", _encoded(str(ZURICH["path"]))),
        ("FolderPath-Encoded", _encoded("operations/zürich süd")),
    ],
)
def test_a_folder_is_named_by_id_key_or_encoded_path(api: Caller, name: str, value: str) -> None:
    """The encoding of a path is base64 of UTF-16LE."""
    api.simulated.tell("DELETE", "requests")
    answer = api.call("GET", "/odata/Releases", None, None, **{f"X-UIPATH-{name}": value})
    assert _names(answer.value) == ["Überweisung prüfen"]


def test_a_plain_path_names_a_folder_and_comes_first(api: Caller) -> None:
    """With several headers the path wins."""
    answer = api.call("GET", "/odata/Releases", folder=MODERN, X_UIPATH_FolderPath=KIM)
    assert _names(answer.value) == ["Kim's report & more"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 1101),
        ({"X-UIPATH-OrganizationUnitId": "Operations"}, 1101),
        ({"X-UIPATH-OrganizationUnitId": "999"}, 1100),
        ({"X-UIPATH-FolderPath": "Nowhere"}, 1100),
        ({"X-UIPATH-FolderKey": "6a1d0c2e-7d0f-4b53-8f0e-0d6a52b19999"}, 1100),
        ({"X-UIPATH-FolderPath-Encoded": quote(str(ZURICH["path"]))}, 1100),
        ({"X-UIPATH-FolderPath-Encoded": b64encode(str(ZURICH["path"]).encode()).decode()}, 1100),
    ],
)
def test_a_folder_missing_is_1101_and_an_unknown_one_1100(
    api: Caller, headers: dict[str, str], code: int
) -> None:
    """An id that is no number counts as missing; a path encoded otherwise names nothing."""
    assert api.call("GET", "/odata/Robots", None, None, **headers).error == (400, code)


@pytest.mark.parametrize(("version", "status"), [(20, 200), (17, 400)])
def test_without_a_folder_cloud_lists_across_and_others_refuse(
    api: Caller, version: int, status: int
) -> None:
    """Processes and jobs only."""
    api.simulated.seed({"behaviour": {"apiVersion": version}})
    assert api.get("Releases", folder=None).status == status
    assert api.get("Jobs", folder=None).status == status
    assert api.call("GET", "/acorn/Main/orchestrator_/odata/Jobs").status == 200


def test_processes_are_found_by_name_package_key_and_id(api: Caller) -> None:
    """In their own folder only; with the arguments as JSON text."""
    by_package = api.get("Releases", filter="ProcessKey eq 'SupportTriage'").value
    assert [row["Key"] for row in by_package] == [TRIAGE]
    (argument,) = json.loads(by_package[0]["Arguments"]["Input"])
    assert argument["name"] == "IncidentId"
    assert argument["type"].startswith("System.String, mscorlib")
    assert (argument["required"], argument["hasDefault"]) == (True, False)
    assert _names(api.get(f"Releases/{F}ListReleases", filter=f"Key eq '{TRIAGE}'").value) == [
        "SupportTriage_QuickstartDemo"
    ]
    assert api.get("Releases(7001)").json["Key"] == TRIAGE
    assert api.get(f"Releases/{F}GetByKey(identifier={TRIAGE})").json["Id"] == 7001
    assert api.get("Releases(7002)").error == (404, 1002)
    assert (
        api.get(f"Processes/{F}GetArguments(key='SupportTriage:1.0.1')", folder=None).json["Output"] is None
    )


def test_environments_belong_to_classic_folders_below_api_20(api: Caller) -> None:
    """There with their robots; in a modern folder of API 20 neither they nor the properties of processes."""
    classic = api.get("Environments", CLASSIC, expand="Robots", filter="Name eq 'QuickstartDemo'").value
    assert _names(classic[0]["Robots"]) == ["porter-1", "porter-2"]
    both = "ProcessKey eq 'SupportTriage' and EnvironmentName eq 'QuickstartDemo'"
    (release,) = api.get("Releases", CLASSIC, filter=both, expand="Environment").value
    assert release["Environment"]["Id"] == release["EnvironmentId"] == 901
    assert api.get("Environments").status == 404
    refused = api.get("Releases", filter=both)
    assert refused.error == (400, 1000)
    assert "Could not find a property named 'EnvironmentName'" in refused.json["message"]
    assert api.get("Releases", expand="Environment").status == 400
    assert "EnvironmentName" not in api.get("Releases").value[0]
    api.behave({"strictApiVersion": True})
    assert api.get("Environments", CLASSIC).status == 404


def test_robots_are_those_of_the_folder_and_what_is_above_it(api: Caller) -> None:
    """A modern folder inherits its users."""
    assert _names(api.get("Robots").value) == ["clerk-1", "clerk-2"]
    assert _names(api.get("Robots", 502).value) == ["clerk-1", "clerk-2"]
    assert _names(api.get("Robots", CLASSIC).value) == ["porter-1", "porter-2", "porter-3"]
    modern = api.get(f"Robots/{F}GetRobotsFromFolder(folderId=501)", folder=None).value
    assert _names(modern) == ["clerk-1", "clerk-2"]
    assert modern[0]["UserKey"]
    extended = api.get(f"Robots/{F}GetConfiguredRobots", folder=None, expand="User", top="1").value
    assert extended[0]["User"]["UserName"] in ("admin", "kim")
    for_process = api.get(f"Robots/{F}GetRobotsForProcess(processId='7002')", CLASSIC).value
    assert _names(for_process) == ["porter-1", "porter-2"]


def test_a_sessions_id_is_not_its_robots(api: Caller) -> None:
    """The robot is there only when expanded; filtering by it works the other way round."""
    row = api.get("Sessions", CLASSIC, filter="Robot/Id eq 61").value[0]
    assert row["Id"] == 8061
    assert "Robot" not in row
    assert api.get("Sessions", CLASSIC, expand="Robot").value[0]["Robot"]["Id"] == 61
    only = api.get("Sessions", CLASSIC, select="State", top="1").json
    assert only["value"] == [{"State": "Available"}]
    assert only["@odata.context"].endswith("$metadata#Sessions(State)")


def test_machines_and_users_are_the_tenants(api: Caller) -> None:
    """Machines with what a folder can run on; users by name."""
    (machine,) = api.get("Machines", folder=None, filter="Key eq 0f3ad5a0-1a52-4a9f-bb43-5f0a3b9a0041").value
    assert machine["UnattendedSlots"] == 4
    assert _names(api.get(f"Machines/{F}GetAssignedMachines(folderId=501)", folder=None).value) == [
        "office-template"
    ]
    runtimes = api.get(f"Machines/{F}GetRuntimesForFolder(folderId=501)", folder=None).value
    assert {"Type": "Unattended", "Total": 4, "Connected": 4, "Available": 4} in runtimes
    sessions = api.get(f"Sessions/{F}GetMachineSessionRuntimesByFolderId(folderId=501)", folder=None).value
    assert {row["RuntimeType"] for row in sessions} == {"Unattended", "NonProduction"}
    assert api.get("Users", folder=None, filter="UserName eq 'kim'").value[0]["FullName"] == "Kim Kaya"


def test_a_list_counts_unless_told_not_to(api: Caller) -> None:
    """@odata.count is there by default."""
    assert api.get("Releases", top="1").json["@odata.count"] == 6
    assert "@odata.count" not in api.get("Releases", count="false").json
    assert api.get("Releases", top="1001").error == (400, 1000)
