"""An outage: a run of failures begins it, one GET at a time asks for its end, one request goes first."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from fakes import NOW, Clock

from worker.domain.failures import Answer, Code, Failure, Later, OutcomeUnknown, Rejected, Unavailable
from worker.pipeline.holding.outage import Outage
from worker.pipeline.holding.pauses import Stopping

AWAY = Unavailable(Later.UNREACHABLE, "away", outage=True)
FAILING = Unavailable(Later.FAILING, "503", outage=True)
LOST = OutcomeUnknown("lost")


class Away:
    """An outage, and an Orchestrator that answers no probe until it is `back`."""

    def __init__(self) -> None:
        self.stopping = Stopping()
        self.reports: list[bool] = []
        self.outage = Outage(self.stopping, self.reports.append, Clock())
        self.probes: list[float] = []
        self.answer: Failure | None = AWAY
        self.at_once = self.most_at_once = 0

    async def probe(self) -> None:
        """The GET."""
        self.probes.append(_now())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(2)
        self.at_once -= 1
        if self.answer is not None:
            raise self.answer

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[asyncio.TaskGroup]:
        """With the probing under way; gives tasks that are awaited."""
        async with asyncio.TaskGroup() as around:
            watch = around.create_task(self.outage.watch(self.probe))
            async with asyncio.TaskGroup() as tasks:
                yield tasks
            watch.cancel()

    async def pass_through(self, do: Callable[[], object], until: float = math.inf) -> None:
        """A request that needs Orchestrator."""
        async with self.outage.passage(_always, until):
            do()
            await asyncio.sleep(0.1)


def _always() -> bool:
    return True


def _now() -> float:
    return asyncio.get_running_loop().time()


async def test_everybody_passes_while_orchestrator_answers() -> None:
    """Side by side, without a wait; and single failures between what works change nothing."""
    away = Away()
    for _ in range(20):
        assert not away.outage.failed(FAILING)
        away.outage.lost(LOST)
        async with away.outage.passage(_always), away.outage.passage(_always):
            assert _now() == 0
        away.outage.worked()
    assert away.reports == []


async def test_a_run_of_lost_answers_is_an_outage() -> None:
    """A POST that may have happened is a failure of Orchestrator as well."""
    away = Away()
    for _ in range(3):
        away.outage.lost(LOST)
    assert away.outage
    assert away.reports == [True]


async def test_an_outage_is_asked_about_by_one_get_at_growing_distances() -> None:
    """Whatever the prefetch: nobody else calls. It never spins, and never rests longer than half a minute."""
    away, entered = Away(), list[float]()
    away.outage.failed(AWAY)
    async with away.watched() as tasks:
        for _ in range(64):
            tasks.create_task(away.pass_through(lambda: entered.append(_now())))
        await asyncio.sleep(600)
        assert entered == []
        away.stopping.begin()
    gaps = [after - before for before, after in zip([-2.0, *away.probes], away.probes, strict=False)]
    assert away.most_at_once == 1
    assert 20 <= len(gaps) <= 50
    assert gaps[0] <= 2.5
    assert all(2.25 <= gap <= 32.01 for gap in gaps)
    assert min(gaps[8:]) >= 17
    assert len({round(gap, 3) for gap in gaps[8:]}) > len(gaps[8:]) // 2, "they are spread by chance"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        Rejected(Code.ORCHESTRATOR_REFUSED, "no", answer=Answer(403)),
        Unavailable(Later.THROTTLED, "slow", answer=Answer(429)),
    ],
    ids=["folders", "a refusal", "a 429"],
)
async def test_once_the_get_is_answered_one_goes_first_and_then_all(answer: Failure | None) -> None:
    """The others follow when it has worked, all at one moment."""
    away, entered, first = Away(), list[float](), asyncio.Event()
    away.answer = answer
    away.outage.failed(AWAY)

    def enter() -> None:
        entered.append(_now())
        first.set()

    async with away.watched() as tasks:
        for _ in range(20):
            tasks.create_task(away.pass_through(enter))
        await first.wait()
        await asyncio.sleep(0.05)
        assert len(entered) == 1
        assert away.outage
        away.outage.worked()
    assert len(set(entered)) == 2
    assert (len(away.probes), away.reports) == (1, [True, False])


async def test_where_reads_work_and_starts_do_not_one_at_a_time_tries_at_growing_distances() -> None:
    """An answered GET alone does not shorten the pauses."""
    away, entered = Away(), list[float]()
    away.answer = None
    away.outage.failed(AWAY)

    def fail() -> None:
        entered.append(_now())
        away.outage.lost(LOST)

    async with away.watched() as tasks:
        for _ in range(12):
            tasks.create_task(away.pass_through(fail))
    gaps = [after - before for before, after in pairwise(entered)]
    assert len(away.probes) == 12
    assert min(gaps[7:]) >= 15
    assert len(set(entered)) == 12


async def test_who_goes_first_and_says_nothing_is_followed_by_the_next() -> None:
    """One that needed no Orchestrator after all; with the last of them it is over."""
    away, entered = Away(), list[float]()
    away.answer = None
    away.outage.failed(AWAY)
    async with away.watched() as tasks:
        for _ in range(3):
            tasks.create_task(away.pass_through(lambda: entered.append(_now())))
    assert [round(after - entered[0], 3) for after in entered] == [0, 0.1, 0.2]
    assert away.reports == [True, False]


async def test_it_ends_by_itself_where_nobody_waits() -> None:
    """The probe is enough; the next outage begins with a short pause again."""
    away = Away()
    away.outage.failed(AWAY)
    async with away.watched():
        await asyncio.sleep(200)
        away.answer = None
        await asyncio.sleep(40)
        assert not away.outage
        away.outage.failed(AWAY)
        began, before = _now(), len(away.probes)
        await asyncio.sleep(1)
        assert away.probes[before] - began <= 0.5


async def test_a_call_that_was_under_way_and_works_ends_it_at_once() -> None:
    """Whoever finds out."""
    away, entered = Away(), list[float]()
    away.outage.failed(AWAY)
    async with away.watched() as tasks:
        tasks.create_task(away.pass_through(lambda: entered.append(_now())))
        await asyncio.sleep(100)
        away.outage.worked()
    assert entered == [100]


async def test_a_stop_lets_nobody_wait() -> None:
    """Each is told that it must stop."""
    away, entered = Away(), list[float]()
    away.outage.failed(AWAY)
    async with away.watched() as tasks:
        for _ in range(20):
            tasks.create_task(away.pass_through(lambda: entered.append(_now())))
        await asyncio.sleep(100)
        away.stopping.begin()
    assert len(entered) == 20
    assert max(entered) <= 100 + 2


async def test_who_is_no_longer_wanted_or_out_of_time_is_let_go() -> None:
    """To be given back, or told that it has expired; while the others wait on."""
    away, entered = Away(), list[float]()
    away.outage.failed(AWAY)
    async with away.watched() as tasks:
        tasks.create_task(away.pass_through(lambda: entered.append(_now()), NOW + 42))
        others = tasks.create_task(away.pass_through(lambda: entered.append(_now())))
        async with away.outage.passage(lambda: False):
            assert _now() == 0
        await asyncio.sleep(100)
        assert entered == [pytest.approx(42)]
        assert not others.done()
        away.outage.worked()


async def test_who_fails_in_the_passage_blocks_nobody() -> None:
    """It is left open for the next."""
    away = Away()
    away.answer = None
    away.outage.failed(AWAY)
    async with away.watched() as tasks:
        tasks.create_task(away.pass_through(lambda: None))
        with pytest.raises(ZeroDivisionError):
            async with away.outage.passage(_always):
                raise ZeroDivisionError


async def test_after_a_failure_that_is_no_outage_there_is_a_moment_of_rest() -> None:
    """A second failure at the same instant would tell nothing new."""
    away = Away()
    away.outage.failed(FAILING)
    await away.outage.rest()
    assert 0.25 <= _now() <= 0.5
