"""Commands beside a running worker, and those that run others."""

import asyncio
import json
import secrets
from typing import Any

import aio_pika
import pytest
from shell import Running, Shell
from simulated import Simulated
from tenant import CLIENT_SECRET
from working import Working
from yarl import URL

from worker.broker.topology import Topology, declare


@pytest.fixture(scope="module")
def looked_at(amqp_url: str, _prefixes: list[str]) -> str:
    """A prefix on which everything is declared."""
    prefix = f"t-{secrets.token_hex(4)}"
    _prefixes.append(prefix)
    asyncio.run(_declare(amqp_url, prefix))
    return prefix


async def _declare(url: str, prefix: str) -> None:
    async with await aio_pika.connect(url) as connection:
        await declare(connection, Topology(prefix))


@pytest.fixture
def looking(no_settings: pytest.MonkeyPatch, amqp_url: str, looked_at: str) -> Shell:
    """A shell of those who only look at the broker: they share a prefix."""
    no_settings.setenv("JOBRELAY_AMQP_URL", amqp_url)
    no_settings.setenv("JOBRELAY_PREFIX", looked_at)
    return Shell()


def test_a_request_is_started_waited_for_and_followed(
    jobrelay: Shell, worker: Working, simulator: Simulated
) -> None:
    """--wait is 0 for success, 1 for a fault and for a refusal; `follow` sees what `start` sees."""
    follow = Running("follow", "--request", "r-1", "--type", "job-created", "--count", "2")
    assert "following" in follow.first("stderr")
    here = ("--folder", "Operations")

    arguments = ("--arg", "in_Text=a", "--arg", "in_Count:=3", "--count", "2", "--metadata", "team=blue")
    simulator.tell("PATCH", "behaviour", {"jobs": {"outcomes": {"Successful": 1}}})
    said = jobrelay("start", "TypedArguments", *here, *arguments, "--request-id", "r-1", "--wait")
    assert said.code == 0, said
    ends = [line["data"] for line in said.lines if line["data"].get("terminal")]
    assert [end["state"] for end in ends] == ["Successful", "Successful"]
    assert ends[0]["metadata"] == {"team": "blue"}

    code, out, _ = follow.end()
    created = [json.loads(line) for line in out.splitlines()]
    assert (code, [one["data"]["index"] for one in created]) == (0, [1, 2])

    assert jobrelay("start", "AlwaysFaults", *here, "--wait").code == 1
    refused = jobrelay("start", "InvoiceIntake", *here, "--strategy", "All")
    assert (refused.code, refused.lines[-1]["data"]["code"]) == (1, "strategy_not_offered")
    again = jobrelay("start", "TypedArguments", *here, *arguments, "--request-id", "r-1")
    assert (again.code, again.lines[-1]["type"]) == (1, "jobrelay.request-duplicate.v1")
    assert "'r-1' was asked for before" in again.err
    assert "`jobrelay follow --request r-1`" in again.err
    assert [start["reference"].split(":")[1] for start in simulator.ledger()["starts"]].count("r-1") == 1
    assert not worker.mentions(CLIENT_SECRET)


def test_jobs_in_flight_are_told_by_who_follows_them(
    jobrelay: Shell, worker: Working, simulator: Simulated
) -> None:
    """A real tracker answers for what it holds, and the list is whole."""
    simulator.tell("PATCH", "behaviour", {"jobs": {"outcomes": {"Pending": 1}}})
    started = jobrelay(
        "start", "TypedArguments", "--folder", "Operations", "--arg", "in_Text=a", "--count", "2"
    )
    keys = {line["data"]["job"]["key"] for line in started.lines if "job" in line["data"]}
    for _ in range(100):
        said = jobrelay("jobs", "--state", "pending", "--folder", "operations", "--process", "typedarguments")
        if said.code == 0 and len(said.lines) == 2:  # until then one is on its way from the queue
            break
    assert {line["job"]["key"] for line in said.lines} == keys, said
    assert jobrelay("jobs", "--request", "another").lines == []


