"""The promises of `pipeline.ports.Delivery`, kept by the real one and by the fake."""

import asyncio
from typing import Any

import pytest
from aiormq.abc import DeliveredMessage
from fakes import Delivery as FakeDelivery
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from test_acks import Channel, channel_of

from worker.broker.acks import Acks
from worker.broker.inbox import Delivery, Inbox
from worker.broker.watchdog import Watchdog
from worker.domain.messages import Message


def _real() -> tuple[Any, Any]:
    acks, channel = channel_of(1)
    return Delivery(Message(body=b"x"), 1, acks), (acks, channel)


def _fake() -> tuple[Any, Any]:
    return FakeDelivery(Message(body=b"x")), None


async def _ending(delivery: Any, wire: Any) -> list[str]:
    if wire is None:
        return list(delivery.settled)
    acks, channel = wire
    if acks.is_open:
        await acks.flush()
    return [{"ack": "ack", "retu": "give back"}[frame[:4].strip()] for frame in channel.frames]


def _close(delivery: Any, wire: Any) -> None:
    if wire is None:
        delivery.lose()
    else:
        wire[1].is_closed = True


@pytest.mark.parametrize("make", [_real, _fake], ids=["the real one", "the fake"])
@pytest.mark.parametrize(
    ("steps", "ending"),
    [
        (["ack"], ["ack"]),
        (["give_back"], ["give back"]),
        (["ack", "ack"], ["ack"]),
        (["give_back", "ack"], ["give back"]),
        (["close", "ack"], []),
        (["close", "give_back"], []),
    ],
    ids=lambda value: " then ".join(value) or "nothing",
)
async def test_a_delivery_is_settled_once(make: Any, steps: list[str], ending: list[str]) -> None:
    """The port's promise, kept by both: the first word counts, and none after the channel is gone."""
    delivery, wire = make()
    assert delivery.is_open
    for step in steps:
        _close(delivery, wire) if step == "close" else getattr(delivery, step)()
    assert delivery.is_open is ("close" not in steps)
    assert await _ending(delivery, wire) == ending


class _Asked(Channel):
    """A channel that is asked for one more message, and to deliver no more."""

    async def basic_get(self, queue: str, **_: float) -> DeliveredMessage:
        """Gives the next one."""
        await self._send(f"get from {queue}")
        tag = max(self.held) + 1
        self.held.add(tag)
        header: Any = ContentHeader(properties=Basic.Properties())
        return DeliveredMessage(Basic.GetOk(tag), header, b"y", None)  # type: ignore[arg-type]

    async def basic_cancel(self, tag: str, **_: float) -> None:
        """Ends the consumer."""
        await self._send(f"cancel {tag}")


async def test_a_closed_inbox_ends_with_what_had_come() -> None:
    """Invariant 11: the consumer is cancelled, else the broker gives out again what is given back at once.

    Until then no ack leaves, which would make the broker send more; see test_links for what it does then.
    """
    channel = _Asked(1)
    acks = Acks(channel)  # type: ignore[arg-type]
    acks.taken(1)
    inbox = Inbox("p.start", 5, lambda: None, Watchdog([], lambda _: None, lambda _: None))
    inbox._channel, inbox._acks = channel, acks  # type: ignore[assignment]
    acks.ack(1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inbox.close())
        await asyncio.sleep(0)
        tasks.create_task(acks.flush())
    async for delivery in inbox:
        delivery.give_back()
    await inbox.flush()
    assert channel.frames == ["get from p.start", "cancel jobrelay", "ack 1 and before", "return 2"]
