"""StartJobs: what it starts, and all that it refuses."""

import json
from typing import Any
from uuid import uuid4

import pytest
from caller import (
    CLASSIC,
    CLASSIC_TRIAGE,
    MODERN,
    START,
    STILL,
    TRIAGE,
    Caller,
    F,
)

from simulator.world.shapes import START_INFO

NOWHERE = "00000000-0000-4000-8000-000000000404"  # a constant: test names are the same in every process


def _first(api: Caller, folder: int = MODERN, **info: Any) -> int:
    answer = api.start(folder, **info)
    assert answer.status == 201, answer.json
    return int(answer.value[0]["Id"])


def test_a_start_answers_its_jobs_pending(api: Caller) -> None:
    """One BatchExecutionKey for all, the Reference on each, seven digits of time, no count."""
    api.behave(STILL)
    answer = api.start(
        JobsCount=3, Reference="P:r-1", InputArguments='{"IncidentId":"7"}', JobPriority="High"
    )
    assert answer.status == 201
    assert "@odata.count" not in answer.json
    assert len({row["BatchExecutionKey"] for row in answer.value}) == 1
    row = answer.value[0]
    assert len(row["CreationTime"].partition(".")[2]) == 8
    expected = {
        "State": "Pending",
        "StartTime": None,
        "Reference": "P:r-1",
        "InputArguments": '{"IncidentId":"7"}',
        "JobPriority": "High",
        "SpecificPriorityValue": 65,
        "ReleaseName": "SupportTriage_QuickstartDemo",
        "OrganizationUnitFullyQualifiedName": "Operations",
    }
    assert row | expected == row
    (entry,) = api.simulated.ledger()["starts"]
    assert entry["jobIds"] == [one["Id"] for one in answer.value]
    assert (entry["reference"], entry["batchExecutionKey"]) == ("P:r-1", row["BatchExecutionKey"])


def test_a_batch_key_of_ones_own_is_kept(api: Caller) -> None:
    """Unless the behaviour says that it is not."""
    key = str(uuid4())
    assert api.start(BatchExecutionKey=key).value[0]["BatchExecutionKey"] == key
    api.behave({"honourBatchExecutionKey": False})
    assert api.start(BatchExecutionKey=key).value[0]["BatchExecutionKey"] != key


@pytest.mark.parametrize(
    ("folder", "info", "robots"),
    [
        (CLASSIC, {"Strategy": "All"}, 2),
        (CLASSIC, {}, 2),
        (CLASSIC, {"Strategy": "Specific", "RobotIds": [62], "JobsCount": 0, "NoOfRobots": 0}, 1),
        (CLASSIC, {"Strategy": "JobsCount", "JobsCount": 3, "RobotIds": []}, 3),
        (CLASSIC, {"Strategy": "RobotCount", "NoOfRobots": 2}, 2),
        (MODERN, {"Strategy": "ModernJobsCount", "JobsCount": 4}, 4),
        (MODERN, {"Strategy": "JobsCount", "JobsCount": 2}, 2),
        (MODERN, {"Strategy": "Specific", "RobotIds": [71, 72], "JobsCount": None}, 2),
        (MODERN, {"Strategy": "All", "JobsCount": None}, 2),
        (MODERN, {"Strategy": None, "JobsCount": None}, 1),
        (MODERN, {"ReleaseKey": None, "ReleaseName": "supporttriage_quickstartdemo"}, 1),
        (MODERN, {"MachineRobots": [{"RobotId": 71}]}, 1),
        (MODERN, {"ReleaseKey@odata.type": "#String"}, 1),
    ],
)
def test_every_strategy_starts_its_number_of_jobs(
    api: Caller, folder: int, info: dict[str, Any], robots: int
) -> None:
    """In both kinds of folder, also with the old name and without any."""
    given = {"ReleaseKey": CLASSIC_TRIAGE} if folder == CLASSIC else {}
    answer = api.start(folder, **given | info)
    assert (answer.status, len(answer.json.get("value", []))) == (201, robots)


LONG = json.dumps({"a": "x" * 9992})
REFUSALS: list[tuple[int, dict[str, Any], tuple[int, int]]] = [
    (MODERN, {"ReleaseKey": NOWHERE}, (404, 1002)),
    (MODERN, {"ReleaseKey": CLASSIC_TRIAGE}, (404, 1002)),
    (MODERN, {"ReleaseKey": None, "ReleaseName": "Nothing"}, (404, 1002)),
    (MODERN, {"ReleaseKey": None}, (409, 1687)),
    (MODERN, {"ReleaseKey": "b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7008"}, (409, 1677)),
    (MODERN, {"Strategy": "Sometimes"}, (400, 1000)),
    (MODERN, {"Strategy": "RobotCount", "NoOfRobots": 1, "JobsCount": 0}, (409, 2815)),
    (MODERN, {"JobsCount": 0}, (400, 1009)),
    (MODERN, {"JobsCount": 10001}, (400, 1009)),
    (MODERN, {"JobsCount": "1"}, (400, 1000)),
    (MODERN, {"NoOfRobots": 1}, (400, 1009)),
    (MODERN, {"RobotIds": [71]}, (400, 1009)),
    (MODERN, {"Strategy": "Specific", "RobotIds": [8071], "JobsCount": 0}, (409, 1671)),
    (MODERN, {"Strategy": "Specific", "RobotIds": [], "JobsCount": 0}, (409, 1671)),
    (MODERN, {"MachineRobots": [{"RobotId": 8071}]}, (409, 1671)),
    (MODERN, {"RuntimeType": "Headless"}, (409, 2818)),
    (MODERN, {"InputArguments": {"IncidentId": "7"}}, (400, 1000)),
    (MODERN, {"InputArguments": "IncidentId"}, (400, 1009)),
    (MODERN, {"InputArguments": LONG}, (400, 1009)),
    (MODERN, {"Reference": "r" * 129}, (400, 1009)),
    (MODERN, {"JobPriority": "High", "SpecificPriorityValue": 65}, (400, 1009)),
    (MODERN, {"SpecificPriorityValue": 101}, (400, 1009)),
    (MODERN, {"InputFile": NOWHERE}, (404, 1002)),
    (MODERN, {"InputFile": NOWHERE, "InputArguments": "{}"}, (400, 1009)),
    (MODERN, {"Priority": "High"}, (400, 1000)),
    (504, {"ReleaseKey": TRIAGE, "Strategy": "ModernJobsCount", "JobsCount": 1}, (404, 1002)),
    (CLASSIC, {"Strategy": "ModernJobsCount", "JobsCount": 1}, (409, 2816)),
    (CLASSIC, {"Strategy": "Specific", "RobotIds": [63]}, (409, 1671)),
    (CLASSIC, {"InputFile": NOWHERE}, (400, 1000)),
]