def test_waiting_too_long_is_exit_code_5_and_the_request_goes_on(jobrelay: Shell) -> None:
    """Without a worker nothing answers; the line says how to follow it later."""
    said = jobrelay("start", "X", "--folder", "F", "--request-id", "r-2", "--timeout", "0.2s")
    assert said.code == 5
    assert "jobrelay follow --request r-2" in said.err


def test_following_ends_with_ctrl_c(looking: Shell) -> None:
    """130, as for any command that is interrupted."""
    follow = Running("follow")
    assert "following" in follow.first("stderr")
    assert follow.interrupt() == 130


def test_a_healthy_deployment_passes_the_check(looking: Shell, account: None) -> None:
    """Everything that a start needs was looked at, and nothing was started."""
    said = looking(
        "check", "SupportTriage", "--folder", "Classic", "--environment", "QuickstartDemo", "--robot", "61"
    )
    assert said.code == 0, said
    found = {line["what"]: line for line in said.lines}
    looked_at = {"settings", "broker", "queues", "token", "scopes", "orchestrator", "folder", "jobs"}
    looked_at |= {"process", "robots", "robot"}
    assert {what for what, line in found.items() if line["state"] == "ok"} == looked_at
    robots = [line["about"] for line in said.lines if line["what"] == "robot"]
    assert {robot["name"]: robot["robotState"] for robot in robots} == dict.fromkeys(
        ("porter-1", "porter-2"), "Available"
    )
    unnamed = {line["what"]: line["remedy"] for line in looking("check").lines if line["state"] == "skipped"}
    assert {unnamed[what] for what in ("jobs", "robots")} == {"pass --folder or set JOBRELAY_FOLDER"}
    assert "check PROCESS" in unnamed["process"]
    for what, scope in (("logs", "OR.Monitoring.Read"), ("queue items", "OR.Queues")):
        assert (found[what]["state"], scope in found[what]["remedy"]) == ("warning", True)
    assert (found["policy"]["state"], "may all" in found["policy"]["detail"]) == ("skipped", True)
    assert "IncidentId*: System.String" in found["process"]["detail"]
    assert CLIENT_SECRET not in said.out


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(("trouble", "state"), [([], "ok"), ([{"do": "status", "status": 403}], "warning")])
def test_what_a_worker_can_do_without_is_no_failure(
    looking: Shell, no_settings: pytest.MonkeyPatch, simulator: Simulated, trouble: list[Any], state: str
) -> None:
    """A Faulted job is told without its lines then, no item is added: what is needed for that is said."""
    scopes = "OR.Jobs OR.Execution OR.Folders OR.Robots OR.Machines OR.Monitoring OR.Queues"
    no_settings.setenv("JOBRELAY_SCOPE", scopes)
    needed = ("RobotLogs", "QueueDefinitions")
    simulator.faults([{"operation": operation, **fault} for fault in trouble for operation in needed])
    said = looking("check", "--folder", "Classic")
    found = {line["what"]: line for line in said.lines}
    for what, right in (("logs", "Logs.View"), ("queue items", "Queues.View")):
        assert (found[what]["state"], right in found[what]["remedy"]) == (state, state == "warning")
    assert said.code == 0


