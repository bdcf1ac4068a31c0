"""What becomes of jobs, and how they are found, stopped, restarted and resumed."""

import json
from datetime import datetime
from typing import Any

from caller import (
    CLASSIC,
    INVOICES,
    MODERN,
    QUICK,
    STILL,
    TRIAGE,
    Caller,
    F,
    until,
)


def _first(api: Caller, folder: int = MODERN, **info: Any) -> int:
    answer = api.start(folder, **info)
    assert answer.status == 201, answer.json
    return int(answer.value[0]["Id"])


def test_a_job_runs_to_its_end_with_its_output(api: Caller) -> None:
    """Pending, Running, Successful; the input comes back as output, with what the behaviour adds."""
    api.behave({"jobs": {**QUICK["jobs"], "output": {"echo": True, "values": {"sum": 150}}}})
    api.behave({"jobs": {"outcomes": {"Successful": 1}}})
    job = api.state(_first(api, InputArguments='{"IncidentId":"ü"}'), "Successful")
    assert json.loads(job["OutputArguments"]) == {"IncidentId": "ü", "sum": 150}
    assert job["Info"] == "Job completed"
    times = [datetime.fromisoformat(job[name]) for name in ("CreationTime", "StartTime", "EndTime")]
    assert times == sorted(times)
    assert job["HostMachineName"].startswith("HOST-CLERK")
    expanded = api.get(f"Jobs({job['Id']})", expand="Robot,Machine,Release").json
    assert expanded["Robot"]["Name"].startswith("clerk")
    assert expanded["Release"]["Key"] == TRIAGE
    assert expanded["Machine"]["Name"] == "office-template"


def test_a_job_faults_with_an_error(api: Caller) -> None:
    """Info has the stack, JobError the parts."""
    api.behave(QUICK)
    job = api.state(_first(api, ReleaseKey="b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7009"), "Faulted")
    assert job["JobError"]["category"] == "User"
    assert job["ErrorCode"] == job["JobError"]["code"]
    assert "\r\n" in job["Info"]
    assert job["EndTime"]


def test_a_job_that_could_not_start_faults_without_having_run(api: Caller) -> None:
    """Its StartTime stays null."""
    api.behave({"jobs": {**QUICK["jobs"], "outcomes": {"NotStarted": 1}}})
    job = api.state(_first(api), "Faulted")
    assert (job["StartTime"], job["JobError"]["category"]) == (None, "Deployment")


def test_a_job_is_suspended_and_resumed(api: Caller) -> None:
    """By itself, or by ResumeJob where it waits; ResumeVersion counts."""
    api.behave(QUICK)
    job = api.state(_first(api, ReleaseKey="b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7010"), "Successful")
    assert (job["ResumeVersion"], bool(job["PersistenceId"]), bool(job["ResumeTime"])) == (1, True, True)
    api.behave({"jobs": {**QUICK["jobs"], "outcomes": {"StaysSuspended": 1}}})
    waits = api.state(_first(api), "Suspended")
    answer = api.call("POST", f"/odata/Jobs/{F}ResumeJob", {"jobKey": waits["Key"]}, MODERN)
    assert (answer.status, answer.json["State"]) == (200, "Resumed")
    assert api.state(waits["Id"], "Successful")["ResumeVersion"] == 1


def test_a_stuck_job_says_why(api: Caller) -> None:
    """It stays pending for ever; ValidateExistingJob names the reason."""
    api.behave({"jobs": {**QUICK["jobs"], "outcomes": {"Pending": 1}}})
    number = _first(api)
    reasons = api.call("POST", f"/odata/Jobs({number})/{F}ValidateExistingJob", {}, MODERN).json
    assert (reasons["IsValid"], reasons["ErrorCodes"]) == (False, ["TemplateNoHostsAvailable"])
    assert api.job(number)["State"] == "Pending"
    api.behave({"jobs": {"pendingReasons": ["RobotBusy"]}})
    reasons = api.call("POST", f"/odata/Jobs({number})/{F}ValidateExistingJob", {}, MODERN).json
    assert reasons["ErrorCodes"] == ["RobotBusy"]


def test_a_faulted_job_has_logged_its_error(api: Caller) -> None:
    """Beside what its seed says; found by job and level, which have an order."""
    lines = [{"Level": "Warn", "Message": "careful"}, {"Level": "Fatal", "Message": "gone"}]
    api.behave({"jobs": {**QUICK["jobs"], "outcomes": {"Faulted": 1}, "logs": lines}})
    jobs = [api.state(_first(api), "Faulted") for _ in range(2)]
    wanted = f"JobKey eq {jobs[0]['Key']} and (Level ge 'Error' or Level eq '3')"
    found = api.get("RobotLogs", filter=wanted, orderby="TimeStamp desc").value
    assert {line["Level"] for line in found} == {"Error", "Fatal", "Warn"}
    assert {line["JobKey"] for line in found} == {jobs[0]["Key"]}
    assert jobs[0]["JobError"]["title"] in [line["Message"] for line in found]
    assert len(api.get("RobotLogs").value) == 12
    assert api.get("RobotLogs", filter="Level eq 'Loud'").error == (400, 1000)


