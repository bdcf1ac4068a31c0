"""What the worker says of itself over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import aiohttp
import pytest

from worker.settings import SettingsError
from worker.web.health import OPTIONAL, REQUIRED, Health
from worker.web.metrics import Metrics
from worker.web.server import Pulse, serve
from worker.web.webhook import Webhook

CLOSED = Webhook((), print, print)


class Worker:
    """A served health and metrics, and a client that reads them."""

    def __init__(self, health: Health, metrics: Metrics, client: aiohttp.ClientSession) -> None:
        self.health, self.metrics, self.client = health, metrics, client


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """One served worker on a free port."""
    health, metrics = Health(), Metrics()
    async with (
        serve(0, health, metrics, CLOSED) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        yield Worker(health, metrics, client)


def all_ok(health: Health) -> None:
    """Makes every condition hold."""
    for name in REQUIRED + OPTIONAL:
        health.set(name, True, None)


async def test_a_worker_is_not_ready_before_every_required_condition_holds(worker: Worker) -> None:
    """Readiness names each condition that is missing."""
    async with worker.client.get("/readyz") as answer:
        document = await answer.json()
        assert answer.status == 503
    assert document["ready"] is False
    assert set(document["conditions"]) == {*REQUIRED, *OPTIONAL}
    assert document["conditions"]["token"] == {
        "ok": False,
        "required": True,
        "reason": "not known yet",
        "since": document["conditions"]["token"]["since"],
    }


async def test_a_ready_worker_says_200(worker: Worker) -> None:
    """All conditions hold, and none has a reason left."""
    all_ok(worker.health)
    async with worker.client.get("/readyz") as answer:
        document = await answer.json()
        assert answer.status == 200
    assert document["ready"] is True
    assert all(condition["reason"] is None for condition in document["conditions"].values())


@pytest.mark.parametrize(("name", "ready"), [*((n, False) for n in REQUIRED), *((n, True) for n in OPTIONAL)])
def test_only_a_required_condition_decides(name: str, ready: bool) -> None:
    """An outage of Orchestrator or of the ledger is told, and does not take the worker out."""
    health = Health()
    all_ok(health)
    health.set(name, False, "wrong credentials")
    assert health.ready is ready
    assert health.document()["conditions"][name]["reason"] == "wrong credentials"


def test_since_changes_with_ok_and_not_with_the_reason() -> None:
    """A condition that fails for another reason has still been failing since then."""
    now = [0.0]
    health = Health(clock=lambda: now[0])
    for now[0], ok, reason, since in [
        (10.0, True, None, "1970-01-01T00:00:10.000Z"),
        (20.0, True, None, "1970-01-01T00:00:10.000Z"),
        (30.0, False, "refused", "1970-01-01T00:00:30.000Z"),
        (40.0, False, "no route", "1970-01-01T00:00:30.000Z"),
        (50.0, True, None, "1970-01-01T00:00:50.000Z"),
    ]:
        health.set("token", ok, reason)
        condition = health.document()["conditions"]["token"]
        assert (condition["since"], condition["reason"]) == (since, reason)


def test_conditions_that_a_role_does_not_need_are_left_out() -> None:
    """A worker without the HTTP client's work is ready without a token."""
    health = Health(without=["token"])
    for name in ("broker-consume", "broker-publish", "topology"):
        health.set(name, True, None)
    health.set("token", False, "nobody asks")
    assert health.ready
    assert "token" not in health.document()["conditions"]


async def test_a_worker_lives_until_its_watchdog_gives_up(worker: Worker) -> None:
    """Not being ready is no reason for a restart; being stuck is."""
    async with worker.client.get("/livez") as answer:
        assert (answer.status, await answer.json()) == (200, {"live": True, "reason": None})
    worker.health.give_up("no delivery for 300 s although the queue has messages")
    async with worker.client.get("/livez") as answer:
        assert answer.status == 503
        assert "300 s" in (await answer.json())["reason"]


