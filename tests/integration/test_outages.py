"""A broker, an Orchestrator or a worker that is away: everybody waits, says why, and nothing is lost."""

from pathlib import Path
from typing import Any

import pytest
from door import Door
from relay import starts_of
from simulated import Simulated
from station import new_id, station
from tenant import CLIENT_ID, CLIENT_SECRET, SEED, request
from working import Working, until
from yarl import URL


@pytest.fixture
def settings(amqp_url: str, prefix: str, simulator: Simulated) -> dict[str, Any]:
    """The settings of a worker of the test's own, at the tests' tenant."""
    simulator.seed(SEED)
    return {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}


async def test_a_broker_that_is_down_at_the_start_is_waited_for(
    settings: dict[str, Any], amqp_url: str, prefix: str, log: Path
) -> None:
    """The worker is not ready, says so again and again, and begins to work when the broker is there."""
    async with Door(amqp_url) as door, station(amqp_url, prefix) as here:
        name = await here.ask(request())
        with Working(log, **{**settings, "AMQP_URL": door.url}) as worker:
            health = await worker.health(lambda it: "refused" in str(it["conditions"]["broker-consume"]))
            assert not health["ready"]
            assert not health["conditions"]["broker-publish"]["ok"]
            await until(lambda: len(worker.said("broker.not_reached")) > 4, "it says again that it waits")
            lines = worker.said("broker.not_reached")
            assert {line["link"] for line in lines} == {"broker-consume", "broker-publish", "broker-lease"}
            assert all(f"RabbitMQ at 127.0.0.1:{URL(door.url).port} cannot" in one["reason"] for one in lines)
            assert all("check JOBRELAY_AMQP_URL" in line["reason"] for line in lines)
            assert worker.said("broker.connection_lost") == []
            await door.open()
            await worker.ready()
            (created,) = await here.outcome(name)
            assert created.key == "job.created"


async def test_an_orchestrator_that_is_away_is_waited_for(
    settings: dict[str, Any], amqp_url: str, prefix: str, simulator: Simulated, log: Path
) -> None:
    """Nothing is taken beyond the prefetch, nothing rejected or deferred; work goes on when it is back."""
    async with Door(simulator.onprem) as door, station(amqp_url, prefix) as here:
        await door.open()
        reached = {**settings, "ORCHESTRATOR_URL": door.url}
        with Working(log, CONCURRENCY=5, **reached) as worker:
            await here.outcome(await here.ask(request()))
            await door.shut()
            names = [await here.ask(request()) for _ in range(20)]
            health = await worker.health(lambda it: not it["conditions"]["orchestrator"]["ok"])
            assert health["ready"], "an outage is no reason to send requests elsewhere"
            assert "no connection" in health["conditions"]["orchestrator"]["reason"]
            await here.until_waiting("start", 15)
            assert [event for name in names for event in here.heard(name)] == []
            await door.open()
            ends = await here.outcomes(names)
            await worker.health(lambda it: it["conditions"]["orchestrator"]["ok"])
    for name, (created,) in ends.items():
        (start,) = starts_of(simulator, f"{prefix}:{name}")
        assert start["jobIds"] == [created.data["job"]["id"]]
        assert created.data["attempt"] == 1
    assert here.letters == []


async def test_refused_credentials_are_named_and_nothing_is_rejected(
    settings: dict[str, Any], amqp_url: str, prefix: str, simulator: Simulated, log: Path
) -> None:
    """Not ready, for a reason that names the settings and no secret; when they are right, work begins."""
    other = {"identity": {"clients": [{"id": CLIENT_ID, "secret": "another"}]}}
    simulator.seed({**SEED, **other})
    async with station(amqp_url, prefix) as here:
        with Working(log, **settings) as worker:
            name = await here.ask(request())
            health = await worker.health(lambda it: "CLIENT_SECRET" in str(it["conditions"]["token"]))
            assert not health["ready"]
            assert "invalid_client" in health["conditions"]["token"]["reason"]
            await here.until_waiting("start", 0)
            assert here.heard(name) == []
            simulator.seed(SEED)
            (created,) = await here.outcome(name)
            assert (created.key, created.data["attempt"]) == ("job.created", 1)
            await worker.ready()
        assert not worker.mentions(CLIENT_SECRET)
    assert here.letters == []


