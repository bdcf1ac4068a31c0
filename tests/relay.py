"""A worker at work between the broker and a simulated Orchestrator: the one that most tests share."""

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from simulated import Simulated
from station import Heard, Station, station
from tenant import SEED
from working import Working


@dataclass(frozen=True, slots=True)
class Relay:
    """The worker, its broker and its Orchestrator."""

    worker: Working
    simulator: Simulated
    amqp_url: str
    prefix: str

    def starts(self, request: str) -> list[dict[str, Any]]:
        """What StartJobs has committed for a request, answered or not."""
        return starts_of(self.simulator, f"{self.prefix}:{request}")

    def sent(self, request: str) -> list[dict[str, Any]]:
        """The startInfo of every StartJobs call for a request, as it went over the wire."""
        mark = f'"Reference":"{self.prefix}:{request}"'
        bodies = [call["body"] for call in self.simulator.requests() if mark in call["body"]]
        return [json.loads(body)["startInfo"] for body in bodies]

    def items(self, reference: str) -> list[dict[str, Any]]:
        """The queue items with exactly this Reference, answered or not."""
        return [item for item in self.simulator.ledger()["items"] if item["reference"] == reference]

    def assert_started_once(self, request: str, created: list[Heard]) -> None:
        """One start was committed, and the events name exactly its jobs, each once."""
        (start,) = self.starts(request)
        assert [event.data["job"]["id"] for event in created] == start["jobIds"]
        assert len({event.id for event in created}) == len(created)
        assert {event.data["reference"] for event in created} == {f"{self.prefix}:{request}"}


def starts_of(simulator: Simulated, reference: str) -> list[dict[str, Any]]:
    """The commits of StartJobs with exactly this Reference."""
    return [start for start in simulator.ledger()["starts"] if start["reference"] == reference]


def event_id(prefix: str, schema: str, fact: str) -> str:
    """The id that an event of *prefix* must have, worked out here from the public rule."""
    namespace = uuid5(NAMESPACE_URL, "urn:jobrelay")
    return str(uuid5(namespace, f"jobrelay.{schema}|urn:jobrelay:{prefix}|{fact}"))


def _by_name(url: str) -> str:
    """The same server by its name: HTTP libraries take no cookies from a bare address."""
    return url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="session")
def relay(amqp_url: str, _prefixes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """The shared relay, never reset: tests use requestIds of their own, and faults aimed by reference."""
    prefix = f"t-{secrets.token_hex(4)}"
    _prefixes.append(prefix)
    log = tmp_path_factory.mktemp("relay") / "worker.log"
    with Simulated() as simulator:
        simulator.seed(SEED)
        settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": _by_name(simulator.onprem)}
        settings["SCOPE"] = "OR.Jobs OR.Execution OR.Folders OR.Robots OR.Machines OR.Monitoring OR.Queues"
        with Working(log, **settings) as worker:
            yield Relay(worker, simulator, amqp_url, prefix)


@pytest.fixture
async def here(relay: Relay) -> AsyncIterator[Station]:
    """A station at the shared relay, whose worker is ready. Faults that a test set are gone after it."""
    await relay.worker.ready()
    async with station(relay.amqp_url, relay.prefix, new=False) as opened:
        yield opened
        relay.simulator.heal()
