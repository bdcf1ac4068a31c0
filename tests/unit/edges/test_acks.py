"""Acknowledgements are gathered: few frames, none early, none lost, none for what was given back."""

import asyncio

import pytest
from aio_pika.exceptions import AMQPError
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.broker.acks import Acks, before

HOUR = 3600.0


class Channel:
    """A broker's side of a channel: which tags it holds unsettled, and what it was sent, frame by frame."""

    def __init__(self, tags: int) -> None:
        self.is_closed = False
        self.held = set(range(1, tags + 1))
        self.acked: set[int] = set()
        self.returned: set[int] = set()
        self.frames: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.slow = ""

    async def basic_ack(self, delivery_tag: int, *, multiple: bool = False, wait: bool) -> None:
        """Takes an ack for a tag, or for all up to it."""
        assert not wait
        await self._send(f"ack {delivery_tag}{' and before' if multiple else ''}")
        tags = {tag for tag in self.held if tag == delivery_tag or (multiple and tag < delivery_tag)}
        assert tags, f"PRECONDITION_FAILED unknown delivery tag {delivery_tag}"
        self.held -= tags
        self.acked |= tags

    async def basic_nack(self, delivery_tag: int, *, requeue: bool, wait: bool) -> None:
        """Takes a message back."""
        assert not wait
        await self._send(f"return {delivery_tag}")
        assert requeue
        assert delivery_tag in self.held, f"PRECONDITION_FAILED unknown delivery tag {delivery_tag}"
        self.held.remove(delivery_tag)
        self.returned.add(delivery_tag)

    async def _send(self, frame: str) -> None:
        await self.gate.wait()
        await asyncio.sleep(1 if frame == self.slow else 0)
        if self.is_closed:
            raise AMQPError("closed")
        self.frames.append(frame)


def channel_of(tags: int) -> tuple[Acks, Channel]:
    """The acknowledgements of a channel that has delivered *tags* messages."""
    channel = Channel(tags)
    acks = Acks(channel)  # type: ignore[arg-type]
    for tag in sorted(channel.held):
        acks.taken(tag)
    return acks, channel


@pytest.mark.parametrize(
    ("oldest", "acked", "first"),
    [
        (None, set(), set()),
        (1, set(), set()),
        (None, {1}, {1}),
        (3, {1, 2, 4}, {1, 2}),
        (1, {2}, set()),
        (None, {3, 9}, {3, 9}),
    ],
    ids=["nothing", "in hand", "settled", "up to the first in hand", "none before it", "with gaps"],
)
def test_what_one_frame_can_settle(oldest: int | None, acked: set[int], first: set[int]) -> None:
    """All before the first that is still in hand."""
    assert before(oldest, acked) == first


async def test_a_prefix_goes_in_one_frame() -> None:
    """In whatever order it was settled."""
    acks, channel = channel_of(5)
    for tag in (3, 1, 2, 5):
        acks.ack(tag)
    await acks.flush(stragglers=False)
    assert channel.frames == ["ack 3 and before"]
    assert channel.held == {4, 5}


async def test_what_comes_late_is_not_acknowledged_with_what_it_came_behind() -> None:
    """The answer to a get is seen after deliveries that are younger by their tags."""
    acks, channel = channel_of(4)
    acks = Acks(channel)  # type: ignore[arg-type]
    for tag in (1, 3, 4, 2):
        acks.taken(tag)
    for tag in (1, 3, 4):
        acks.ack(tag)
    await acks.flush(stragglers=False)
    assert channel.held == {2, 3, 4}


async def test_a_straggler_holds_its_neighbours_for_a_moment_only() -> None:
    """What is settled beyond it goes by itself after a few rounds; it itself stays."""
    acks, channel = channel_of(4)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(acks.run())
        for tag in (1, 3, 4):
            acks.ack(tag)
        await asyncio.sleep(0.02)
        assert channel.frames == ["ack 1 and before"]
        await asyncio.sleep(0.2)
        assert channel.frames[1:] == ["ack 3", "ack 4"]
        acks.ack(2)
        await asyncio.sleep(0.02)
        assert channel.held == set()
        running.cancel()