@pytest.mark.parametrize(
    ("settings", "arguments", "what", "told"),
    [
        ({"CLIENT_SECRET": "planted-wrong"}, [], "token", "JOBRELAY_CLIENT_SECRET"),
        ({"CLIENT_ID": ""}, [], "settings", "JOBRELAY_CLIENT_ID is missing"),
        ({"ORCHESTRATOR_URL": "http://127.0.0.1:1"}, [], "orchestrator", "check JOBRELAY_ORCHESTRATOR_URL"),
        ({"AMQP_URL": "amqp://u:planted-wrong@127.0.0.1:1/"}, [], "broker", "cannot be reached"),
        ({"SCOPE": "OR.Jobs OR.Folders"}, [], "scopes", "OR.Robots.Read"),
        ({"POLICY_FILE": "/nowhere"}, [], "policy", "JOBRELAY_POLICY_FILE: /nowhere: cannot be read"),
        ({"TEMPLATES_DIR": "/nowhere"}, [], "templates", "/nowhere"),
        ({"FOLDER": "Operatons"}, [], "folder", "Operatons"),
        ({}, ["InvoiceIntak", "--folder", "Operations"], "process", "did you mean 'InvoiceIntake'?"),
        ({}, ["--folder", "Classic", "--robot", "8061"], "robots", "id of a session of robot 'porter-1'"),
        ({}, ["--folder", "Classic", "--robot", "nobody"], "robots", "no robot 'nobody'"),
    ],
)
@pytest.mark.usefixtures("account")
def test_the_check_says_what_is_wrong_and_how_to_mend_it(
    looking: Shell,
    no_settings: pytest.MonkeyPatch,
    settings: dict[str, str],
    arguments: list[str],
    what: str,
    told: str,
) -> None:
    """Exit code 1, the thing that is wrong named, a way to mend it, and no secret."""
    for name, value in settings.items():
        no_settings.setenv(f"JOBRELAY_{name}", value)
    said = looking("check", *arguments)
    failed = {line["what"]: line for line in said.lines if line["state"] == "failed"}
    assert said.code == 1
    assert told in failed[what]["detail"] + failed[what]["remedy"]
    assert failed[what]["remedy"]
    assert "planted-wrong" not in said.out + said.err
    assert "ssl:" not in said.out


def test_a_wrong_password_of_the_broker_is_told_in_words(
    bare: Shell, no_settings: pytest.MonkeyPatch, amqp_url: str
) -> None:
    """Nothing but the password is blanked."""
    no_settings.setenv("JOBRELAY_AMQP_URL", str(URL(amqp_url).with_password("planted-wrong")))
    said = bare("topology", "declare")
    assert (said.code, "planted-wrong" in said.err) == (4, False)
    assert said.err.endswith("refuses the user or its password; correct JOBRELAY_AMQP_URL\n")


def test_what_answers_and_is_no_broker_is_told_in_words(
    bare: Shell, no_settings: pytest.MonkeyPatch, simulator: Simulated
) -> None:
    """A port of HTTP: its answer is not read as the length of a frame."""
    no_settings.setenv("JOBRELAY_AMQP_URL", f"amqp://guest:planted@127.0.0.1:{URL(simulator.onprem).port}/")
    said = bare("topology", "declare")
    assert (said.code, "planted" in said.err) == (4, False)
    assert "does not speak AMQP; correct the port in JOBRELAY_AMQP_URL" in said.err


def test_a_wrong_base_url_is_recognised_by_its_html(
    looking: Shell, account: None, simulator: Simulated
) -> None:
    """A portal answers where Orchestrator should."""
    simulator.faults([{"operation": "Folders", "do": "html"}])
    said = looking("check")
    (wrong,) = (line for line in said.lines if line["what"] == "orchestrator")
    assert (said.code, wrong["state"]) == (1, "failed")
    assert "a web page came instead of JSON" in wrong["detail"]
    assert "JOBRELAY_ORCHESTRATOR_URL" in wrong["detail"] + wrong["remedy"]


def test_a_queue_with_other_arguments_fails_the_check(
    looking: Shell, account: None, no_settings: pytest.MonkeyPatch, looked_at: str
) -> None:
    """What is not there yet is no failure: a worker declares it."""
    no_settings.setenv("JOBRELAY_PREFIX", f"{looked_at}-none")
    found = {line["what"]: line for line in looking("check").lines}
    assert found["queues"]["state"] == "warning"
    assert f"{looked_at}-none.dead" in found["queues"]["detail"]


def test_the_simulator_says_where_it_is_and_ends_with_ctrl_c(no_settings: pytest.MonkeyPatch) -> None:
    """Signals reach it, and its exit code is the command's."""
    simulate = Running("simulate")
    assert {"url", "cloud", "onprem", "pid"} <= json.loads(simulate.first()).keys()
    assert simulate.interrupt() == 130
