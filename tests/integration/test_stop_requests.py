"""Stop requests at a running worker: jobs stop, what was not started is cancelled, and everything is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from refused import refused
from relay import Relay, event_id
from simulated import Simulated
from station import Heard, Station, assert_valid, new_id, station
from tenant import MODERN, SEED, request
from working import Working, until

from simulator.redis import PrivateRedis

_WAITS: dict[str, Any] = {"process": {"name": "Waits"}, "inputArguments": None}
_NOBODYS = "0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0999"


async def _started(here: Station, jobs: int = 1) -> tuple[str, list[dict[str, Any]]]:
    """A request whose jobs stay Pending until somebody acts: its id, and the ids of its jobs."""
    name = await here.ask(request(jobsCount=jobs, **_WAITS))
    return name, [event.data["job"] for event in await here.outcome(name)]


async def _stop(here: Station, **asked: Any) -> str:
    return await here.ask({"folder": {"path": MODERN}, **asked}, key="job.stop")


def _run(relay: Relay, job: dict[str, Any]) -> None:
    relay.simulator.tell("PATCH", f"jobs/{job['id']}", {"state": "Running"})


def _stops(relay: Relay, job: dict[str, Any]) -> list[str]:
    """The strategy of each StopJobs call for a job."""
    calls = [json.loads(c["body"]) for c in relay.simulator.requests() if c["path"].endswith(".StopJobs")]
    return [call["strategy"] for call in calls if job["id"] in call["jobIds"]]


@pytest.mark.parametrize("strategy", ["SoftStop", "Kill"])
async def test_a_running_job_is_stopped_by_its_key(relay: Relay, here: Station, strategy: str) -> None:
    """Orchestrator is asked as the request says; the job's own states tell the rest."""
    name, (job,) = await _started(here)
    _run(relay, job)
    stop = await _stop(here, jobKey=job["key"], strategy=strategy)
    (told,) = await here.hear(stop, "job.stop-requested")
    assert_valid([told])
    assert told.id == event_id(relay.prefix, "job-stop-requested.v1", f"{job['key']}|{stop}")
    assert (told.data["job"], told.data["strategy"], told.data["targetRequestId"]) == (job, strategy, name)
    await here.hear(name, "job.state.stopped")
    assert _stops(relay, job) == [strategy]


async def test_all_jobs_of_a_request_are_stopped(relay: Relay, here: Station) -> None:
    """In one call, but for the one that is over already: it is told as that."""
    name, jobs = await _started(here, 3)
    relay.simulator.tell("PATCH", f"jobs/{jobs[0]['id']}", {"state": "Faulted"})
    _run(relay, jobs[1])
    stop = await _stop(here, targetRequestId=name)
    told = await here.hear(stop, "job.stop-requested", 3)
    assert_valid(told)
    assert {event.data["job"]["id"]: event.data["terminal"] for event in told} == {
        jobs[0]["id"]: True, jobs[1]["id"]: False, jobs[2]["id"]: False,
    }  # fmt: skip
    await here.hear(name, "job.state.stopped", 2)
    assert [_stops(relay, job) for job in jobs] == [[], ["SoftStop"], ["SoftStop"]]


async def test_a_stop_of_what_is_over_asks_nobody(relay: Relay, here: Station) -> None:
    """It is answered all the same, and twice the same stop by the same event."""
    name = await here.ask(request())
    await here.hear(name, "job.state.successful")
    (job,) = [event.data["job"] for event in here.heard(name, "job.created")]
    stop = new_id()
    for _ in range(2):
        await _stop(here, targetRequestId=name, requestId=stop)
    told = await here.hear(stop, "job.stop-requested", 2)
    assert [event.data["terminal"] for event in told] == [True, True]
    assert told[0].id == told[1].id
    assert _stops(relay, job) == []


