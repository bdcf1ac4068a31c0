"""A server that takes only so many starts a second: two workers share it, nobody is put off or doubled."""

from pathlib import Path

from simulated import Simulated
from station import station
from tenant import SEED, request
from working import Working

_RATE, _REQUESTS = 40, 160


async def test_two_workers_share_a_server_that_limits_starts(
    amqp_url: str, prefix: str, simulator: Simulated, tmp_path: Path
) -> None:
    """429s cut what each has on its way, all is started once and at the first attempt, by both of them."""
    simulator.seed({**SEED, "behaviour": {**SEED.get("behaviour", {}), "startsPerSecond": _RATE}})
    settings = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
    async with station(amqp_url, prefix) as here:
        with (
            Working(tmp_path / "one.log", "start,web", **settings) as one,
            Working(tmp_path / "two.log", "start,web", **settings) as two,
        ):
            await one.ready()
            await two.ready()
            names = [await here.ask(request()) for _ in range(_REQUESTS)]
            ends = await here.outcomes(names, within=60)
            throttled = [worker.metric("jobrelay_starts_throttled_total") for worker in (one, two)]
            limits = [worker.metric("jobrelay_start_limit") for worker in (one, two)]
            taken = [worker.metric("jobrelay_requests_total") for worker in (one, two)]
    ledger = simulator.ledger()
    told = {f"{prefix}:{name}": [created.data["job"]["id"]] for name, (created,) in ends.items()}
    assert {start["reference"]: start["jobIds"] for start in ledger["starts"]} == told
    assert len(ledger["starts"]) == _REQUESTS
    assert {created.data["attempt"] for (created,) in ends.values()} == {1}
    calls = ledger["calls"]["StartJobs"]
    assert sum(throttled) == calls - _REQUESTS
    assert max(limits) < 64
    assert min(taken) >= _REQUESTS // 5
    # The first burst fills both prefetches; from then on a 429 is rare.
    assert calls - _REQUESTS <= 2 * 64 + _REQUESTS // 4
