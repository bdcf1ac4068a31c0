"""Applications' events through RabbitMQ to jobs: once each, whatever templates and workers go through."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractExchange
from pamqp.commands import Basic
from simulated import Simulated
from station import Station, station
from tenant import SEED, request
from working import Working, until

_DIES_BEFORE_THE_ACK = """
import os, signal
from worker.broker.outbox import Outbox
from worker.cli.main import main
request = Outbox.request
async def and_dies(*given):
    await request(*given)
    os.kill(os.getpid(), signal.SIGKILL)
Outbox.request = and_dies
main()
"""
_HOSTILE = [
    b"",
    b"\xff",
    b"[" * 70 + b"]" * 70,
    b'{"id": NaN}',
    b'{"id": 1, "id": 1}',
    b'{"id": {}}',
    b"null",
]


class Place:
    """A worker's surroundings: its folder of templates, and an application's exchange."""

    def __init__(self, here: Station, folder: Path, settings: dict[str, Any]) -> None:
        self.here, self.folder, self.settings = here, folder, settings
        self.exchange: AbstractExchange

    def write(self, name: str, exchange: str, mark: str = "first") -> None:
        """A template for the events of *exchange*, whose requests bear its *mark*."""
        self.put(
            {
                "name": name,
                "bindings": [{"exchange": exchange, "routingKeys": ["incident.#"]}],
                "requestId": f"join('-', ['{name}', data.id])",
                "start": request(inputArguments={"IncidentId": {"$": "data.id"}}),
                "metadata": {"mark": mark},
            }
        )

    def put(self, template: Mapping[str, Any]) -> None:
        """A template's file, as a mount does it: all of it at once."""
        beside = self.folder / f".{template['name']}"
        beside.write_text(json.dumps(template, indent=1))
        beside.rename(self.folder / f"{template['name']}.yaml")

    async def publish(self, body: bytes | str, **properties: Any) -> bool:
        """An event, confirmed by the broker; a text is an id. False where nobody listens."""
        body = json.dumps({"id": body}).encode() if isinstance(body, str) else body
        message = aio_pika.Message(body, delivery_mode=2, **properties)
        taken = await self.exchange.publish(message, "incident.created")
        return isinstance(taken, Basic.Ack)


