"""The promises of `pipeline.ports.Delivery`, kept by the real one and by the fake."""

from typing import Any

import pytest
from fakes import Delivery as FakeDelivery
from test_acks import channel_of

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


async def test_a_closed_inbox_ends_with_what_had_come() -> None:
    """Invariant 11: the consumer is cancelled, else the broker gives out again what is given back at once."""
    acks, channel = channel_of(2)
    cancelled: list[str] = []

    async def basic_cancel(tag: str, *, timeout: float) -> None:  # noqa: ASYNC109 - the library's
        cancelled.append(tag)

    channel.basic_cancel = basic_cancel  # type: ignore[attr-defined]
    inbox = Inbox("p.start", 5, lambda: None, Watchdog([], lambda _: None, lambda _: None))
    inbox._channel, inbox._acks, inbox._tag = channel, acks, "t-1"  # type: ignore[assignment]
    inbox._waiting.put_nowait(Delivery(Message(body=b"x"), 1, acks))
    await inbox.close()
    async for delivery in inbox:
        delivery.give_back()
    await inbox.flush()
    assert (cancelled, channel.frames) == (["t-1"], ["return 1"])
