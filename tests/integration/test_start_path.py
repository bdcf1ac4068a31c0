"""A request becomes jobs and events: every way to name what is to be started, and everything that is told."""

from pathlib import Path
from typing import Any

import pytest
from relay import Relay, event_id
from simulated import Simulated
from station import Station, assert_valid, own_queue, station
from tenant import CLASSIC, FOLDER_IDS, MACHINE_ID, MODERN, QUOTE, ROBOT_IDS, SEED, UMLAUT, key_of, request
from working import Working, until

from worker.contracts import parse, violations

_BY_PACKAGE = {"name": "SupportTriage", "environment": "QuickstartDemo"}
_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("folder", "asked", "strategy", "jobs"),
    [
        (CLASSIC, {"strategy": "Specific", "robots": ["porter-2"]}, "Specific", 1),
        (CLASSIC, {"strategy": "JobsCount", "jobsCount": 2}, "JobsCount", 2),
        (CLASSIC, {"strategy": "RobotCount", "jobsCount": 3}, "JobsCount", 3),
        (CLASSIC, {"strategy": "All"}, "All", 2),
        (CLASSIC, {}, "JobsCount", 1),
        (CLASSIC, {"robots": ["porter-1", ROBOT_IDS["porter-2"]]}, "Specific", 2),
        (MODERN, {"strategy": "ModernJobsCount", "jobsCount": 3}, "ModernJobsCount", 3),
        (MODERN, {}, "ModernJobsCount", 1),
    ],
)
async def test_the_seeds_process_is_started_with_every_strategy(
    relay: Relay, here: Station, folder: str, asked: dict[str, Any], strategy: str, jobs: int
) -> None:
    """SupportTriage starts by name with the strategy asked for, else with the one of the folder's kind."""
    name = await here.ask(request(process=_BY_PACKAGE, folder={"path": folder}, **asked))
    created = await here.outcome(name)
    relay.assert_started_once(name, created)
    (start,) = relay.starts(name)
    assert (start["strategy"], len(created)) == (strategy, jobs)
    assert start["folderId"] == FOLDER_IDS[folder]
    assert start["releaseKey"] == key_of(f"{folder}/SupportTriage_QuickstartDemo")
    # A robot with a pending job of the process would refuse the next test's start.
    await here.hear(name, "job.state.successful", jobs)


@pytest.mark.parametrize(
    "process",
    [
        {"name": "SupportTriage_QuickstartDemo"},
        {"name": "supporttriage_quickstartdemo"},
        {"name": "SupportTriage", "environment": "quickstartdemo"},
        {"releaseKey": key_of(f"{CLASSIC}/SupportTriage_QuickstartDemo").upper()},
    ],
)
async def test_a_process_is_found_by_name_package_or_key(
    relay: Relay, here: Station, process: dict[str, str]
) -> None:
    """Name, package id with environment, and release key lead to the same process, in any case of letters."""
    name = await here.ask(request(process=process, folder={"path": CLASSIC}))
    (created,) = await here.outcome(name)
    assert created.data["process"] == {
        "name": "SupportTriage_QuickstartDemo",
        "packageId": "SupportTriage",
        "version": "1.0.0",
        "releaseKey": key_of(f"{CLASSIC}/SupportTriage_QuickstartDemo"),
        "environment": "QuickstartDemo",
    }