@pytest.mark.parametrize(("folder", "info", "error"), REFUSALS, ids=[str(one[1])[:50] for one in REFUSALS])
def test_a_wrong_start_is_refused_and_starts_nothing(
    api: Caller, folder: int, info: dict[str, Any], error: tuple[int, int]
) -> None:
    """With the status and the code of the table."""
    given = {"ReleaseKey": CLASSIC_TRIAGE} if folder == CLASSIC else {}
    assert api.start(folder, **given | info).error == error
    assert api.simulated.ledger()["starts"] == []


def test_a_property_of_a_wrong_kind_is_refused_not_crashed_on(api: Caller) -> None:
    """Whatever each of them holds."""
    for name in START_INFO:
        for value in (-1.5, "x", True, [["x"]], [None], {"a": 1}, 2**70):
            sent: dict[str, Any] = {name: value}
            answer = api.start(MODERN, **sent)
            assert answer.status in (201, 400, 404, 409), (name, value, answer.body)


def test_limits_are_taken_to_the_last_character(api: Caller) -> None:
    """10,000 characters of arguments, 128 of Reference."""
    assert len(LONG) == 10_001
    assert api.start(InputArguments=LONG.replace("x", "", 1), Reference="r" * 128).status == 201


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"startInfo": 1}'])
def test_a_body_that_is_none_is_refused(api: Caller, body: bytes) -> None:
    """With 400 and JSON."""
    assert api.call("POST", START, body, MODERN).status == 400


def test_the_table_of_errors_can_be_changed_by_a_seed(api: Caller) -> None:
    """Statuses that are guesses stay guesses."""
    api.behave({"errors": {"StrategyNotAvailableInClassicFolder": {"status": 400, "message": "No."}}})
    answer = api.start(CLASSIC, ReleaseKey=CLASSIC_TRIAGE, Strategy="ModernJobsCount", JobsCount=1)
    assert answer.error == (400, 2816)
    assert answer.json["message"] == "No."
    assert answer.json["traceId"].startswith("00-")


def test_a_folder_is_needed_and_a_name_without_one_is_not_found(api: Caller) -> None:
    """1101 for a key, 404 for a name."""
    info = {"Strategy": "ModernJobsCount", "JobsCount": 1}
    assert api.call("POST", START, {"startInfo": {**info, "ReleaseKey": TRIAGE}}).error == (400, 1101)
    assert api.call("POST", START, {"startInfo": {**info, "ReleaseName": "x"}}).error == (404, 1002)


def test_a_robot_has_one_pending_job_of_a_process_in_a_classic_folder(api: Caller) -> None:
    """Specific and All are refused with 1670 until it runs; JobsCount cumulates."""
    api.behave(STILL)
    specific = {"ReleaseKey": CLASSIC_TRIAGE, "Strategy": "Specific", "RobotIds": [61]}
    number = _first(api, CLASSIC, **specific)
    assert api.start(CLASSIC, **specific).error == (409, 1670)
    assert api.start(CLASSIC, ReleaseKey=CLASSIC_TRIAGE, Strategy="All").error == (409, 1670)
    assert api.start(CLASSIC, **specific | {"RobotIds": [62]}).status == 201
    assert api.start(CLASSIC, ReleaseKey=CLASSIC_TRIAGE, Strategy="JobsCount", JobsCount=2).status == 201
    api.simulated.tell("PATCH", f"jobs/{number}", {"state": "Running"})
    assert api.start(CLASSIC, **specific).status == 201


def test_too_many_pending_jobs_are_1691_and_a_strict_folder_offers_less(api: Caller) -> None:
    """Both only when the behaviour says so."""
    api.behave({**STILL, "maxPendingJobs": 2, "strictStrategies": True})
    assert api.start(JobsCount=3).error == (409, 1691)
    assert api.start(Strategy="JobsCount").error == (409, 2815)
    assert api.start(JobsCount=2).status == 201


def test_a_dry_run_names_what_is_wrong_and_starts_nothing(api: Caller) -> None:
    """ValidateDynamicJob answers 200 with codes."""
    path = f"/odata/Jobs/{F}ValidateDynamicJob"
    info = {"ReleaseKey": TRIAGE, "Strategy": "ModernJobsCount", "JobsCount": 1}
    assert api.call("POST", path, {"startInfo": info}, MODERN).json["IsValid"] is True
    wrong = api.call("POST", path, {"startInfo": {**info, "RuntimeType": "Headless"}}, MODERN).json
    assert (wrong["IsValid"], wrong["ErrorCodes"]) == (False, ["TemplateNoRuntime"])
    assert api.simulated.ledger()["starts"] == []