async def test_what_is_settled_at_random_leaves_together_and_waits_for_nobody() -> None:
    """One round takes all of a tenth of a second; the one that is still in hand holds nothing up."""
    channel = Channel(4)
    acks = Acks(channel, at_random=True)  # type: ignore[arg-type]
    for tag in sorted(channel.held):
        acks.taken(tag)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(acks.run())
        acks.ack(3)
        await asyncio.sleep(0.05)
        acks.ack(1)
        assert channel.frames == []
        await asyncio.sleep(0.07)
        assert channel.frames == ["ack 1 and before", "ack 3"]
        running.cancel()


async def test_settling_again_changes_nothing() -> None:
    """Neither before nor after its frame, nor the other way."""
    acks, channel = channel_of(2)
    for _ in range(2):
        acks.ack(1)
        acks.give_back(2)
        await acks.flush()
    acks.give_back(1)
    acks.ack(2)
    await acks.flush()
    assert channel.frames == ["return 2", "ack 1 and before"]
    assert acks.in_hand == 0


async def test_what_is_given_back_is_never_acknowledged() -> None:
    """A multiple ack covers its tag, so it is returned first."""
    acks, channel = channel_of(3)
    acks.ack(1)
    acks.give_back(2)
    acks.ack(3)
    await acks.flush()
    assert (channel.acked, channel.returned) == ({1, 3}, {2})


async def test_what_is_given_back_during_a_flush_is_never_acknowledged() -> None:
    """The flush is waiting for its first frame when another message is given back."""
    acks, channel = channel_of(4)
    channel.gate.clear()
    acks.give_back(1)
    acks.ack(2)
    acks.ack(4)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(acks.flush())
        await asyncio.sleep(1)
        acks.give_back(3)
        channel.gate.set()
    await acks.flush()
    assert (channel.acked, channel.returned) == ({2, 4}, {1, 3})


@pytest.mark.parametrize("slow", ["return 1", "return 2", ""])
async def test_two_flushes_at_once_do_not_overtake_each_other(slow: str) -> None:
    """At a stop one is asked for while the regular one is on its way, and one frame is slow to be taken."""
    acks, channel = channel_of(4)
    channel.gate.clear()
    acks.give_back(1)
    acks.give_back(2)
    acks.ack(3)
    acks.ack(4)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(acks.flush())
        await asyncio.sleep(1)
        tasks.create_task(acks.flush())
        await asyncio.sleep(1)
        channel.slow = slow
        channel.gate.set()
    assert (channel.acked, channel.returned) == ({3, 4}, {1, 2})


async def test_what_is_settled_during_a_flush_goes_with_the_next() -> None:
    """Nothing is forgotten."""
    acks, channel = channel_of(3)
    channel.gate.clear()
    acks.ack(1)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(acks.run())
        await asyncio.sleep(1)
        acks.ack(2)
        acks.ack(3)
        channel.gate.set()
        await asyncio.sleep(1)
        running.cancel()
    assert (channel.acked, channel.held) == ({1, 2, 3}, set())


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["ack", "return", "rest"])), max_size=40))
def test_whatever_is_settled_in_whatever_order_the_broker_agrees(steps: list[tuple[int, str]]) -> None:
    """What was settled first is what counts, and what is in hand stays."""
    wanted: dict[int, str] = {}

    async def play() -> Channel:
        acks, channel = channel_of(12)
        for tag, what in steps:
            if what == "rest":
                await acks.flush(stragglers=bool(tag % 2))
                continue
            wanted.setdefault(tag, what)
            (acks.ack if what == "ack" else acks.give_back)(tag)
        await acks.flush()
        return channel

    channel = asyncio.run(play())
    assert len(channel.acked | channel.returned) == len(wanted)
    assert channel.held == set(range(1, 13)) - set(wanted)


async def test_a_closed_channel_ends_the_sending() -> None:
    """The broker gives what was not settled to somebody else."""
    acks, channel = channel_of(1)
    async with asyncio.timeout(HOUR), asyncio.TaskGroup() as tasks:
        tasks.create_task(acks.run())
        await asyncio.sleep(1)
        channel.is_closed = True
        acks.ack(1)
    assert not acks.is_open
    assert channel.held == {1}
