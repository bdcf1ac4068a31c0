"""Orchestrator's limit of lists: whatever three workers want of it, they cause no 429."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from fakes_of_trackers import Hints, Leases

from worker.domain.failures import Unavailable
from worker.domain.flight.steps import Patience
from worker.orchestrator.follow.reasons import Reasons
from worker.orchestrator.follow.scan import Scan
from worker.orchestrator.http.budget import Budget, Gate
from worker.orchestrator.lookup import JOBS, Lookup
from worker.orchestrator.wire import Call, Reply
from worker.pipeline.holding.pauses import Stopping
from worker.tracking.scan import Scanner
from worker.tracking.share import Sharing
from worker.tracking.slots import Slots

WORKERS, FOLDERS, INTERVAL, MINUTES = 3, 30, 10.0, 10
BASE = "http://orchestrator"


class Limited:
    """A tenant of Automation Cloud: 100 lists of jobs in any minute; the last ten say that 0 are left."""

    def __init__(self) -> None:
        self.minute: deque[float] = deque()
        self.made: Counter[str] = Counter()
        self.refused = 0
        self.most = 0

    async def get(
        self, call: Call, parse: Callable[[Any], Any], _folder: int | None = None, *, gate: Gate
    ) -> Any:
        """A list: empty, and each time counted."""
        await gate.enter(0)
        counted = call.operation != "RobotLogs"
        reply = self._answer(asyncio.get_running_loop().time()) if counted else Reply(200, {}, b"")
        await asyncio.sleep(0.05)
        gate.heard(reply)
        self.made[call.operation] += 1
        return parse({"@odata.count": 0, "value": []})

    def _answer(self, now: float) -> Reply:
        while self.minute and self.minute[0] <= now - 60:
            self.minute.popleft()
        left = 100 - len(self.minute)
        if not left:
            self.refused += 1
            return Reply(429, {"Retry-After": str(int(self.minute[0] + 61 - now))}, b"")
        self.minute.append(now)
        self.most = max(self.most, len(self.minute))
        return Reply(200, {"X-RateLimit-Remaining": str(left - 1 if left > 10 else 0)}, b"")


class Verbs:
    """One worker's lists: scans, look-ups, logs; at its own pace, as the client has them."""

    def __init__(self, tenant: Any) -> None:
        budget = Budget(60)
        self.lookup = Lookup(tenant, BASE, budget, lambda _: None, JOBS)
        self.reasons = Reasons(tenant, BASE, budget)
        self.changes = Scan(tenant, BASE, budget).changes

    def cursor(self, _word: str) -> None:
        """Each begins its scans anew."""


async def _wants(calls_a_minute: float, call: Callable[[int], Any], stopping: Stopping) -> None:
    """Calls so often, whether the one before is answered or not."""
    async with asyncio.TaskGroup() as tasks:
        for number in count():
            if stopping:
                return
            tasks.create_task(_unless_unavailable(call(number)))
            await stopping.pause(60 / calls_a_minute)


async def _unless_unavailable(call: Any) -> None:
    with suppress(Unavailable):
        await call


@pytest.mark.parametrize(
    ("look_ups", "scans", "logs"), [(10.0, 38, 10), (60.0, 0, 0)], ids=["as they come", "too many look-ups"]
)
async def test_three_workers_that_scan_look_up_and_read_logs_cause_no_429_in_ten_minutes(
    look_ups: float, scans: int, logs: int
) -> None:
    """However much they want: look-ups go first, logs last; and as jobs can be read by id, scans can wait."""
    tenant, stopping = Limited(), Stopping()
    taken: dict[str, Leases] = {}
    hints = [Hints() for _ in range(WORKERS)]
    async with asyncio.TaskGroup() as tasks:
        for number in range(WORKERS):
            hints[number].others = [one for one in hints if one is not hints[number]]
            tasks.create_task(_works(Verbs(tenant), hints[number], Leases(taken), look_ups, stopping))
        await asyncio.sleep(60 * MINUTES)
        stopping.begin()
    assert tenant.refused == 0
    assert tenant.most <= 100
    assert tenant.made["JobsScan"] >= scans * MINUTES
    assert tenant.made["JobsList"] >= min(look_ups * WORKERS, 55) * MINUTES * 0.9
    assert tenant.made["RobotLogs"] >= logs * MINUTES


async def _works(verbs: Any, hints: Hints, leases: Leases, look_ups: float, stopping: Stopping) -> None:
    """A worker whose jobs are in all folders, where requests are looked up and jobs fail."""
    slots = Slots(Patience(), 0.0)
    slots.folders.update(dict.fromkeys(range(FOLDERS), 1000))
    sharing = Sharing(hints, leases, slots, str(id(verbs)), INTERVAL)
    scanner = Scanner(verbs, sharing, leases, INTERVAL, 60)

    def finds(number: int) -> Any:
        return verbs.lookup.find(number % FOLDERS, f"jobrelay:{number}", "P", None)

    def reads_logs(number: int) -> Any:
        return verbs.reasons.error_lines(number % FOLDERS, str(UUID(int=number)))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scanner.run(stopping))
        tasks.create_task(sharing.run(stopping, lambda _: None))
        tasks.create_task(_wants(look_ups, finds, stopping))
        tasks.create_task(_wants(60, reads_logs, stopping))
