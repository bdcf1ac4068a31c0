"""The traps that people fell into who started jobs by hand, one test for each."""

import json
from pathlib import Path
from typing import Any

import pytest
from relay import Relay
from simulated import Simulated
from station import Station, assert_valid, station
from tenant import CLASSIC, MODERN, ROBOT_IDS, SEED, SESSION_IDS, UMLAUT, request
from working import Working

_FOLDER_HEADERS = (
    "x-uipath-organizationunitid",
    "x-uipath-folderpath",
    "x-uipath-folderpath-encoded",
    "x-uipath-folderkey",
)
_OF_A_FOLDER = ("/odata/Jobs", "/odata/Releases", "/odata/Robots", "/odata/Environments", "/odata/Sessions")


@pytest.fixture
async def busy(relay: Relay, here: Station) -> list[str]:
    """Requests that needed every kind of call: starts in both kinds of folders, robots, a lost answer."""
    mark = await here.ask(request(folder={"path": UMLAUT}, process={"name": "Pruefung"}, inputArguments=None))
    names = [
        mark,
        *[await here.ask(request(robots=["clerk-2"], machines=["office-template"])) for _ in range(5)],
        await here.ask(request(folder={"path": CLASSIC}, process={"releaseKey": _classic()}, jobsCount=2)),
        await here.ask(request(folder={"path": CLASSIC}, process={"name": "SupportTriage_Production"})),
    ]
    for created in (await here.outcomes(names)).values():
        assert created[0].key == "job.created", created[0]
    return names


def _classic() -> str:
    return next(str(one["Key"]) for one in SEED["releases"] if one["folder"] == CLASSIC)


async def test_a_session_id_is_told_from_a_robot_id(relay: Relay, here: Station) -> None:
    """The id of a session is refused by naming its robot, before StartJobs could say `Invalid Robot ID`."""
    session = SESSION_IDS["porter-2"]
    name = await here.ask(
        request(
            folder={"path": CLASSIC},
            process={"name": "SupportTriage", "environment": "QuickstartDemo"},
            strategy="Specific",
            robots=["porter-1", session],
        )
    )
    (rejected,) = await here.outcome(name)
    assert_valid([rejected])
    assert rejected.data["code"] == "robot_is_session"
    assert str(session) in rejected.data["detail"]
    assert "porter-2" in rejected.data["remedy"]
    assert str(ROBOT_IDS["porter-2"]) in rejected.data["remedy"]
    assert [violation["pointer"] for violation in rejected.data["violations"]] == ["/robots/1"]
    assert relay.sent(name) == []


async def test_no_cookie_is_ever_sent(relay: Relay, busy: list[str]) -> None:
    """The server sets cookies with its answers and refuses POSTs that bring them back: none does."""
    assert relay.simulator.tell("GET", "behaviour")["cookies"]
    calls = relay.simulator.requests()
    assert any(call["method"] == "GET" for call in calls)
    assert [call["path"] for call in calls if "cookie" in _headers(call)] == []


async def test_no_of_robots_is_never_sent(relay: Relay, here: Station) -> None:
    """The old property goes out with no strategy, not even with RobotCount, and is refused in a request."""
    old = request(folder={"path": CLASSIC}, process={"releaseKey": _classic()}, strategy="RobotCount")
    name = await here.ask({**old, "jobsCount": 2})
    relay.assert_started_once(name, await here.outcome(name))
    (sent,) = relay.sent(name)
    assert (sent["Strategy"], sent["JobsCount"]) == ("JobsCount", 2)
    asked = await here.ask(request(noOfRobots=1))
    (rejected,) = await here.outcome(asked)
    assert [violation["pointer"] for violation in rejected.data["violations"]] == ["/noOfRobots"]
    assert not any("noofrobots" in call["body"].lower() for call in relay.simulator.requests())


async def test_a_wrong_base_url_is_named_and_nothing_is_rejected(
    amqp_url: str, prefix: str, simulator: Simulated, log: Path
) -> None:
    """A portal's page instead of JSON makes the condition `orchestrator` fail by name; requests wait."""
    wrong = f"{simulator.url}/portal"
    async with station(amqp_url, prefix) as here:
        with Working(log, AMQP_URL=amqp_url, PREFIX=prefix, ORCHESTRATOR_URL=wrong) as worker:
            name = await here.ask(request())
            health = await worker.health(
                lambda it: "JOBRELAY_ORCHESTRATOR_URL" in (it["conditions"]["orchestrator"]["reason"] or "")
            )
            assert not health["conditions"]["orchestrator"]["ok"]
            assert "a web page came instead of JSON" in health["conditions"]["orchestrator"]["reason"]
        waiting = await (await here.channel.get_queue(f"{prefix}.start")).get(timeout=10)
        assert waiting is not None
        assert waiting.correlation_id == name
        assert (here.heard(name), here.letters) == ([], [])


async def test_every_call_that_needs_a_folder_names_exactly_one(relay: Relay, busy: list[str]) -> None:
    """No call of a folder's things goes out without its folder, and none with two forms of it."""
    calls = [call for call in relay.simulator.requests() if call["path"].startswith(_OF_A_FOLDER)]
    assert {"GET", "POST"} == {call["method"] for call in calls}
    for call in calls:
        named = [name for name in _headers(call) if name in _FOLDER_HEADERS]
        assert len(named) == 1, f"{call['method']} {call['path']}: {named}"


async def test_one_token_serves_many_requests(relay: Relay, here: Station, busy: list[str]) -> None:
    """Nothing renews the token while it is good; when it is refused, one call renews it for everybody."""
    before = _tokens(relay)
    names = [await here.ask(request()) for _ in range(30)]
    await here.outcomes(names)
    assert _tokens(relay) == before
    relay.simulator.faults([{"operation": "StartJobs", "do": "expire-token", "times": 1}])
    names = [await here.ask(request()) for _ in range(30)]
    for name, created in (await here.outcomes(names)).items():
        relay.assert_started_once(name, created)
    assert _tokens(relay) == before + 1


async def test_arguments_are_asked_as_an_object_and_sent_as_a_string(relay: Relay, here: Station) -> None:
    """A string in the request is refused with what to send instead; what Orchestrator gets is a string."""
    wrong = await here.ask(request(inputArguments='{"IncidentId":"INC-1"}'))
    (rejected,) = await here.outcome(wrong)
    assert rejected.data["code"] == "invalid_request"
    (violation,) = rejected.data["violations"]
    assert violation["pointer"] == "/inputArguments"
    assert "must be an object, not text" in violation["message"]
    assert '{"IncidentId": "INC-1"}' in violation["message"]
    given = {"IncidentId": 'Grüße "zurück"'}
    right = await here.ask(request(folder={"path": MODERN}, inputArguments=given))
    await here.outcome(right)
    (sent,) = relay.sent(right)
    assert isinstance(sent["InputArguments"], str)
    assert json.loads(sent["InputArguments"]) == given


def _headers(call: dict[str, Any]) -> list[str]:
    return [name.lower() for name, _ in call["headers"]]


def _tokens(relay: Relay) -> int:
    return int(relay.simulator.ledger()["calls"]["Token"])