def test_a_stuck_job_that_is_nudged_goes_on(api: Caller) -> None:
    """And the clock goes on for all the others."""
    api.behave({"jobs": {**QUICK["jobs"], "outcomes": {"Pending": 1}}})
    number = _first(api)
    api.simulated.tell("PATCH", f"jobs/{number}", {"state": "Running"})
    assert api.state(number, "Successful")["Info"] == "Job completed"


def _stop(api: Caller, number: int, strategy: str) -> int:
    return api.call("POST", f"/odata/Jobs({number})/{F}StopJob", {"strategy": strategy}, MODERN).status


def test_jobs_are_stopped_softly_or_killed(api: Caller) -> None:
    """Pending ones at once, running ones by way of Stopping or Terminating; finished ones not at all."""
    api.behave({"jobs": {**STILL["jobs"], "stoppingSeconds": 600}})
    first = api.start(JobsCount=4).value[0]["Id"]
    assert _stop(api, first, "SoftStop") == 200
    assert api.job(first)["State"] == "Stopped"
    for number in (first + 1, first + 2, first + 3):
        api.simulated.tell("PATCH", f"jobs/{number}", {"state": "Running"})
    assert _stop(api, first + 1, "1") == 200
    assert api.job(first + 1)["State"] == "Stopping"
    assert _stop(api, first + 1, "Kill") == 200
    assert api.job(first + 1)["State"] == "Terminating"
    both = {"jobIds": [first + 2, first + 3], "strategy": "Kill"}
    answer = api.call("POST", f"/odata/Jobs/{F}StopJobs", both, MODERN)
    assert (answer.status, answer.body) == (200, b"")
    assert api.job(first + 3)["State"] == "Terminating"
    assert _stop(api, first, "Kill") == 409
    assert _stop(api, first + 1, "Gently") == 400
    assert _stop(api, 1, "Kill") == 404
    api.behave({"jobs": {**QUICK["jobs"], "runningSeconds": 600}})
    number = _first(api, StopProcessExpression="0")
    assert api.state(number, "Stopped")["Info"] == "Job canceled"


def test_a_job_that_was_stopped_stays_so(api: Caller) -> None:
    """What the clock had in mind for it before is forgotten."""
    api.behave({"jobs": {**QUICK["jobs"], "pendingSeconds": 0.05, "outcomes": {"Successful": 1}}})
    first = api.start(JobsCount=2).value[0]["Id"]
    assert _stop(api, first, "Kill") == 200
    api.state(first + 1, "Successful")
    assert api.job(first)["State"] == "Stopped"


def test_a_finished_job_is_restarted_as_a_new_one(api: Caller) -> None:
    """An unfinished one is not: 1697; the old row does not change."""
    api.behave(STILL)
    number = _first(api, InputArguments='{"IncidentId":"7"}')
    path = f"/odata/Jobs/{F}RestartJob"
    assert api.call("POST", path, {"jobId": number}, MODERN).error == (409, 1697)
    api.simulated.tell("PATCH", f"jobs/{number}", {"state": "Faulted", "error": {"code": "X"}})
    again = api.call("POST", path, {"jobId": number}, MODERN).json
    assert again["Id"] > number
    assert again["InputArguments"] == '{"IncidentId":"7"}'
    assert api.job(number)["State"] == "Faulted"
    assert len(api.simulated.ledger()["starts"]) == 1