async def test_a_worker_whose_loop_lags_is_not_alive(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """By more than thirty seconds: then it does nothing else in time either."""
    for lag, status in ((29.0, 200), (31.0, 503)):
        monkeypatch.setattr(Pulse, "lag", lag)
        async with worker.client.get("/livez") as answer:
            assert answer.status == status
            assert ("31 s" in str(await answer.json())) is (status == 503)


class LateLoop:
    """A loop whose timers run when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[object] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., object]) -> asyncio.TimerHandle:
        return asyncio.TimerHandle(when, callback, (), asyncio.get_running_loop())


async def test_a_loop_that_is_late_is_noticed_before_and_after_its_beat() -> None:
    """The lag counts while the timer is still overdue, and is remembered until the next one."""
    loop, told = LateLoop(), list[float]()
    pulse = Pulse(cast("asyncio.AbstractEventLoop", loop), told.append)
    assert pulse.lag == 0
    loop.now = 33.0
    assert pulse.lag == 32
    pulse._beat()
    assert pulse.lag == 32
    loop.now = 34.0
    pulse._beat()
    assert pulse.lag == 0
    assert told == [32, 0]
    pulse.stop()


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/readyz", 405)])
async def test_what_is_not_served_names_what_is(worker: Worker, method: str, path: str, status: int) -> None:
    """A wrong path or method is answered in JSON with the right ones."""
    async with worker.client.request(method, path) as answer:
        assert answer.status == status
        assert ("GET" in answer.headers.get("Allow", "")) is (status == 405)
        assert "/readyz" in (await answer.json())["remedy"]


async def test_a_taken_port_is_one_clear_line() -> None:
    """The setting to change is named."""
    async with serve(0, Health(), Metrics(), CLOSED) as port:
        with pytest.raises(
            SettingsError, match=rf"JOBRELAY_HTTP_PORT: cannot listen on port {port}: .*0 picks one"
        ):
            async with serve(port, Health(), Metrics(), CLOSED):
                pass


def _told_of_much(metrics: Metrics) -> None:
    jobs, client = metrics.jobs, metrics.orchestrator
    metrics.requests.settled("started", "", 0.02)
    metrics.requests.created(0.3)
    metrics.requests.taken("attempt-1")
    jobs.told("Faulted", 4.0)
    client.call("StartJobs", "201", 0.2)
    client.lookup("found")
    client.read("folders", "hit")
    client.budget(60, lambda: 2.0, lambda: 0.5)
    metrics.pressure.outage(on=True)
    metrics.broker.connected("broker-publish")
    metrics.broker.blocked("broker-publish", on=True)
    metrics.broker.published("events", None, 0.002)
    metrics.broker.published("dead", "refused", 0.002)
    metrics.process.notice("taken")


async def test_metrics_are_served_for_prometheus(worker: Worker) -> None:
    """Whatever its parts are told is in the exposition, and what is read when it is asked for."""
    _told_of_much(worker.metrics)
    worker.health.set("token", True, None)
    async with worker.client.get("/metrics") as answer:
        text = await answer.text()
    assert answer.content_type == "text/plain"
    for line in (
        'jobrelay_requests_total{code="",outcome="started"} 1.0',
        "jobrelay_request_seconds_count 1.0",
        'jobrelay_start_delay_seconds_bucket{le="0.5"} 1.0',
        "jobrelay_requests_in_hand 1.0",
        'jobrelay_job_states_total{state="Faulted"} 1.0',
        "jobrelay_job_end_lag_seconds_sum 4.0",
        'jobrelay_orchestrator_call_seconds_bucket{le="0.25",operation="StartJobs",outcome="201"} 1.0',
        'jobrelay_lookups_total{result="found"} 1.0',
        'jobrelay_cache_reads_total{cache="folders",result="hit"} 1.0',
        "jobrelay_poll_slowness 2.0",
        "jobrelay_poll_wait_seconds 0.5",
        "jobrelay_outage 1.0",
        'jobrelay_broker_connections_total{link="broker-publish"} 1.0',
        'jobrelay_broker_blocked{link="broker-publish"} 1.0',
        'jobrelay_publish_seconds_count{to="events"} 1.0',
        'jobrelay_publishes_unconfirmed_total{to="dead",why="refused"} 1.0',
        'jobrelay_webhook_notices_total{outcome="taken"} 1.0',
        'jobrelay_condition{condition="token"} 1.0',
        'jobrelay_condition{condition="topology"} 0.0',
        "jobrelay_ready 0.0",
    ):
        assert line in text


@pytest.mark.parametrize("version", ["x", "1.x", "-", "1.0.0.\udcff", "1.0.0.\xb2"], ids=ascii)
@pytest.mark.parametrize("form", ["application/openmetrics-text", "text/plain"])
async def test_metrics_are_plain_text_for_who_accepts_what_nobody_knows(
    worker: Worker, form: str, version: str
) -> None:
    """A version that is no number, or no text at all, is no fault of ours."""
    port = worker.client._base_url.port if worker.client._base_url else None
    request = (
        f"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAccept: {form};version={version}\r\n\r\n"
    )
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request.encode(errors="surrogateescape"))
        head = (await reader.read()).partition(b"\r\n\r\n")[0]
        writer.close()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Type: text/plain; version=0.0.4;" in head
