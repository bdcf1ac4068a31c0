"""A small fleet: two trackers, one killed with what it holds; and no job's end is lost."""

from pathlib import Path

from chaos.stage import Ground
from simulated import Simulated

from fleet.plan import Plan
from fleet.run import run


async def test_a_killed_tracker_loses_no_state_and_repeats_only_what_it_held(
    amqp_url: str, prefix: str, simulator: Simulated, tmp_path: Path
) -> None:
    """Every job's states are told in order, within the limits of Orchestrator."""
    plan = Plan(
        jobs=300,
        rate=100,
        trackers=2,
        folders=2,
        batch=100,
        poll_s=0.5,
        faulted=0.1,
        budget=1000,
        patience_s=30,
    )
    results = await run(plan, Ground(amqp_url, simulator, prefix), tmp_path)
    assert results.good, results.document()
    assert results.figures["jobs"] == plan.jobs