@pytest.mark.parametrize(
    ("folder", "process", "path"),
    [
        ({"path": MODERN}, "SupportTriage_QuickstartDemo", MODERN),
        ({"id": FOLDER_IDS[MODERN]}, "SupportTriage_QuickstartDemo", MODERN),
        ({"key": key_of(MODERN).upper()}, "SupportTriage_QuickstartDemo", MODERN),
        ({"path": UMLAUT}, "Überprüfung", UMLAUT),
        ({"path": QUOTE}, "Kim's report & more", QUOTE),
    ],
)
async def test_a_folder_is_found_by_path_id_or_key(
    relay: Relay, here: Station, folder: dict[str, Any], process: str, path: str
) -> None:
    """Every form of a folder leads there, with umlauts and quotes in its name and in the process's."""
    name = await here.ask(request(process={"name": process}, folder=folder))
    created = await here.outcome(name)
    relay.assert_started_once(name, created)
    assert created[0].data["folder"] == {"id": FOLDER_IDS[path], "key": key_of(path), "path": path}
    assert created[0].data["process"]["name"] == process


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (
            {"machines": ["office-template"], "robots": ["CLERK-1"]},
            {"MachineRobots": [{"MachineId": MACHINE_ID, "RobotId": ROBOT_IDS["clerk-1"]}]},
        ),
        ({"machines": [MACHINE_ID]}, {"MachineRobots": [{"MachineId": MACHINE_ID}]}),
        ({"priority": "High"}, {"JobPriority": "High"}),
        ({"priority": 7}, {"SpecificPriorityValue": 7}),
        ({"priority": 100.0, "jobsCount": 2.0}, {"SpecificPriorityValue": 100, "JobsCount": 2}),
        (
            {"stopAfterSeconds": 60, "stopStrategy": "Kill"},
            {"StopProcessExpression": "60", "StopStrategy": "Kill"},
        ),
        (
            {"runtimeType": "Unattended", "entryPoint": "Main.xaml"},
            {"RuntimeType": "Unattended", "EntryPointPath": "Main.xaml"},
        ),
    ],
)
async def test_what_is_asked_is_sent_and_nothing_else(
    relay: Relay, here: Station, asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    """StartJobs gets what the request says in Orchestrator's words, names resolved, no property besides."""
    name = await here.ask(request(**asked))
    relay.assert_started_once(name, await here.outcome(name))
    assert relay.sent(name) == [
        {
            "ReleaseKey": key_of(f"{MODERN}/SupportTriage_QuickstartDemo"),
            "Strategy": "ModernJobsCount",
            "JobsCount": 1,
            "InputArguments": '{"IncidentId":"INC-1"}',
            "Reference": f"{relay.prefix}:{name}",
            **sent,
        }
    ]


async def test_a_request_is_told_from_its_start_to_its_end(relay: Relay, here: Station) -> None:
    """Each job is created, runs and ends, in order; each event is valid and carries what the sender gave."""
    reply_to, copies = await own_queue(here)
    name = await here.ask(
        request(process={"name": "Waits"}, inputArguments=None, jobsCount=2, metadata={"team": "Süd"}),
        correlation_id="c-1",
        reply_to=reply_to,
        headers={"traceparent": _TRACE},
    )
    created = await here.hear("c-1", "job.created", 2)
    relay.assert_started_once(name, created)
    assert [(event.data["index"], event.data["count"], event.data["requested"]) for event in created] == [
        (1, 2, 2), (2, 2, 2),
    ]  # fmt: skip
    for state, output in (("Running", {}), ("Successful", {"output": {"sum": 150}})):
        for event in created:
            relay.simulator.tell("PATCH", f"jobs/{event.data['job']['id']}", {"state": state, **output})
        await here.hear("c-1", f"job.state.{state.lower()}", 2)
    for event in created:
        story = [one for one in here.heard("c-1") if one.document["subject"] == event.document["subject"]]
        assert [one.key for one in story] == ["job.created", "job.state.running", "job.state.successful"]
        assert story[-1].data["terminal"]
        assert story[-1].data["output"] == {"sum": 150}
        assert [one.data.get("previousState") for one in story] == [None, "Pending", "Running"]
    everything = here.heard("c-1")
    assert_valid(everything)
    _assert_signed(relay, name, everything)
    (line,) = [line for line in relay.worker.said("request.settled") if line["request_id"] == name]
    assert line["trace_id"] == _TRACE.split("-")[1]
    await until(lambda: len(copies) == 6, lambda: f"six copies; there are {len(copies)}")
    assert [copy.message.body for copy in copies] == [event.message.body for event in everything]


def _assert_signed(relay: Relay, name: str, events: list[Any]) -> None:
    """What the sender gave is in each event; ids follow from the fact; the headers repeat the document."""
    for event in events:
        document, data, headers = event.document, event.data, event.message.headers
        key = data["job"]["key"]
        fact = key if event.key == "job.created" else f"{key}|{data['state']}|0"
        assert event.id == event_id(relay.prefix, document["dataschema"].rpartition(":")[2], fact)
        assert (data["requestId"], data["correlationId"]) == (name, "c-1")
        assert (data["metadata"], document["traceparent"]) == ({"team": "Süd"}, _TRACE)
        assert headers["traceparent"] == _TRACE
        for attribute in ("specversion", "id", "type", "source", "subject", "time"):
            assert headers[f"cloudEvents_{attribute}"] == document[attribute]
        assert event.message.content_type == "application/cloudevents+json"
        assert event.message.delivery_mode == 2
    assert len({event.id for event in events}) == len(events)


async def test_a_faulted_job_is_told_with_its_error(relay: Relay, here: Station) -> None:
    """The event of a job that failed says what went wrong, and what its robot logged of it."""
    name = await here.ask(request(process={"name": "Faults"}, inputArguments=None))
    (faulted,) = await here.hear(name, "job.state.faulted")
    assert_valid(here.heard(name))
    assert faulted.data["terminal"]
    title = faulted.data["error"]["title"]
    assert title in [line["message"] for line in faulted.data["logs"]]
    assert {line["level"] for line in faulted.data["logs"]} == {"Error"}


async def test_a_job_in_flight_is_a_message_that_goes_with_its_end(
    amqp_url: str, prefix: str, simulator: Simulated, log: Path, tmp_path: Path
) -> None:
    """Between start and end a job is one valid message in P.tracking; the end is told before it is gone.

    The start role alone leaves the message there, and a request without a folder goes to the default one.
    """
    simulator.seed(SEED)
    settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
    async with station(amqp_url, prefix) as here:
        with Working(log, "start,web", FOLDER=f"key:{key_of(MODERN)}", **settings) as starting:
            await starting.ready()
            name = await here.ask(request(folder=None))
            (created,) = await here.outcome(name)
            assert created.data["folder"]["path"] == MODERN
            # The event is told before the message is there; a worker killed between the two would leave none.
            await here.until_waiting("tracking", 1)
        tracking = await here.channel.get_queue(f"{prefix}.tracking")
        message = await tracking.get(timeout=10)
        assert message is not None
        document = parse(message.body)
        assert violations("tracking.v1", document) == []
        assert (document["job"], document["state"]) == (created.data["job"], "Pending")
        await message.nack(requeue=True)
        with Working(tmp_path / "tracker.log", "track,web", **settings) as tracker:
            await tracker.ready()
            await here.hear(name, "job.state.successful")
            tracker.terminate()
            assert await tracker.ended() == 0
        assert await tracking.get(fail=False) is None