async def test_a_stop_that_names_no_job_is_refused(here: Station) -> None:
    """As any request is: told, and kept byte for byte, as a stop request."""
    body = {"requestId": new_id(), "folder": {"path": MODERN}, "jobKey": _NOBODYS}
    unknown, _ = await refused(here, json.dumps(body).encode(), key="job.stop")
    assert (unknown.data["code"], unknown.data["kind"]) == ("job_unknown", "job.stop")
    invalid, _ = await refused(here, json.dumps(body | {"strategy": "Now"}).encode(), key="job.stop")
    assert (invalid.data["code"], invalid.data["kind"]) == ("invalid_request", "job.stop")


@pytest.mark.parametrize("status", [503, 429])
async def test_a_stop_that_fails_is_tried_again(relay: Relay, here: Station, status: int) -> None:
    """At once, or after a delay: then it comes back to where stops are taken, by its own routing key."""
    _, (job,) = await _started(here)
    fault = {"operation": "StopJobs", "do": "status", "status": status, "times": 1, "retryAfter": 1}
    relay.simulator.faults([fault])
    stop = await _stop(here, jobKey=job["key"])
    (told,) = await here.hear(stop, "job.stop-requested")
    assert _stops(relay, job)[-1:] == ["SoftStop"]
    assert not told.data["terminal"]
    deferred = here.heard(stop, "request.deferred")
    assert [event.data["kind"] for event in deferred] == ["job.stop"] * len(deferred)
    assert_valid(deferred)


async def test_a_stop_during_a_lost_answer_stops_what_it_started(relay: Relay, here: Station) -> None:
    """What may have been sent is not cancelled: the stop waits until it is known what became of it."""
    name = new_id()
    relay.simulator.faults([{"operation": "StartJobs", "do": "commit-then-hang", "reference": name}])
    await here.ask({"requestId": name, **request(**_WAITS)})
    await until(lambda: relay.starts(name), "the job is made, and nobody here knows")
    stop = await _stop(here, targetRequestId=name)
    await here.hear(stop, "job.stop-requested")
    await here.hear(name, "job.created")
    await here.hear(name, "job.state.stopped")
    assert here.heard(stop, "request.cancelled") == here.heard(name, "request.cancelled") == []


async def test_a_request_that_is_stopped_before_it_comes_is_cancelled(relay: Relay, here: Station) -> None:
    """Told by the stop, and by the request when it comes, with one id; after that its id may be used."""
    name = new_id()
    stop = await _stop(here, targetRequestId=name)
    (told,) = await here.hear(stop, "request.cancelled")
    assert told.id == event_id(relay.prefix, "request-cancelled.v1", f"{name}|{stop}")
    assert told.data["certain"] is False
    await here.ask({"requestId": name, **request(metadata={"team": "a"})})
    (met,) = await here.hear(name, "request.cancelled")
    assert_valid([told, met])
    assert (met.id, met.data["metadata"]) == (told.id, {"team": "a"})
    assert relay.starts(name) == []
    await here.ask({"requestId": name, **request()})
    relay.assert_started_once(name, await here.hear(name, "job.created"))


@pytest.mark.requires("redis-server")
async def test_with_a_common_ledger_a_stop_cancels_at_every_worker(
    amqp_url: str, prefix: str, simulator: Simulated, tmp_path: Path
) -> None:
    """The worker that heard of the stop is gone; another one meets its tombstone before the POST."""
    simulator.seed(SEED)
    name = new_id()
    with PrivateRedis() as redis:
        settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
        settings |= {"REDIS_URL": redis.url}
        async with station(amqp_url, prefix) as here:
            with Working(tmp_path / "one.log", **settings) as one:
                await one.health(lambda it: it["ready"] and it["conditions"]["ledger"]["ok"])
                stop = await _stop(here, targetRequestId=name)
                told: list[Heard] = await here.hear(stop, "request.cancelled")
            assert told[0].data["certain"] is True
            with Working(tmp_path / "other.log", **settings):
                await here.ask({"requestId": name, **request()})
                (met,) = await here.hear(name, "request.cancelled")
                assert met.id == told[0].id
                other = await here.ask(request())
                await here.hear(other, "job.created")
    assert [start["reference"] for start in simulator.ledger()["starts"]] == [f"{prefix}:{other}"]
