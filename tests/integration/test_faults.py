"""Whatever goes wrong at StartJobs: a request's jobs start once, and what is told of them is true."""

import asyncio
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from relay import Relay, event_id, starts_of
from simulated import Simulated
from station import Heard, Station, assert_valid, new_id, station
from tenant import FOLDER_IDS, MODERN, SEED, key_of, request
from working import Working, until

_NEXT_SECOND = "the next second, as an HTTP-date"

_REFUSED = {"do": "status", "status": 409, "code": 1671, "message": "no robot"}
# What StartJobs does once, and how many POSTs that may cost. These are the nine at which other clients start
# two jobs or lose one, each measured; a timeout of 2 s stands for their 30 s.
_NINE: Mapping[str, tuple[dict[str, Any], int]] = {
    "503, nothing done": ({"do": "status", "status": 503}, 2),
    "429 Retry-After: seconds": ({"do": "status", "status": 429, "retryAfter": 1}, 2),
    "429 Retry-After: HTTP-date": ({"do": "status", "status": 429, "retryAfter": _NEXT_SECOND}, 2),
    "500": ({"do": "status", "status": 500}, 2),
    "504 after the job was made": ({"do": "commit-then-status", "status": 504}, 1),
    "no answer in time, job made": ({"do": "commit-then-hang"}, 1),
    "connection cut after the job was made": ({"do": "commit-then-reset"}, 1),
    "401 once": ({"do": "expire-token"}, 2),
    "409": (_REFUSED, 1),
}
_STARTED: Mapping[str, tuple[dict[str, Any], int]] = {
    **{fault: row for fault, row in _NINE.items() if fault != "409"},
    "500 after the job was made": ({"do": "commit-then-status", "status": 500}, 1),
    "cut in the middle of the answer": ({"do": "commit-then-cut"}, 1),
    "cut, job made a moment later": ({"do": "reset-then-commit", "seconds": 0.2}, 1),
    "502, job made a moment later": ({"do": "status-then-commit", "status": 502, "seconds": 0.2}, 1),
    "answered too late": ({"do": "commit-then-delay", "seconds": 2.5}, 1),
    "no answer, nothing done": ({"do": "hang"}, 2),
    "cut, nothing done": ({"do": "reset"}, 2),
    "an empty 400": ({"do": "empty-400"}, 2),
    "a web page": ({"do": "html"}, 2),
    "half a JSON document": ({"do": "garbage"}, 2),
}
_BUSY = {
    f"409, busy {code}": {"do": "status", "status": 409, "code": code, "message": "later"}
    for code in (1670, 1678, 1691)
}


@dataclass(frozen=True, slots=True)
class Case:
    """What one fault led to."""

    name: str
    ends: list[Heard]
    starts: list[dict[str, Any]]
    posts: int


@pytest.fixture(scope="module")
def lab(relay: Relay) -> dict[str, Case]:
    """All faults at one time, each aimed at a request of its own; but for the 401, which all would feel."""
    faults = {fault: rule for fault, (rule, _) in _STARTED.items()} | {"409": _REFUSED} | _BUSY
    return asyncio.run(_struck(relay, faults))


async def _struck(relay: Relay, faults: Mapping[str, dict[str, Any]]) -> dict[str, Case]:
    names = {fault: new_id() for fault in faults}
    await relay.worker.ready()
    async with station(relay.amqp_url, relay.prefix, new=False) as here:
        rules = [_aimed(rule, names[fault]) for fault, rule in faults.items()]
        relay.simulator.faults(rules)
        for name in sorted(names.values(), key=names["401 once"].__ne__):
            await here.ask({"requestId": name, **request(jobsCount=2)})
            if name == names["401 once"]:
                await here.outcome(name)
        ends = await here.outcomes(names.values())
        relay.simulator.heal()
        assert_valid(event for events in ends.values() for event in events)
    return {
        fault: Case(name, ends[name], relay.starts(name), len(relay.sent(name)))
        for fault, name in names.items()
    }


def _aimed(rule: dict[str, Any], name: str) -> dict[str, Any]:
    after = rule.get("retryAfter")
    if after == _NEXT_SECOND:
        after = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    aimed = {**rule, "operation": "StartJobs", "times": 1, "reference": name}
    return aimed if after is None else {**aimed, "retryAfter": after}


@pytest.mark.parametrize("fault", _NINE)
def test_the_nine_faults_of_peers(lab: dict[str, Case], fault: str) -> None:
    """One request is one start and one truthful story: its jobs, or a refusal where nothing was started."""
    case = lab[fault]
    told = [event.key for event in case.ends]
    assert told == (["request.rejected"] if fault == "409" else ["job.created"] * 2)
    assert [start["jobIds"] for start in case.starts] == (
        [] if fault == "409" else [[event.data["job"]["id"] for event in case.ends]]
    )


@pytest.mark.parametrize("fault", _STARTED)
def test_one_request_starts_its_jobs_once_whatever_fails(
    relay: Relay, lab: dict[str, Case], fault: str
) -> None:
    """Exactly one start is in the server's ledger, and exactly its jobs are told, each once."""
    case, (_, posts) = lab[fault], _STARTED[fault]
    assert [event.key for event in case.ends] == ["job.created"] * 2, case.ends
    relay.assert_started_once(case.name, case.ends)
    for event in case.ends:
        assert event.id == event_id(relay.prefix, "job-created.v1", event.data["job"]["key"])
        assert (event.data["count"], event.data["requested"]) == (2, 2)
    assert case.posts == posts


