"""A short run of chaos: two workers killed three times, a dead broker, faults everywhere."""

from pathlib import Path

import pytest

from chaos.faults import broker, workers
from chaos.plan import Phase, Plan, at
from chaos.run import run
from simulator.rabbitmq.node import installed_server

pytestmark = pytest.mark.skipif(installed_server() is None, reason="RabbitMQ is not installed")
_PHASES = (
    Phase("steps", 0.5, (at("after commit"), at("after event"), workers.kill), (0.1, 0.3)),
    Phase("broker", 0.5, (broker.kill,), (0.1, 0.3)),
)


async def test_nothing_is_lost_or_doubled_whatever_fails(tmp_path: Path) -> None:
    """Every request that the broker took has one start that is told of, or a refusal that is true."""
    results = await run(Plan("short", 150, 3.0, 60.0, workers=2, phases=_PHASES), tmp_path, lambda _: None)
    assert results.good, results.document()
