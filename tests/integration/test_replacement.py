"""Rolling replacement under load: nothing is lost or doubled, and a polite stop costs nobody a window."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from simulated import Simulated
from station import Station, station
from tenant import SEED, request
from working import Working, until

WORKERS, IN_HAND = 3, 8


async def _asked(here: Station, count: int) -> list[str]:
    return [await here.ask(request()) for _ in range(count)]


async def test_workers_are_replaced_one_by_one_under_load(
    amqp_url: str, prefix: str, simulator: Simulated, tmp_path: Path
) -> None:
    """What a stopping worker has not sent another one has soon: a new message, with no window to wait."""
    # Taken slowly, so that each worker has some in hand that it has not sent when it is told to stop.
    simulator.seed({**SEED, "behaviour": {**SEED.get("behaviour", {}), "startsPerSecond": 20}})
    place: dict[str, Any] = {"AMQP_URL": amqp_url, "PREFIX": prefix, "ORCHESTRATOR_URL": simulator.onprem}
    place |= {"CONCURRENCY": IN_HAND, "HTTP_TIMEOUT_S": 4, "GRACE_S": 14}
    async with station(amqp_url, prefix) as here:
        with ExitStack() as stack:
            workers = [
                stack.enter_context(Working(tmp_path / f"{number}.log", **place)) for number in range(WORKERS)
            ]
            for worker in workers:
                await worker.ready()
            names = []
            for number, old in enumerate(workers.copy(), WORKERS):
                names += await _asked(here, 40)
                few = len(names) // 3
                await until(lambda few=few: len(simulator.ledger()["starts"]) > few, "they are at work")  # type: ignore[misc]
                new = stack.enter_context(Working(tmp_path / f"{number}.log", **place))
                workers.append(new)
                old.terminate()
                assert await old.ended() == 0
                await new.ready()
            created = [event for name in names for event in await here.hear(name, "job.created")]
        settled = [line for worker in workers for line in worker.said("request.settled")]
    assert len(created) == len(names)
    assert sorted(start["reference"] for start in simulator.ledger()["starts"]) == sorted(
        f"{prefix}:{name}" for name in names
    )
    handed_over = {line["request_id"] for line in settled if line["outcome"] == "returned"}
    waits = {line["request_id"] for line in settled if line["code"] == "outcome_unknown"}
    assert handed_over, "nobody was stopped in the middle of anything"
    assert handed_over & waits == set()
