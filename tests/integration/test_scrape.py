"""Two workers under load, scraped by Prometheus: nothing on the dashboard is empty, no alert in error."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import aio_pika
import orjson
import pytest
from dashboard import queries
from promtool import promtool
from scraped import Scraping, scraping
from simulated import Simulated
from station import Station, new_id, station
from tenant import CLASSIC, MODERN, SEED, UMLAUT, request
from working import Working, until

from worker.web.metrics import Metrics
from worker.web.metrics.families import Family

_SCOPE = "OR.Jobs OR.Execution OR.Folders OR.Robots OR.Machines OR.Queues"
_WITHIN_S = 40
_FAULTS = [
    {"operation": "Releases", "do": "status", "status": 503, "retryAfter": 0, "times": 2},
    {"operation": "StartJobs", "do": "commit-then-reset", "skip": 5, "times": 2},
    {"operation": "StartJobs", "do": "status", "status": 429, "retryAfter": 1, "skip": 30, "times": 1},
]
_ASKED = (
    request(),
    request(),
    request(folder={"path": UMLAUT}, process={"name": "Überprüfung"}),
    request(folder={"path": CLASSIC}),
    request(strategy="Specific", robots=["clerk-1"]),
    request(process={"name": "Faults"}, inputArguments=None),
    request(folder={"path": "Nowhere"}),
    request(machines=["office-template"]),
    request(jobsCount=0),
)


NOT_MET = {
    "jobrelay_duplicate_jobs": "two starts of one request: unit/pipeline/test_twins",
    "jobrelay_request_defects": "an error of ours: unit/pipeline/test_tallies",
    "jobrelay_job_defects": "an error of ours: unit/tracking/test_counted",
    "jobrelay_jobs_expired": "a job that is gone for minutes: unit/tracking/test_counted",
    "jobrelay_unknown_words": "a newer Orchestrator: orchestrator/test_job_rows",
    "jobrelay_broker_blocked": "an alarm of the broker's: integration/test_broker_faults",
    "jobrelay_consumers_renewed": "a broker that loses consumers: integration/test_links",
    "jobrelay_publishes_unconfirmed": "a connection that breaks: unit/edges/test_outbox",
    "jobrelay_replies_lost": "a reply_to that RabbitMQ does not bear: integration/test_refused_by_the_broker",
    "jobrelay_queue_messages": "a queue that nobody takes from: integration/test_depths",
    "jobrelay_ledger_shared": "a Redis: integration/test_shared_ledger",
    "jobrelay_ledger_from_memory": "a Redis that is away: integration/test_shared_ledger",
    "jobrelay_queue_items_expired": "an item that is gone for minutes: unit/tracking/test_item_look",
    "jobrelay_outage": "an outage: integration/test_outages",
    "jobrelay_templates_refused": "files that do not hold: integration/test_events_to_jobs",
    "jobrelay_poll_wait_seconds": "a budget that is used up: orchestrator/test_reports",
}
"""What needs an incident that would end the load, and who sees it told."""


def test_what_the_load_does_not_meet_is_seen_elsewhere() -> None:
    """By the tests that are named."""
    there = {path.stem for path in Path(__file__).parents[1].rglob("test_*.py")}
    assert {reason.rpartition("/")[2] for reason in NOT_MET.values()} <= there


@pytest.mark.requires("prometheus", "promtool")
async def test_every_query_of_the_dashboard_returns_data(
    amqp_url: str, prefix: str, simulator: Simulated, tmp_path: Path
) -> None:
    """And promtool finds nothing amiss in what the workers show, nor Prometheus in any alert."""
    simulator.seed(SEED)
    simulator.faults(_FAULTS)
    settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
    settings |= {"SCOPE": _SCOPE, "WEBHOOK_SECRET": "planted", "TEMPLATES_DIR": str(tmp_path / "templates")}
    _templates(tmp_path / "templates", prefix)
    async with station(amqp_url, prefix) as here:
        with (
            Working(tmp_path / "one.log", **settings) as one,
            Working(tmp_path / "two.log", **settings) as two,
        ):
            await asyncio.gather(one.ready(), two.ready())
            with scraping(tmp_path, [one.url[7:], two.url[7:]]) as prometheus:
                await until(lambda: prometheus.healthy(2), "both are scraped")
                _knock(one.url)
                await _begin_an_item(here, simulator)
                await _under_load(here, lambda: _all_shown(prometheus))
                assert {alert["health"] for alert in prometheus.alerts()} == {"ok"}
            assert promtool("check", "metrics", reads=_metrics(one.url)) == ""


async def _under_load(here: Station, done: Callable[[], Awaitable[None]]) -> None:
    """Requests of all kinds come, until it is *done*."""
    async with asyncio.TaskGroup() as tasks:
        load = tasks.create_task(_load(here))
        await done()
        load.cancel()


async def _begin_an_item(here: Station, simulator: Simulated) -> None:
    """A queue item is followed, and a robot has taken it."""
    await here.hear(await here.add("Invoices", track=True), "queue-item.added")
    (item,) = simulator.ledger()["items"]
    simulator.tell("PATCH", f"items/{item['id']}", {"Status": "InProgress"})


async def _load(here: Station) -> None:
    events = await here.channel.declare_exchange(f"{here.prefix}-app", auto_delete=True)
    for asked in cycle(_ASKED):
        await events.publish(aio_pika.Message(orjson.dumps({"id": new_id()})), "incident", mandatory=False)
        await here.ask(asked, timestamp=datetime.now(UTC))
        await asyncio.sleep(0.03)


async def _all_shown(prometheus: Scraping) -> None:
    """Every panel had data, and every metric was told of something: 0 is data, and says nothing of wiring."""
    empty = dict(queries(interval="5s", span="1m"))
    untold = {family.name: f"max({_a_series_of(family)})" for family in Metrics().families}
    for name in NOT_MET:
        del untold[name]

    def done() -> bool:
        for name in [name for name, query in empty.items() if prometheus.shown(query)]:
            del empty[name]
        for name in [name for name, query in untold.items() if max(prometheus.shown(query), default=0) > 0]:
            del untold[name]
        return not (empty or untold)

    while not await asyncio.to_thread(done):
        assert prometheus.began + _WITHIN_S > time.time(), f"no data: {empty}; told of nothing: {untold}"


def _templates(folder: Path, prefix: str) -> None:
    """One that makes requests of events, and one that can make nothing of them."""
    folder.mkdir()
    for name, expression in {"makes": "data.id", "fails": "data.nothing"}.items():
        template = {
            "name": name,
            "bindings": [{"exchange": f"{prefix}-app", "routingKeys": ["incident"]}],
            "requestId": expression,
            "start": {"process": {"name": "SupportTriage_QuickstartDemo"}, "folder": {"path": MODERN}},
        }
        (folder / f"{name}.json").write_bytes(orjson.dumps(template))


def _a_series_of(family: Family) -> str:
    return family.name + {"counter": "_total", "histogram": "_count", "gauge": ""}[family.kind]


def _knock(worker: str) -> None:
    """A notice that nobody has signed."""
    knock = urllib.request.Request(f"{worker}/webhooks/orchestrator", b"{}", method="POST")  # noqa: S310
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(knock, timeout=5)  # noqa: S310


def _metrics(worker: str) -> str:
    with urllib.request.urlopen(f"{worker}/metrics", timeout=5) as answer:  # noqa: S310
        return str(answer.read().decode())