def test_jobs_are_looked_up_by_reference_key_and_batch(api: Caller) -> None:
    """By index or by scan, the answer is the same; `in`, `or` and ranges alike; arguments only one by one."""
    api.behave({**STILL, "rateLimitPerMinute": 0})
    rows = [api.start(Reference=f"P:r-{n % 3}", InputArguments='{"a":1}').value[0] for n in range(6)]
    ids = [row["Id"] for row in rows]
    key, batch = rows[4]["Key"], rows[5]["BatchExecutionKey"]
    cases = {
        "Reference eq 'P:r-1'": [1, 4],
        "Reference eq 'p:R-1'": [1, 4],
        "Reference eq 'P:r-1' or Reference eq 'P:r-2'": [1, 2, 4, 5],
        "Reference in ('P:r-0','P:r-9')": [0, 3],
        f"Key eq {key}": [4],
        f"Key in ('{key}')": [4],
        f"BatchExecutionKey eq {batch}": [5],
        f"Id gt {ids[2]} and Id le {ids[4]}": [3, 4],
        f"Id in ({ids[0]},{ids[5]})": [0, 5],
        f"Reference eq 'P:r-1' and CreationTime ge {rows[2]['CreationTime'][:19]}Z": [1, 4],
        f"Reference eq 'P:r-1' and Id ne {ids[1]}": [4],
        "State eq 'Pending' and contains(ReleaseName,'triage')": [0, 1, 2, 3, 4, 5],
        "State eq 'Successful'": [],
        "Reference eq ''": [],
        "not (Reference eq 'P:r-0')": [1, 2, 4, 5],
        "EndTime ge 2020-01-01T00:00:00Z": [],
        f"Release/Key eq '{TRIAGE}' and Robot/Id eq null": [0, 1, 2, 3, 4, 5],
    }
    for text, expected in cases.items():
        found = api.get("Jobs", filter=text, orderby="Id").value
        assert [ids.index(row["Id"]) for row in found] == expected, text
    newest = api.get("Jobs", orderby="CreationTime desc", top="2").value
    assert [row["Id"] for row in newest] == [ids[5], ids[4]]
    assert {row["InputArguments"] for row in newest} == {None}
    assert api.job(ids[0])["InputArguments"] == '{"a":1}'
    assert api.get(f"Jobs/{F}GetByKey(identifier={key})").json["Id"] == ids[4]
    assert api.get(f"Jobs({ids[0]})", CLASSIC).error == (404, 1002)


def test_ended_jobs_are_found_by_their_end(api: Caller) -> None:
    """What a tracker asks: everything that ended since a moment."""
    api.behave({**QUICK, "rateLimitPerMinute": 0})
    first = api.start(JobsCount=5, ReleaseKey=INVOICES).value[0]["Id"]
    until(
        lambda: api.get("Jobs", filter="EndTime ge 2020-01-01T00:00:00Z").value, lambda rows: len(rows) == 5
    )
    last = api.get("Jobs", orderby="EndTime desc", top="1").value[0]
    states = ("State in ('Successful','Faulted')", "State eq 5 or State eq 4", "EndTime ne null")
    for text in (*states, "Reference eq ''", "not (State eq 'Pending')"):
        assert api.get("Jobs", filter=text).json["@odata.count"] == 5, text
    found = api.get("Jobs", filter=f"EndTime ge {last['EndTime']} and Id ge {first}").value
    assert last["Id"] in [row["Id"] for row in found]


def test_a_server_may_refuse_filters_on_reference_or_in(api: Caller) -> None:
    """As old ones do; told by the behaviour."""
    api.behave({"notFilterable": ["Reference"], "inOperator": False})
    assert api.get("Jobs", filter="State eq 'Pending' and Reference eq 'x'").error == (400, 1000)
    assert api.get("Jobs", filter="Id in (1,2)").error == (400, 1000)
    assert api.get("Jobs", filter="ReleaseName eq 'x' and Id eq 1").status == 200


def test_the_two_lists_are_limited_and_nothing_else(api: Caller) -> None:
    """429 with Retry-After inside the rolling window, for all folders together; a job by id stays free."""
    api.behave({"rateLimitPerMinute": 12})
    folders = [MODERN, CLASSIC] * 6
    left = [int(str(api.get("Jobs", where).headers["X-RateLimit-Remaining"])) for where in folders]
    assert left == [11, 10] + [0] * 10
    refused = api.get("Jobs")
    assert refused.status == 429
    assert 1 <= int(str(refused.headers["Retry-After"])) <= 61
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    number = _first(api)
    assert all(api.get(f"Jobs({number})").status == 200 for _ in range(20))
    assert api.get("QueueItems").status == 200
    api.behave({"rateLimitSeconds": 0.1})
    until(lambda: api.get("Jobs").status, lambda status: status == 200)


def test_an_on_prem_server_has_no_limit_and_lists_arguments(api: Caller) -> None:
    """Cloud's rules are Cloud's."""
    api.simulated.seed({"behaviour": {"apiVersion": 17, "rateLimitPerMinute": 1}})
    _first(api, InputArguments="{}")
    assert [api.get("Jobs").value[0]["InputArguments"] for _ in range(3)] == ["{}"] * 3
    assert "X-RateLimit-Remaining" not in api.get("Jobs").headers
    cloud = "/acorn/Main/orchestrator_/odata/Jobs"
    assert [api.call("GET", cloud, folder=MODERN).status for _ in range(2)] == [200, 429]
