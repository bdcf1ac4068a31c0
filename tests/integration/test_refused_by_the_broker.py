"""What the broker closes a channel over stops nobody's publishing: it goes by itself, and bare at last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
import wire
from relay import Relay
from station import Station, new_id, own_queue, station
from tenant import request
from working import until

from worker.broker import properties
from worker.broker.address import Address
from worker.broker.connection import Link, Reports
from worker.broker.outbox import Outbox
from worker.broker.properties import REFUSED
from worker.broker.replies import Replies
from worker.broker.topology import Topology
from worker.domain.events import Event, Sender
from worker.domain.messages import ATTEMPT, Message
from worker.domain.requests import Kind

_EMPTY, _TEXT = b"A" + wire.sized(b""), b"S" + wire.sized(b"boom")
# RabbitMQ 3.10 takes it for a process of its own, fails to read which, and ends the connection.
_NO_PROCESS = "amq.rabbitmq.reply-to.g2dkABB.AAAA"
_HOSTILE = {"CC": "boom", ATTEMPT: 2, "theirs": "x"}


@asynccontextmanager
async def _publishing(amqp_url: str, prefix: str) -> AsyncIterator[tuple[Outbox, list[str]]]:
    """An outbox on a link of its own, the connections it made, and the replies it lost."""
    made: list[str] = []
    reports = Reports(lambda *_: None, made.append, lambda *_: None, lambda: None)
    link = Link("broker-publish", Address(amqp_url), 5, Topology(prefix), reports)
    replies = Replies(Address(amqp_url), 5, lambda: made.append("reply lost"))
    outbox = Outbox(Topology(prefix), link.up, replies.send)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(part) for part in (link.keep(outbox.session), replies.run())]
        yield outbox, made
        for task in running:
            task.cancel()


@pytest.fixture
async def own(amqp_url: str, prefix: str) -> AsyncIterator[Station]:
    """A station with a prefix of its own."""
    async with station(amqp_url, prefix) as opened:
        yield opened


async def test_what_closes_the_channel_is_kept_bare_and_the_others_are_published(
    amqp_url: str, own: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it may be, here a header that is usually renamed: one connection is lost, and no more."""
    monkeypatch.setattr(properties, "_OBEYED", {})
    hostile, good = (
        Message(body=body, headers=h) for body, h in ((b"bad", _HOSTILE), (b"good", {"mine": 1}))
    )
    async with asyncio.timeout(20), _publishing(amqp_url, own.prefix) as (outbox, made):
        async with asyncio.TaskGroup() as tasks:
            for message in (good, hostile, good):
                tasks.create_task(outbox.bury(message, {"jobrelay-code": "expired"}))
            tasks.create_task(outbox.defer(hostile, Kind.START, 5, {}, {"again": True}))
        await own.until_waiting("delay.5s", 1)
        await until(lambda: len(own.letters) >= 3, "they are kept")
        assert len(made) == 2
    kept = {letter.message.body: letter.message.headers for letter in own.letters}
    assert kept[b"good"] == {"mine": 1, "jobrelay-code": "expired"}
    assert "PRECONDITION_FAILED" in str(kept[b"bad"].pop(REFUSED))
    assert kept[b"bad"] == {ATTEMPT: 2, "jobrelay-code": "expired"}


@pytest.mark.parametrize("name", [b"CC", b"BCC"])
async def test_a_header_sent_twice_stops_nobody(relay: Relay, here: Station, name: bytes) -> None:
    """The broker checks the first; the other, that it would refuse, is buried as a header like any other."""
    body, good = f"no json {new_id()}".encode(), new_id()
    async with await aio_pika.connect(relay.amqp_url) as connection:
        listed = wire.headers((name, _EMPTY), (name, _TEXT))
        await wire.send(connection, (f"{relay.prefix}.requests", "job.start"), (body, listed))
    await here.ask({"requestId": good, **request()})
    relay.assert_started_once(good, await here.outcome(good))

    def letters() -> list[Any]:
        return [letter.message.headers for letter in here.letters if letter.message.body == body]

    await until(letters, "it is buried")
    assert letters()[0][f"jobrelay-{name.decode().lower()}"] == "boom"
    assert name.decode() not in letters()[0]


async def test_a_reply_to_over_which_the_broker_ends_the_connection_harms_no_publishing(
    amqp_url: str, own: Station
) -> None:
    """Replies have a connection of their own; who asks for one after it gets it."""
    queue, arrived = await own_queue(own)
    async with asyncio.timeout(20), _publishing(amqp_url, own.prefix) as (outbox, made):
        await outbox.announce(_event("first", queue))
        await until(lambda: arrived, "the connection for replies is there")
        await outbox.announce(_event("hostile", _NO_PROCESS))
        await outbox.announce(_event("next", queue))
        await until(lambda: "reply lost" in made or len(arrived) == 2, "it was sent")
        await outbox.announce(_event("last", queue))
        await until(lambda: arrived[-1].message.correlation_id == "last", "the reply")
        assert {name for name in ("first", "hostile", "next", "last") if own.heard(name)} >= {
            "next",
            "hostile",
        }
        assert made.count("broker-publish") == 1


def _event(name: str, reply_to: str | None) -> Event:
    sender = Sender(name, correlation_id=name, reply_to=reply_to)
    return Event("job-created.v1", "job.created", name, "urn:x", None, "2026-11-21T10:00:00Z", {}, sender)
