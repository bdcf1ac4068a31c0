"""Answers beside what was published and recorded: the API definitions, and requests of existing clients.

Both lie in a folder that is not part of this repository: JOBRELAY_FACTS_DIR names it, with `openapi/`,
`client-recordings/` and `seed.example.json` in it. Without it these tests are skipped.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from caller import CLASSIC, MODERN, START, STILL, TRIAGE, Answer, Caller, F
from published import definitions, schema

FACTS = os.environ.get("JOBRELAY_FACTS_DIR", "")
pytestmark = pytest.mark.skipif(not FACTS, reason="JOBRELAY_FACTS_DIR is not set")

JOB = {
    "startInfo": {"ReleaseKey": TRIAGE, "Strategy": "ModernJobsCount", "JobsCount": 2, "InputArguments": "{}"}
}
ITEM = {"Name": "Incidents", "Reference": "r", "SpecificContent": {"a": 1}}
HOOK = {"Name": "w", "Url": "http://127.0.0.1:9/", "Enabled": False, "SubscribeToAllEvents": True}
BULK = {
    "queueName": "Incidents",
    "commitType": "ProcessAllIndependently",
    "queueItems": [ITEM, {"Priority": "x"}],
}


def _ended(api: Caller) -> Answer:
    api.simulated.tell("PATCH", "jobs/9002", {"state": "Running"})
    api.simulated.tell("PATCH", "jobs/9002", {"state": "Faulted", "error": {"code": "Robot.Faulted"}})
    return api.get("Jobs(9002)")


# operation → (first version, published type, whether a list, the call)
CALLS: dict[str, tuple[int, str, bool, Callable[[Caller], Answer]]] = {
    "folders": (11, "FolderDto", True, lambda api: api.get("Folders", None)),
    "folder": (11, "FolderDto", False, lambda api: api.get("Folders(501)", None)),
    "releases": (11, "ReleaseDto", True, lambda api: api.get("Releases")),
    "robots": (11, "RobotDto", True, lambda api: api.get("Robots", CLASSIC)),
    "folder robots": (
        17,
        "RobotsFromFolderModel",
        True,
        lambda api: api.get(f"Robots/{F}GetRobotsFromFolder(folderId=501)", None),
    ),
    "configured robots": (
        17,
        "ExtendedRobotDto",
        True,
        lambda api: api.get(f"Robots/{F}GetConfiguredRobots", None, expand="User"),
    ),
    "sessions": (11, "SessionDto", True, lambda api: api.get("Sessions", CLASSIC)),
    "machines": (11, "MachineDto", True, lambda api: api.get("Machines", None)),
    "runtimes": (
        17,
        "MachineRuntimeDto",
        True,
        lambda api: api.get(f"Machines/{F}GetRuntimesForFolder(folderId=501)", None),
    ),
    "machine sessions": (
        17,
        "MachineSessionRuntimeDto",
        True,
        lambda api: api.get(f"Sessions/{F}GetMachineSessionRuntimesByFolderId(folderId=501)", None),
    ),
    "users": (11, "UserDto", True, lambda api: api.get("Users", None)),
    "start": (11, "JobDto", True, lambda api: api.call("POST", START, JOB, MODERN)),
    "jobs": (11, "JobDto", True, lambda api: api.get("Jobs", expand="Robot,Release")),
    "job": (11, "JobDto", False, lambda api: api.get("Jobs(9001)", expand="Robot,Release")),
    "ended job": (11, "JobDto", False, _ended),
    "logs": (11, "LogDto", True, lambda api: api.get("RobotLogs")),
    "why it waits": (
        17,
        "ValidationResultDto",
        False,
        lambda api: api.call("POST", f"/odata/Jobs(9001)/{F}ValidateExistingJob", {}, MODERN),
    ),
    "dry run": (
        17,
        "ValidationResultDto",
        False,
        lambda api: api.call("POST", f"/odata/Jobs/{F}ValidateDynamicJob", JOB, MODERN),
    ),
    "queues": (11, "QueueDefinitionDto", True, lambda api: api.get("QueueDefinitions")),
    "add item": (
        11,
        "QueueItemDto",
        False,
        lambda api: api.call("POST", "/odata/Queues/UiPathODataSvc.AddQueueItem", {"itemData": ITEM}, MODERN),
    ),
    "bulk": (
        17,
        "BulkOperationResponseDtoOfFailedQueueItemDto",
        False,
        lambda api: api.call("POST", "/odata/Queues/UiPathODataSvc.BulkAddQueueItems", BULK, MODERN),
    ),
    "items": (11, "QueueItemDto", True, lambda api: api.get("QueueItems")),
    "webhook": (
        17,
        "WebhookDto",
        False,
        lambda api: api.call("POST", "/odata/Webhooks", {**HOOK, "AllowInsecureSsl": False}),
    ),
    "webhooks": (11, "WebhookDto", True, lambda api: api.get("Webhooks", None)),
    "event types": (11, "WebhookEventTypeDto", True, lambda api: api.get(f"Webhooks/{F}GetEventTypes", None)),
    "attachment": (
        20,
        "AttachmentDto",
        False,
        lambda api: api.call("POST", "/odata/Attachments", {"Name": "a"}),
    ),
}


# links, shown only when expanded, and what is published but left out on purpose
UNSHOWN = {
    "Robot Release Machine Job Environment Environments Robots QueueDefinition ReviewerUser EntryPoint",
    "CurrentVersion ReleaseVersions License User UpdateInfo UpdatePolicy MaintenanceWindow VpnSettings",
    "ServerlessLicensingModel Password NotificationSubscription UserRoles OrganizationUnits RobotProvision",
    "UnattendedRobot BypassBasicAuthRestriction IsEmailConfirmed DirectoryIdentifier AccountId",
    "LastModificationTime LastModifierUserId CreatorUserId RestrictToPersonalWorkspace",
    "HasOnlyInheritedPrivileges ExplicitMayHaveUserSession ExplicitMayHaveRobotSession",
    "ExplicitMayHavePersonalWorkspace ExplicitRestrictToPersonalWorkspace",
}


@pytest.fixture(scope="module", params=[20, 17, 11])
def types(request: pytest.FixtureRequest) -> tuple[int, dict[str, Any]]:
    """The published types of one version."""
    return request.param, definitions(Path(FACTS) / "openapi", request.param)


def test_every_answer_fits_what_was_published(api: Caller, types: tuple[int, dict[str, Any]]) -> None:
    """Nothing that was not published, every value of its type, and nothing published left out."""
    version, published = types
    api.simulated.seed({"behaviour": {**STILL, "apiVersion": version, "strictApiVersion": True}})
    api.call("POST", START, JOB, MODERN)
    for operation, (since, name, many, call) in CALLS.items():
        if version < since:
            continue
        answer = call(api)
        assert answer.status in (200, 201), (operation, answer.body)
        shown = answer.json
        shown.pop("BlobFileAccess", None)  # answered by the real server, missing in the published type
        errors = [
            f"{operation} {'/'.join(map(str, error.instance_path))}: {error.message}"
            for error in jsonschema_rs.validator_for(schema(published, name, many=many)).iter_errors(shown)
        ]
        assert errors == []
        row = shown["value"][0] if many and shown["value"] else shown
        unshown = {one for text in UNSHOWN for one in text.split()}
        if not many or shown["value"]:
            assert published[name]["properties"].keys() - row.keys() - unshown == set(), operation


# what the recorder's lenient server took and Orchestrator would not, with the reason
OTHERWISE = {
    "start.bad_release_key": (404, "no such process"),
    "bad_token": (401, "no such token"),
    "environments.list": (404, "API 20 has no environments"),
    "robot_mode.begin_session": (404, "the robot's own protocol is not simulated"),
    "job.list.datetime_v3": (400, "datetime'…' was OData 3"),
    "job.logs.guid_v3": (400, "guid'…' was OData 3"),
    "job.stop_unbound": (404, "StopJob is bound to a job"),
    "queue.add_item.wrong_namespace": (404, "the namespace is UiPathODataSvc"),
    "start.defaults_single_quoted": (400, "no folder is named"),
    "start.inputs_dict_single_quoted": (400, "no folder is named"),
}


def _expected(case: str, one: dict[str, Any]) -> int:
    if "RobotLogs" in one["path"]:
        return 200  # what follows the refusal of guid'…'
    if "No'Such" in str(one["query"]):
        return 400  # the quote in the name is not doubled
    return OTHERWISE[case][0] if case in OTHERWISE else int(one["response_status"])


@pytest.mark.parametrize(
    "client",
    [
        "npm-masatomix",
        "npm-uipath-orchestrator",
        "uipath-orchestrator-mcp-on_prem",
        "uipath-orchestrator-mcp-pat",
        "uipath-tools",
    ],
)
def test_requests_of_existing_clients_are_answered_as_recorded(api: Caller, client: str) -> None:
    """Replayed as sent but for their tokens; the few that a real server refuses are refused."""
    seed = json.loads((Path(FACTS) / "seed.example.json").read_bytes())
    seed["behaviour"] |= STILL
    api.simulated.seed(seed)
    api.token = "rt_test_access_token"
    info = {"ReleaseKey": "99587436-4ce5-480d-988c-6d7f43787a2c", "Strategy": "JobsCount", "JobsCount": 60}
    assert api.call("POST", START, {"startInfo": info}, 101).status == 201  # the recorded ids are among these
    for one in json.loads((Path(FACTS) / "client-recordings" / f"{client}.json").read_bytes()):
        headers = {name.title(): value for name, value in one["headers"]}
        for name in ("Host", "Content-Length", "Connection", "Accept-Encoding"):
            headers.pop(name, None)
        if "garbage" not in headers.pop("Authorization", "") and "Authenticate" not in one["path"]:
            headers["Authorization"] = f"Bearer {api.token}"
        else:
            headers["Authorization"] = "Bearer garbage"
        answer = api.call(one["method"], one["target"], one["body"].encode() or None, **headers)
        assert answer.status == _expected(one["case"], one), (one["case"], one["target"], answer.body)