async def test_a_worker_that_is_told_to_stop_finishes_what_it_has(
    settings: dict[str, Any], amqp_url: str, prefix: str, simulator: Simulated, log: Path
) -> None:
    """On SIGTERM what is being started is told; what is not, or not yet again, is back in its queue."""
    throttled = new_id()
    later = {"do": "status", "status": 429, "retryAfter": 5, "reference": throttled, "times": 1}
    slow = {"do": "commit-then-delay", "seconds": 0.5}
    simulator.faults([{"operation": "StartJobs", **fault} for fault in (later, slow)])
    async with station(amqp_url, prefix) as here:
        with Working(log, CONCURRENCY=5, **settings) as worker:
            await worker.ready()
            names = [await here.ask(request()) for _ in range(6)]
            await here.ask({"requestId": throttled, **request()})
            names += [await here.ask(request()) for _ in range(34)]
            await until(lambda: any(throttled in call["body"] for call in simulator.requests()), "one waits")
            worker.terminate()
            assert await worker.ended() == 0
        starts = {start["reference"] for start in simulator.ledger()["starts"]}
        await here.until_waiting("start", 1 + len(names) - len(starts))
        told = [name for name in names if here.heard(name, "job.created")]
        assert {f"{prefix}:{name}" for name in told} == starts
        assert simulator.ledger()["calls"]["StartJobs"] == 1 + len(told) < 40
        (stopping,) = worker.said("worker.stopping")
        late = [one for one in worker.said("request.settled") if one["timestamp"] > stopping["timestamp"]]
        # Five in hand, and the one by whose get the consumer ends.
        assert len(late) <= 6, "nothing new is taken"
        assert len([one for one in late if one["outcome"] != "returned"]) <= 5, "nothing new is begun"


async def test_a_stop_is_not_held_up_by_a_look_up_that_waits_for_its_turn(
    settings: dict[str, Any], amqp_url: str, prefix: str, simulator: Simulated, log: Path
) -> None:
    """Throttled look-ups wait together; told to stop, the worker hands over what waits and ends."""
    throttled, waiting = new_id(), new_id()
    lost = {"operation": "StartJobs", "do": "commit-then-reset"}
    later = {"operation": "JobsList", "do": "status", "status": 429, "retryAfter": 6, "times": 1}
    simulator.faults([lost, later])
    async with station(amqp_url, prefix) as here:
        with Working(log, **settings) as worker:
            await here.ask({"requestId": throttled, **request()})
            await here.hear(throttled, "request.deferred")
            await here.ask({"requestId": waiting, **request()})
            await until(lambda: len(simulator.ledger()["starts"]) == 2, "it is started")
            worker.terminate()
            assert await worker.ended() == 0
        (settled,) = [one for one in worker.said("request.settled") if one["request_id"] == waiting]
        assert settled["outcome"] == "returned", "that it stops is no attempt of the request"
        assert here.heard(waiting) == []
    assert simulator.ledger()["calls"]["JobsList"] == 1


async def test_a_second_signal_ends_at_once_and_loses_nothing(
    settings: dict[str, Any], amqp_url: str, prefix: str, simulator: Simulated, log: Path
) -> None:
    """Whoever cannot wait for the first signal's grace gets the end; the request is back in its queue."""
    name = new_id()
    simulator.faults([{"operation": "StartJobs", "do": "hang"}])
    patient = {**settings, "HTTP_TIMEOUT_S": 30, "GRACE_S": 40}
    async with station(amqp_url, prefix) as here:
        with Working(log, **patient) as worker:
            await worker.ready()
            await here.ask({"requestId": name, **request()})
            await until(lambda: simulator.ledger()["calls"].get("StartJobs"), "it is being started")
            worker.terminate()
            await until(lambda: worker.said("worker.stopping"), "it is stopping")
            worker.terminate()
            assert await worker.ended() != 0
        await here.until_waiting("start", 1)
        assert here.heard(name) == []
