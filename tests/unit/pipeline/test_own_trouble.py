"""One request's own trouble ends with that request: it is no outage of everybody, nor held for ever."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fakes import Delivery
from shop import REQUEST, Shop

from worker.domain.failures import Answer, Later, Unavailable
from worker.domain.messages import ATTEMPT
from worker.pipeline.holding.blame import Fared

AWAY = Unavailable(Later.UNREACHABLE, "away", outage=True)
PAGE = Unavailable(Later.UNREACHABLE, "a page", outage=True, answer=Answer(404))
LOST = Unavailable(Later.UNREACHABLE, "no answer in time", outage=True, sent=True)
FAILING = Unavailable(Later.FAILING, "503", outage=True)
REFUSED = Unavailable(Later.CREDENTIALS_REFUSED, "401", outage=True)
OWN = [
    pytest.param(PAGE, 0.1, id="a page"),
    pytest.param(LOST, 30, id="no answer in time"),
    pytest.param(FAILING, 5, id="503"),
    pytest.param(REFUSED, 0.1, id="401"),
]


def _now() -> float:
    return asyncio.get_running_loop().time()


class Odd(Shop):
    """A worker whose tenant fails each StartJobs of a request `odd-…`, after *slow* seconds."""

    def __init__(self, failure: Unavailable, slow: float, **more: Any) -> None:
        super().__init__(**more)
        start = self.tenant.start

        async def fails(folder: Any, start_info: Any, **options: Any) -> Any:
            if ":odd-" not in start_info["Reference"]:
                return await start(folder, start_info, **options)
            await asyncio.sleep(slow)
            raise failure

        self.tenant.start = fails  # type: ignore[method-assign]

    def named(self, name: str, count: int) -> list[Delivery]:
        """Deliveries of *count* requests."""
        return [self.delivery(REQUEST | {"requestId": f"{name}-{n}"}) for n in range(count)]

    async def seconds_for(self, delivery: Delivery) -> float:
        """How long one delivery is in hand."""
        began = _now()
        await self.consumer.handle(delivery)
        return _now() - began

    async def handle_in_turns(self, deliveries: Iterable[Delivery], prefetch: int) -> list[float]:
        """Handles deliveries, so many at once; when the end of each was."""
        room = asyncio.Semaphore(prefetch)

        async def one(delivery: Delivery) -> float:
            async with room:
                await self.consumer.handle(delivery)
                return _now()

        return await asyncio.gather(*map(one, deliveries))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """With the probing under way."""
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self.outage.watch(self.tenant.probe))
            yield
            watch.cancel()


@pytest.mark.parametrize(("failure", "slow"), OWN)
async def test_one_request_s_own_trouble_is_put_off_and_counted(failure: Unavailable, slow: float) -> None:
    """With its reason; and good ones, one every five seconds, hardly notice in ten minutes."""
    shop = Odd(failure, slow)
    async with shop.watched(), asyncio.TaskGroup() as tasks:
        odd = tasks.create_task(shop.seconds_for(*shop.named("odd", 1)))
        waits = []
        for delivery in shop.named("good", 120):
            waits.append(tasks.create_task(shop.seconds_for(delivery)))
            await asyncio.sleep(5)
    assert odd.result() <= 4 * (slow + 1)
    (event,) = [event for event in shop.outbox.events if event.routing_key == "request.deferred"]
    assert (event.data["code"], event.data["attempt"]) == (failure.code, 1)
    assert shop.outages.count(True) <= 1
    assert max(wait.result() for wait in waits) <= 5
    assert shop.posts == 120


@pytest.mark.parametrize(("failure", "slow"), OWN)
async def test_a_prefetch_full_of_own_trouble_is_emptied(failure: Unavailable, slow: float) -> None:
    """Each is put off, once; and good ones behind them are all started, in a minute or two."""
    shop = Odd(failure, slow)
    async with shop.watched():
        good = shop.named("good", 60)
        ends = await shop.handle_in_turns([*shop.named("odd", 16), *good], prefetch=16)
    assert sorted(shop.outbox.keys()) == ["job.created"] * 60 + ["request.deferred"] * 16
    assert max(ends[16:]) <= 60 + 4 * slow
    assert max(ends) <= 16 * (30 + slow)
    assert shop.outages.count(True) <= 3


async def test_own_trouble_alone_in_a_worker_is_put_off_too() -> None:
    """Nobody works meanwhile but the GET. All of a prefetch is tried, one at a time at growing distances."""
    shop = Odd(PAGE, 0.1)
    async with shop.watched():
        await shop.handle_in_turns(shop.named("odd", 8), prefetch=8)
    assert shop.outbox.keys() == ["request.deferred"] * 8
    assert 45 <= _now() <= 95
    assert shop.outages == [True]


async def test_who_has_not_failed_yet_goes_first_each_second_time() -> None:
    """However many wait that have: one good request is enough, and none waits for ever for its turn."""
    shop, went = Shop(), list[str]()
    shop.outage.failed(AWAY)

    async def one(name: str, failures: int) -> None:
        async with shop.outage.passage(lambda: True, fared=Fared(failures)):
            went.append(name)
            shop.outage.failed(AWAY)

    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(shop.outage.watch(shop.tenant.probe))
        async with asyncio.TaskGroup() as held:
            for name, failures in [*[("old", 1)] * 6, *[("new", 0)] * 3]:
                held.create_task(one(name, failures))
        watch.cancel()
    assert went == ["new", "old"] * 3 + ["old"] * 3


async def test_own_trouble_comes_to_an_end() -> None:
    """A rejection that lists what stood in the way each time."""
    shop = Odd(PAGE, 0.1, max_attempts=3)
    (delivery,) = shop.named("odd", 1)
    assert await shop.handle_all_rounds(delivery) == 4
    assert shop.codes == ["attempts_exhausted"]


@pytest.mark.parametrize("failure", [AWAY, LOST, FAILING, REFUSED], ids=["away", "lost", "503", "401"])
async def test_an_outage_that_comes_back_counts_no_attempt(failure: Unavailable) -> None:
    """An hour away, with one call that works between; everybody is started at last, at the first attempt."""
    shop = Shop(max_attempts=1)
    deliveries = [shop.delivery(REQUEST | {"requestId": f"r-{n}"}) for n in range(20)]
    for _ in range(2):
        shop.tenant.meets("probe", *[AWAY] * 100, None)
    shop.tenant.meets("start", *[failure] * 20, None, *[failure] * 19)
    await shop.handle(*deliveries)
    assert _now() >= 3600
    assert shop.outages == [True, False] * 2
    assert shop.outbox.keys() == ["job.created"] * 20
    assert {event.data["attempt"] for event in shop.outbox.events} == {1}
    assert shop.posts == 20 + 20 + 19


async def test_a_look_up_that_the_stop_takes_its_turn_from_is_handed_over() -> None:
    """It is no attempt, and its doubt goes with it: no event, and no letter for what was never sent."""
    shop = Shop(max_attempts=1)

    async def refused(*_: Any, **__: Any) -> Any:
        shop.stopping.begin()
        raise Unavailable(Later.THROTTLED, "this worker stops", retry_after=1.0)

    shop.tenant.find = refused  # type: ignore[method-assign]
    await shop.handle(shop.delivery(headers={ATTEMPT: 1}))
    assert (shop.outbox.events, shop.outbox.buried) == ([], [])
    ((_, seconds, headers),) = shop.outbox.deferred
    assert (seconds, headers[ATTEMPT]) == (5, 1)
