"""The watchdog over consumers: what it doubts, when it begins anew, and when only a restart can help."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from worker.broker.connection import SessionOver
from worker.broker.watchdog import Watchdog, doubt

QUEUE = "p.start"


@dataclass
class Counts:
    """What a broker says of a queue."""

    consumer_count: int
    message_count: int


@dataclass
class Broker:
    """A channel whose broker answers with what the next of *says* is; the last one stays."""

    says: list[Counts]
    asked: int = 0

    async def queue_declare(self, queue: str, *, passive: bool, timeout: float) -> Counts:  # noqa: ASYNC109 - the library's
        """A look, with a timeout."""
        assert (queue, passive, timeout > 0) == (QUEUE, True, True)
        self.asked += 1
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


@dataclass
class Flow:
    """A consumer as it sees itself."""

    consuming: bool = True
    hungry: bool = True
    taken: int = 0


@dataclass
class Yard:
    """A watchdog, and what it said."""

    barked: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watchdog = Watchdog([QUEUE], self.barked.append, self.renewed.append)

    async def looks(self, flow: Flow, *says: Counts) -> str:
        """Why a session ends, with a broker that says so."""
        channel: Any = Broker(list(says))
        with pytest.raises(SessionOver) as over:
            await self.watchdog.look_after(channel, QUEUE, flow)
        return str(over.value)


WELL, NONE, STUCK = Counts(1, 0), Counts(0, 0), Counts(2, 9)


@pytest.mark.parametrize(
    ("consumers", "waiting", "hungry", "moved", "doubted"),
    [
        (0, 0, True, True, "no consumer"),
        (0, 7, False, False, "no consumer"),
        (2, 9, True, False, "9 messages wait"),
        (2, 9, True, True, None),
        (2, 9, False, False, None),
        (2, 0, True, False, None),
        (1, 0, True, True, None),
    ],
)
def test_what_is_doubted(
    consumers: int, waiting: int, hungry: bool, moved: bool, doubted: str | None
) -> None:
    """No consumer at all, not even another worker's; or messages that do not come though there is room."""
    why = doubt(consumers, waiting, hungry=hungry, moved=moved)
    assert (why is None) if doubted is None else (why is not None and doubted in why)


@pytest.mark.parametrize("says", [NONE, STUCK], ids=["gone", "stuck"])
async def test_a_consumer_that_seems_gone_twice_begins_anew(says: Counts) -> None:
    """At the third look; the reason says what was seen, and it is counted."""
    yard = Yard()
    async with asyncio.timeout(31):
        assert QUEUE in await yard.looks(Flow(), WELL, says)
    assert yard.renewed == [QUEUE]
    assert yard.barked == []


async def test_one_doubt_is_none() -> None:
    """Counts lag: only a second look that agrees is believed."""
    yard = Yard()
    channel: Any = Broker([NONE, WELL] * 50 + [WELL])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(900):
            await yard.watchdog.look_after(channel, QUEUE, Flow())
    assert channel.asked > 80
    assert yard.renewed == []


@pytest.mark.parametrize("flow", [Flow(consuming=False), Flow(hungry=False)], ids=["stopping", "full"])
async def test_who_takes_no_more_is_left_alone(flow: Flow) -> None:
    """A worker that is stopping has no consumer, and one with its hands full gets nothing."""
    yard = Yard()
    channel: Any = Broker([NONE if not flow.consuming else STUCK])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(900), watching(yard):
            await yard.watchdog.look_after(channel, QUEUE, flow)
    assert yard.renewed == yard.barked == []


@asynccontextmanager
async def watching(yard: Yard) -> AsyncIterator[None]:
    """While the watchdog runs."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(yard.watchdog.run())
        try:
            yield
        finally:
            running.cancel()


async def sessions(yard: Yard, flow: Flow, says: Callable[[], Counts]) -> None:
    """What a link does: a session that is over is begun again."""
    while True:
        await yard.looks(flow, says())
        await asyncio.sleep(1)


@pytest.mark.parametrize("says", [NONE, STUCK], ids=["gone", "stuck"])
async def test_it_gives_up_when_new_sessions_do_not_help(says: Counts) -> None:
    """After five minutes, not before; once, with the reason."""
    yard = Yard()
    async with watching(yard):
        for within, barked in ((295, 0), (10, 1), (3600, 1)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(within):
                    await sessions(yard, Flow(), lambda: says)
            assert len(yard.barked) == barked
    assert yard.barked[0].startswith(f"consumer watchdog gave up: {QUEUE}: ")
    assert yard.barked[0].endswith("for 5 minutes")


async def test_it_gives_up_when_no_session_begins_or_answers() -> None:
    """The link hangs, or its sessions end at once, though the broker is there."""
    yard = Yard()
    async with watching(yard):
        await asyncio.sleep(299.5)
        assert yard.barked == []
        await asyncio.sleep(1)
    assert len(yard.barked) == 1


async def test_a_broker_that_is_away_is_no_reason_to_give_up() -> None:
    """A restart would not bring it back."""
    yard = Yard()
    async with watching(yard):
        for _ in range(100):
            await asyncio.sleep(60)
            yard.watchdog.excuse()
    assert yard.barked == []


async def test_good_looks_keep_it_quiet() -> None:
    """For hours."""
    yard = Yard()
    channel: Any = Broker([WELL])
    async with watching(yard):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4000):
                await yard.watchdog.look_after(channel, QUEUE, Flow())
    assert yard.barked == []