@asynccontextmanager
async def _placed(url: str, prefix: str, simulator: Simulated, folder: Path) -> AsyncIterator[Place]:
    simulator.seed(SEED)
    settings = {"AMQP_URL": url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
    async with station(url, prefix) as here:
        place = Place(here, folder, settings | {"TEMPLATES_DIR": folder})
        place.exchange = await _declared(here, f"{prefix}-tickets")
        try:
            yield place
        finally:
            for name in (place.exchange.name, f"{prefix}-late"):
                await here.channel.exchange_delete(name)


async def _declared(here: Station, name: str) -> AbstractExchange:
    return await here.channel.declare_exchange(name, "topic")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for templates."""
    folder = tmp_path / "templates"
    folder.mkdir()
    return folder


def _started(simulator: Simulated) -> list[str]:
    return sorted(start["reference"] for start in simulator.ledger()["starts"])


async def test_templates_change_under_load(
    amqp_url: str, prefix: str, simulator: Simulated, folder: Path, log: Path
) -> None:
    """Nothing is lost or doubled; a bad file is named while the old set stays; hostile events hold nobody."""
    async with _placed(amqp_url, prefix, simulator, folder) as place:
        place.write("a", f"{prefix}-tickets")
        with Working(log, roles="start,web", **place.settings) as worker:
            await worker.ready()
            await until(lambda: worker.said("templates.bound"), worker.last_words)
            async with _flooding(place) as names:
                for number in range(3):
                    place.write("a", f"{prefix}-tickets", mark=f"mark-{number}")
                    await _taken(worker, number + 1)
                (folder / "bad.yaml").write_text("name: bad\nbindings: [}\n")
                await worker.health(lambda seen: "bad.yaml, line 2" in str(seen["conditions"]["templates"]))
                assert worker.metric("jobrelay_templates_refused") == 1
                (folder / "bad.yaml").unlink()
                await worker.health(lambda seen: seen["conditions"]["templates"]["ok"])
            wanted = sorted(f"{prefix}:a-{name}" for name in names)
            await until(lambda: len(_started(simulator)) >= len(wanted), worker.last_words)
            assert _started(simulator) == wanted
            await until(lambda: len(place.here.letters) >= len(_HOSTILE), worker.last_words)
            assert sorted(letter.message.body for letter in place.here.letters) == sorted(_HOSTILE)
            marks = {
                event.data["metadata"]["mark"]
                for name in names
                for event in place.here.heard(name, "job.created")
            }
            assert {"first", "mark-2"} <= marks
            assert worker.metric('jobrelay_template_events_total{outcome="failed"}') > 0
            assert worker.metric('jobrelay_template_requests_total{template="a"}') == len(names)


async def _taken(worker: Working, times: int) -> None:
    await until(lambda: len(worker.said("templates.taken")) >= times, worker.last_words)


@asynccontextmanager
async def _flooding(place: Place) -> AsyncIterator[list[str]]:
    """Inside, events are published without a pause; hostile ones among them. Gives the ids so far."""
    names: list[str] = []
    ended = False

    async def flood() -> None:
        hostile = iter(_HOSTILE)
        while not ended:
            name = f"id-{len(names)}"
            await place.publish(name, correlation_id=name)
            names.append(name)
            if (body := next(hostile, None)) is not None:
                await place.publish(body)
            await asyncio.sleep(0.03)
        for body in hostile:
            await place.publish(body)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(flood())
        yield names
        ended = True


async def test_an_exchange_may_come_later_and_a_template_may_go(
    amqp_url: str, prefix: str, simulator: Simulated, folder: Path, log: Path
) -> None:
    """What is not there yet is said, and bound once it is there; an event that comes too early goes round."""
    async with _placed(amqp_url, prefix, simulator, folder) as place:
        place.write("a", f"{prefix}-tickets")
        place.write("b", f"{prefix}-late")
        with Working(log, roles="start,web", **place.settings) as worker:
            await worker.health(lambda seen: f"{prefix}-late" in str(seen["conditions"].get("templates")))
            await worker.ready()
            await place.publish("early", correlation_id="early")
            await place.here.hear("early", "job.created")
            place.exchange = await _declared(place.here, f"{prefix}-late")
            await worker.health(lambda seen: seen["conditions"]["templates"]["ok"])
            await place.publish("late", correlation_id="late")
            (created,) = await place.here.hear("late", "job.created")
            assert created.data["requestId"] == "b-late"
            assert created.data["metadata"] == {"mark": "first", "template": "b"}
            (folder / "b.yaml").unlink()
            await until(lambda: worker.said("templates.bound")[-1]["bindings"] == 1, worker.last_words)
            assert not await place.publish("nobody's")
            # As if another worker had a template for it already, and had bound it.
            queue = await place.here.channel.get_queue(f"{prefix}.templates", ensure=False)
            await queue.bind(place.exchange, "incident.created")
            await place.publish("soon", correlation_id="soon")
            await until(
                lambda: worker.metric('jobrelay_template_events_total{outcome="round"}'), "it goes round"
            )
            place.write("b", f"{prefix}-late")
            (created,) = await place.here.hear("soon", "job.created")
            assert created.data["requestId"] == "b-soon"


async def test_jobrelay_s_own_events_make_requests_once_and_no_more(
    amqp_url: str, prefix: str, simulator: Simulated, folder: Path, log: Path
) -> None:
    """A job that was asked for may start another; what that one tells of is left alone, as it would be."""
    async with _placed(amqp_url, prefix, simulator, folder) as place:
        place.put(
            {
                "name": "a",
                "bindings": [{"exchange": f"{prefix}.events"}],
                "when": "cloudEvent.type == 'jobrelay.job-created.v1'",
                "requestId": "data.job.key",
                "start": request(inputArguments={"IncidentId": "again"}),
            }
        )
        with Working(log, roles="start,web", **place.settings) as worker:
            await worker.ready()
            await until(lambda: worker.said("templates.bound"), worker.last_words)
            await place.here.send(json.dumps(request(requestId="asked")).encode())
            unmet = 'jobrelay_template_events_total{outcome="unmet"}'
            await until(lambda: worker.metric(unmet), worker.last_words)
            await place.here.until_waiting("templates", 0)
            assert worker.metric('jobrelay_template_requests_total{template="a"}') == 1
            assert len(_started(simulator)) == 2


async def test_a_worker_killed_before_the_ack_doubles_nothing(
    amqp_url: str, prefix: str, simulator: Simulated, folder: Path, tmp_path: Path
) -> None:
    """What the event makes again comes to a worker that knows of nothing: it looks the job up first."""
    async with _placed(amqp_url, prefix, simulator, folder) as place:
        place.write("a", f"{prefix}-tickets")
        bare = {name: value for name, value in place.settings.items() if name != "TEMPLATES_DIR"}
        with Working(tmp_path / "starts.log", roles="start,web", **bare) as starts:
            await starts.ready()
            program = ("-c", _DIES_BEFORE_THE_ACK)
            with Working(tmp_path / "dies.log", roles="start,web", program=program, **place.settings) as dies:
                await until(lambda: dies.said("templates.bound"), dies.last_words)
                await place.publish("1", correlation_id="killed")
                assert await dies.ended() != 0
            await place.here.hear("killed", "job.created")
            starts.terminate()
            await starts.ended()
        with Working(tmp_path / "worker.log", roles="start,web", **place.settings) as worker:
            await until(lambda: worker.said("request.settled"), worker.last_words)
            (line,) = worker.said("request.settled")
        assert (line["outcome"], line["adopted"]) == ("started", True)
        assert _started(simulator) == [f"{prefix}:a-1"]
        assert len({event.id for event in place.here.heard("killed", "job.created")}) == 1
        await place.here.until_waiting("templates", 0)