def test_a_refusal_is_told_as_it_was(lab: dict[str, Case]) -> None:
    """A 409 starts nothing, is not tried again, and is told with Orchestrator's own words and a remedy."""
    case = lab["409"]
    (rejected,) = case.ends
    assert (case.starts, case.posts) == ([], 1)
    assert rejected.data["code"] == "orchestrator_refused"
    assert rejected.data["orchestrator"] | {"traceId": None} == {
        "status": 409, "errorCode": 1671, "message": "no robot", "traceId": None,
    }  # fmt: skip
    assert "Robots (not of Sessions)" in rejected.data["remedy"]


@pytest.mark.parametrize("fault", _BUSY)
def test_a_refusal_that_passes_is_waited_for(lab: dict[str, Case], fault: str) -> None:
    """Too many pending jobs is no reason to reject: the request comes back after minutes."""
    case = lab[fault]
    (deferred,) = case.ends
    assert (case.starts, case.posts) == ([], 1)
    assert (deferred.key, deferred.data["code"]) == ("request.deferred", "orchestrator_busy")
    assert (deferred.data["delaySeconds"], deferred.data["outcomeKnown"]) == (120, True)


async def test_fewer_jobs_than_asked_are_told_as_they_are(relay: Relay, here: Station) -> None:
    """A start that made half of its jobs is never topped up: `requested` tells that there should be more."""
    name = new_id()
    relay.simulator.faults([{"operation": "StartJobs", "do": "partial", "reference": name}])
    await here.ask({"requestId": name, **request(jobsCount=4)})
    created = await here.outcome(name)
    relay.assert_started_once(name, created)
    assert [(event.data["count"], event.data["requested"]) for event in created] == [(2, 4)] * 2


async def test_a_duplicate_starts_nothing_and_is_told(relay: Relay, here: Station) -> None:
    """The same requestId again, at the same moment or later, is a duplicate; another body is noticed."""
    name = new_id()
    slow = {"operation": "StartJobs", "do": "commit-then-delay", "seconds": 0.3, "reference": name}
    relay.simulator.faults([slow])
    for message, incident in (("m-1", "one"), ("m-2", "one"), ("m-3", "another")):
        asked = {"requestId": name, **request(inputArguments={"IncidentId": incident})}
        await here.ask(asked, message_id=message)
    duplicates = await here.hear(name, "request.duplicate", 2)
    created = await here.hear(name, "job.created")
    relay.assert_started_once(name, created)
    assert_valid(duplicates)
    assert {event.id: event.data["bodyDiffers"] for event in duplicates} == {
        event_id(relay.prefix, "request-duplicate.v1", f"{name}|m-2"): False,
        event_id(relay.prefix, "request-duplicate.v1", f"{name}|m-3"): True,
    }


async def test_a_request_whose_job_exists_is_adopted(relay: Relay, here: Station) -> None:
    """An attempt that finds its predecessor's job sends no POST, and tells the event that names this job."""
    name = new_id()
    job = _started_by_somebody(relay, name)
    await here.ask({"requestId": name, **request()}, headers={"jobrelay-attempt": 1})
    (created,) = await here.outcome(name)
    assert (created.data["job"]["id"], created.data["adopted"]) == (job["Id"], True)
    assert created.id == event_id(relay.prefix, "job-created.v1", job["Key"])
    assert len(relay.sent(name)) == len(relay.starts(name)) == 1
    await here.hear(name, "job.state.successful")


def _started_by_somebody(relay: Relay, name: str) -> dict[str, Any]:
    """The job that a worker of this deployment would have started for *name*."""
    info = {
        "ReleaseKey": key_of(f"{MODERN}/SupportTriage_QuickstartDemo"),
        "Strategy": "ModernJobsCount",
        "JobsCount": 1,
        "InputArguments": '{"IncidentId":"INC-1"}',
        "Reference": f"{relay.prefix}:{name}",
    }
    call = urllib.request.Request(  # noqa: S310 - our own URL
        f"{relay.simulator.onprem}/odata/Jobs/UiPath.Server.Configuration.OData.StartJobs",
        json.dumps({"startInfo": info}, separators=(",", ":")).encode(),
        {
            "Authorization": "Bearer rt_simulated_access_token",
            "Content-Type": "application/json",
            "X-UIPATH-OrganizationUnitId": str(FOLDER_IDS[MODERN]),
        },
    )
    with urllib.request.urlopen(call, timeout=5) as answer:  # noqa: S310
        return dict(json.load(answer)["value"][0])


async def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    amqp_url: str, prefix: str, simulator: Simulated, log: Path, tmp_path: Path
) -> None:
    """SIGKILL with starts in hand, some done, some not, and others waiting: each starts once, by another."""
    simulator.seed(SEED)
    done = {"operation": "StartJobs", "do": "commit-then-hang", "times": 12}
    not_done = {"operation": "StartJobs", "do": "hang", "times": 4}
    simulator.faults([done, not_done])
    settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
    async with station(amqp_url, prefix) as here:
        with Working(log, CONCURRENCY=16, HTTP_TIMEOUT_S=4, GRACE_S=14, **settings) as first:
            await first.ready()
            names = [await here.ask(request()) for _ in range(30)]
            await until(lambda: simulator.ledger()["calls"].get("StartJobs") == 16, "16 are sent")
            assert len(simulator.ledger()["starts"]) == 12
            first.kill()
        with Working(tmp_path / "second.log", **settings):
            for name in names:
                await here.hear(name, "job.created", within=40)
    assert len(simulator.ledger()["starts"]) == 30
    for name in names:
        (start,), (created,) = starts_of(simulator, f"{prefix}:{name}"), here.heard(name, "job.created")
        assert [created.data["job"]["id"]] == start["jobIds"]
    adopted = [name for name in names if here.heard(name, "job.created")[0].data["adopted"]]
    assert len(adopted) == 12
