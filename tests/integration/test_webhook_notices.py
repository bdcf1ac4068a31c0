"""From a change in Orchestrator to the job that is looked at: the simulator's own notices."""

from pathlib import Path

import pytest
from notified import OLDER, SECRET, Hook, hooked
from simulated import Simulated
from station import station
from tenant import CLIENT_ID, CLIENT_SECRET, MODERN, SEED, key_of, request
from working import Working, until

from worker.cli.output import Output
from worker.cli.webhook.subscribe import Order, subscribe
from worker.domain.requests import FolderRef
from worker.domain.webhooks import PATH
from worker.orchestrator.client import Client
from worker.settings import Settings


def _settings(simulator: Simulated, secret: str) -> Settings:
    return Settings.model_validate(
        {
            "amqp_url": "amqp://nowhere/",
            "orchestrator_url": simulator.onprem,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "webhook_secret": secret,
        }
    )


async def _start(settings: Settings) -> str:
    """Starts a job and returns its key."""
    async with Client(settings) as client:
        folder = await client.folder(FolderRef(path=MODERN))
        info = {"ReleaseKey": key_of(f"{MODERN}/Typed"), "Strategy": "ModernJobsCount", "JobsCount": 1}
        (job,) = await client.start(folder, {**info, "InputArguments": '{"Text":"a"}'})
        return job.key.lower()


async def _heard_of(hook: Hook, settings: Settings) -> None:
    """Each change of a job is heard of: that it is there, that it runs, and that it is over."""
    key = await _start(settings)
    await until(lambda: hook.looked.count(key) >= 3, lambda: f"three of {key}: {hook.looked} {hook.counted}")
    assert hook.counted.keys() == {"taken"}


@pytest.mark.usefixtures("capsys")
async def test_what_orchestrator_tells_reaches_those_who_look(simulator: Simulated) -> None:
    """Signed by it with the secret that `jobrelay webhook register` gave it; then with a new one."""
    simulator.seed(SEED)
    async with hooked(SECRET, OLDER) as hook:
        for secret in (OLDER, SECRET):
            settings = _settings(simulator, secret)
            await subscribe(settings, Output(True), Order(hook.url, None, insecure_ssl=False))
            await _heard_of(hook, settings)
    (delivered,) = simulator.tell("GET", "webhooks")
    assert (delivered["failed"], delivered["skipped"], delivered["open"]) == (0, 0, False)


@pytest.mark.usefixtures("capsys")
async def test_a_jobs_end_is_told_long_before_anybody_polls(
    amqp_url: str, prefix: str, simulator: Simulated, tmp_path: Path
) -> None:
    """A worker that looks every two minutes announces it within seconds, by the simulator's notice alone."""
    slow = {**SEED["behaviour"]["jobs"], "pendingSeconds": 1, "runningSeconds": 0.3}
    simulator.seed({**SEED, "behaviour": {**SEED["behaviour"], "jobs": slow}})
    place = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
    log = tmp_path / "worker.log"
    with Working(log, **place, POLL_INTERVAL_S=120, WEBHOOK_SECRET=SECRET) as worker:
        await worker.ready()
        order = Order(worker.url + PATH, None, insecure_ssl=False)
        await subscribe(_settings(simulator, SECRET), Output(True), order)
        async with station(amqp_url, prefix, new=False) as here:
            (end,) = await here.hear(await here.ask(request()), "job.state.successful", within=20)
            assert end.data["output"] is not None
        assert worker.metric("jobrelay_webhook_notices_total") >= 3
    assert SECRET not in log.read_text()
