"""A short run of chaos: two workers killed three times, a dead broker, faults everywhere."""

from pathlib import Path

import pytest
from simulated import Simulated

from chaos.faults import broker, orchestrator, redis, workers
from chaos.ledger.verdict import Kind
from chaos.plan import Phase, Plan, at
from chaos.run import run
from chaos.stage import Ground, own_ground
from simulator.rabbitmq.node import installed_server
from simulator.world.faults import KINDS

_CARELESS = ("-m", "tests.chaos.careless")
_STARTS, _ADDITIONS = 3, 1
_PHASES = (
    Phase("steps", 0.5, (at("after commit"), workers.kill, redis.kill), (0.0, 0.1), least=3),
    Phase("broker", 0.5, (at("after event"), broker.kill), (0.0, 0.1), least=2),
)


@pytest.mark.skipif(installed_server() is None, reason="RabbitMQ is not installed")
async def test_nothing_is_lost_or_doubled_whatever_fails(tmp_path: Path) -> None:
    """Every request that the broker took has one start that is told of, or a refusal that is true."""
    plan = Plan("short", 100, 1.5, 60.0, workers=2, most=150, phases=_PHASES)
    async with own_ground() as ground:
        results = await run(plan, ground, tmp_path)
    assert results.good, results.document()
    assert (results.done("worker kills"), results.done("broker kills")) == (3, 1)


async def test_a_worker_that_does_not_look_is_found_out(
    amqp_url: str, prefix: str, simulator: Simulated, tmp_path: Path
) -> None:
    """The same course with a broken product: the verdict says that requests were doubled."""
    lost = {"do": "commit-then-reset"}
    starts = {**lost, "operation": "StartJobs", "times": _STARTS}
    # This queue takes a Reference twice.
    additions = {**lost, "operation": "AddQueueItem", "times": _ADDITIONS, "reference": '"Plain-0"'}
    phases = (Phase("lost answers", 1.0, faulty=0.0, rules=(starts, additions)),)
    plan = Plan("careless", 20, 0.3, 20.0, workers=1, duplicates=0.0, items=0.5, phases=phases)
    results = await run(plan, Ground(amqp_url, simulator, prefix), tmp_path, program=_CARELESS)
    assert not results.good
    assert results.total(Kind.DOUBLED) == _STARTS + _ADDITIONS


def test_every_fault_of_the_simulator_is_used() -> None:
    """Whatever the simulator learns to do wrong, chaos does."""
    assert orchestrator.kinds() == set(KINDS)
