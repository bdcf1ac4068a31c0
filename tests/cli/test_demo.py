"""`jobrelay demo`, whole: with parts of its own, and with workers that run already."""

import asyncio
import json
from operator import methodcaller
from pathlib import Path

import aio_pika
import pytest
from shell import Broker, Running, Shell
from simulated import Simulated
from working import Working

from worker.broker.address import Address
from worker.broker.topology import Topology
from worker.broker.visits.tap import waiting
from worker.broker.visits.visit import sender, visit
from worker.cli.demo.occasions import EXCHANGES
from worker.domain.messages import Message
from worker.settings import read_settings


def test_the_demo_judges_workers_that_run_already(
    jobrelay: Shell, worker: Working, simulator: Simulated, tmp_path: Path
) -> None:
    """Any number of times, beside what others ask; it ends none of them, and the faults are over."""
    for _ in range(2):
        demo = Running("demo", "--simulator", simulator.url, "--requests", "15", "--seed", "3")
        assert jobrelay("start", "InvoiceIntake", "--folder", "Operations").code == 0
        code, out, err = demo.end()
        assert code == 0, err
        report = json.loads(out)
        assert [report[name] for name in ("requests", "lost", "doubled", "wrong", "left")] == [15, 0, 0, 0, 0]
        assert sum(report["outcomes"].values()) == 15
    assert worker.code is None
    assert simulator.tell("GET", "faults") == []


def test_a_demo_without_its_simulator_says_so(jobrelay: Shell) -> None:
    """By the exit code of what cannot be reached; what it cannot do with others' workers is wrong usage."""
    away = jobrelay("demo", "--simulator", "http://127.0.0.1:1")
    assert away.code == 4
    assert "no simulator answers at http://127.0.0.1:1" in away.err
    assert jobrelay("demo", "--simulator", "nonsense").code == 4
    for option in ("--kill", "--keep", "--templates"):
        assert jobrelay("demo", "--simulator", "http://127.0.0.1:1", option).code == 2


def test_the_demo_loses_and_doubles_nothing_and_leaves_nothing(
    no_settings: pytest.MonkeyPatch, bare: Shell, amqp_url: str, tmp_path: Path
) -> None:
    """A small one, whole: bad requests refused as they must be, jobs to their end, all queues removed."""
    no_settings.setenv("JOBRELAY_AMQP_URL", amqp_url)
    no_settings.setenv("TMPDIR", str(tmp_path))
    code, out, err = Running("demo", "--requests", "30", "--seed", "3").end()
    assert code == 0, err
    (report,) = (json.loads(line) for line in out.splitlines())
    assert [report[name] for name in ("requests", "lost", "doubled", "wrong", "left")] == [30, 0, 0, 0, 0]
    assert report["outcomes"]["started"] == 17
    assert {"StartJobs commit-then-reset", "StartJobs status 503"} <= report["faults"].keys()
    assert list(tmp_path.iterdir()) == []
    no_settings.setenv("JOBRELAY_PREFIX", report["prefix"])
    assert f"no queue '{report['prefix']}.dead-letters'" in bare("dead", "list").err


def test_the_demo_of_templates_loses_and_doubles_nothing_and_leaves_nothing(
    no_settings: pytest.MonkeyPatch, bare: Shell, amqp_url: str, tmp_path: Path
) -> None:
    """The three worked cases, some events twice, some hostile, some that nobody wants; all of it removed."""
    no_settings.setenv("JOBRELAY_AMQP_URL", amqp_url)
    no_settings.setenv("TMPDIR", str(tmp_path))
    code, out, err = Running("demo", "--templates", "--requests", "30", "--seed", "3").end()
    assert code == 0, err
    report = json.loads(out)
    assert [report[name] for name in ("requests", "lost", "doubled", "wrong", "left")] == [30, 0, 0, 0, 0]
    assert report["templates"] == {
        "file-to-all-robots": {"events": 3, "requests": 1, "jobs": 2, "items": 0, "refused": 0},
        "incident-triage": {"events": 18, "requests": 13, "jobs": 13, "items": 0, "refused": 2},
        "order-intake": {"events": 12, "requests": 9, "jobs": 0, "items": 9, "refused": 1},
    }
    outcomes = {"started": 14, "added": 9, "ignored": 4, "template_failed": 2, "invalid_json": 1}
    assert report["outcomes"] == outcomes
    assert list(tmp_path.iterdir()) == []
    no_settings.setenv("JOBRELAY_PREFIX", report["prefix"])
    assert f"no queue '{report['prefix']}.dead-letters'" in bare("dead", "list").err
    for name in EXCHANGES:
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            Broker(amqp_url, "").act(methodcaller("get_exchange", f"{report['prefix']}.{name}"))


def test_an_event_that_nobody_took_is_left(jobrelay: Shell, broker: Broker) -> None:
    """It counts as what waits, so that the verdict is not over before it."""

    async def left() -> tuple[int, int]:
        topology = Topology(broker.prefix)
        async with visit(Address.of(read_settings())) as connection:
            before = await waiting(connection, topology)
            async with sender(connection) as out:
                await out.send("", topology.templates, Message(body=b"{}"))
            return before, await waiting(connection, topology)

    assert asyncio.run(left()) == (0, 1)
