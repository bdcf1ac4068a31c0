"""Many requests for few processes cost few look-ups."""

from pathlib import Path
from typing import Any

from simulated import Simulated
from station import station
from tenant import SEED, key_of
from working import Working

_REQUESTS, _PROCESSES, _FOLDERS = 300, 20, 3


def _seed() -> dict[str, Any]:
    folders = [
        {"Id": 700 + i, "Key": key_of(f"Area {i}"), "FullyQualifiedName": f"Area {i}"} for i in range(3)
    ]
    releases = [
        {"Id": 800 + i, "Name": f"Process {i}", "ProcessKey": f"Package{i}", "folder": f"Area {i % _FOLDERS}"}
        for i in range(_PROCESSES)
    ]
    return {"folders": folders, "releases": releases, "behaviour": SEED["behaviour"]}


async def test_names_are_looked_up_once_for_many_requests(
    amqp_url: str, prefix: str, simulator: Simulated, log: Path
) -> None:
    """300 requests for 20 processes in 3 folders: at most 20 release and 3 folder look-ups, one token."""
    simulator.seed(_seed())
    async with station(amqp_url, prefix) as here:
        with Working(
            log, "start,web", AMQP_URL=amqp_url, PREFIX=prefix, ORCHESTRATOR_URL=simulator.onprem
        ) as worker:
            names = [
                await here.ask(
                    {
                        "process": {"name": f"Process {i % _PROCESSES}"},
                        "folder": {"path": f"Area {i % _PROCESSES % _FOLDERS}"},
                    }
                )
                for i in range(_REQUESTS)
            ]
            await worker.ready()
            ends = await here.outcomes(names)
    assert {event.key for events in ends.values() for event in events} == {"job.created"}
    ledger = simulator.ledger()
    assert len({start["reference"] for start in ledger["starts"]}) == len(ledger["starts"]) == _REQUESTS
    assert ledger["calls"]["StartJobs"] == _REQUESTS
    assert ledger["calls"]["Releases"] <= _PROCESSES
    assert ledger["calls"]["Token"] == 1
    # The worker also reads one folder at its start, to see that Orchestrator answers.
    folders = [call for call in simulator.requests() if call["path"].endswith("/odata/Folders")]
    assert len([call for call in folders if "filter" in call["query"]]) <= _FOLDERS
