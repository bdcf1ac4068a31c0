"""Dead letters sent again, on a real broker: nothing is lost, and each replay is told of."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from aio_pika.abc import AbstractChannel
from shell import CODES, IDS, Broker, Shell, sent
from station import Heard, assert_valid

from worker.broker.address import Address
from worker.broker.visits.box import Held
from worker.broker.visits.visit import NotTaken, sender, visit
from worker.cli.dead import resend
from worker.cli.dead.choice import Choice
from worker.cli.output import Output
from worker.domain.messages import Message
from worker.settings import read_settings

ALL = resend.Order(Choice(frozenset(), None, everything=True), None, None, dry_run=False)


@pytest.fixture
def told(letters: Shell, broker: Broker) -> Iterator[None]:
    """A queue of the events, in which they stay until they are taken; gone after the test."""

    async def bind(channel: AbstractChannel) -> None:
        queue = await channel.declare_queue(f"{broker.prefix}.told", durable=True)
        await queue.bind(f"{broker.prefix}.events", "request.replayed")

    broker.act(bind)
    yield
    broker.act(lambda channel: channel.queue_delete(f"{broker.prefix}.told"))


def _events(broker: Broker) -> list[Heard]:
    return [Heard(message) for message in broker.take("told")]


def test_a_replay_sends_the_letter_back_to_where_it_was_published(letters: Shell, broker: Broker) -> None:
    """Body and properties as they were, one replay more, its attempts begun anew; the others stay."""
    said = letters("dead", "replay", "--code", "process_unknown", "--rate", "1000/s")
    assert (said.code, said.lines) == (0, [{"replayed": 2}])
    first, second = sorted(broker.take("start"), key=lambda message: message.body)
    assert [json.loads(one.body)["requestId"] for one in (first, second)] == ["r-2", "r-3"]
    assert (first.correlation_id, first.reply_to, first.headers["jobrelay-user-id"]) == ("c-1", "answers", "")
    left_out = ("x-", "jobrelay-user-id")
    kept = {name: value for name, value in first.headers.items() if not name.startswith(left_out)}
    (death,) = json.loads(kept.pop("jobrelay-history"))
    assert kept == {
        "mine": IDS[1],
        "jobrelay-first-at": "2026-01-01T00:00:00.000Z",
        "jobrelay-dead-letter-id": IDS[1],
        "jobrelay-replays": 1,
    }
    assert death == {
        "at": "2026-01-02T00:00:00.000Z", "code": "process_unknown", "detail": "process_unknown it is",
    }  # fmt: skip
    assert {group["code"] for group in letters("dead", "list").lines} == {"expired", "unknown_routing_key"}


@pytest.mark.usefixtures("told")
def test_a_replay_is_told_by_an_event(letters: Shell, broker: Broker) -> None:
    """What was sent again, why it was dead, and how often by now."""
    letters("dead", "replay", *IDS)
    events = _events(broker)
    assert_valid(events)
    told = sorted((event.data["deadLetterId"], event.data["code"]) for event in events)
    assert told == list(zip(IDS, CODES, strict=True))
    first = min(events, key=lambda event: str(event.data["deadLetterId"]))
    assert first.data["requestId"] == first.document["subject"] == "r-1"
    assert first.data["metadata"] == {"team": "blue"}
    assert (first.data["replays"], first.data["kind"]) == (1, "job.start")
    assert first.message.correlation_id == first.data["correlationId"] == "c-1"
    assert first.document["source"] == f"urn:jobrelay:{broker.prefix}"


@pytest.mark.usefixtures("told")
def test_a_replay_torn_off_before_its_event_is_whole_at_the_second_try(
    letters: Shell, broker: Broker
) -> None:
    """The letter is acknowledged last: it is there again, its request there twice, its event the same."""

    async def remove(channel: AbstractChannel) -> None:
        await channel.exchange_delete(f"{broker.prefix}.events")

    broker.act(remove)
    said = letters("dead", "replay", IDS[0])
    assert said.code == 1
    assert "0 replayed until then" in said.err
    letters("topology", "declare")

    async def bind(channel: AbstractChannel) -> None:
        queue = await channel.get_queue(f"{broker.prefix}.told")
        await queue.bind(f"{broker.prefix}.events", "#")

    broker.act(bind)
    assert letters("dead", "replay", IDS[0]).lines == [{"replayed": 1}]
    assert [json.loads(one.body)["requestId"] for one in broker.take("start")] == ["r-1", "r-1"]
    (event,) = _events(broker)
    assert event.data["replays"] == 1


@pytest.mark.usefixtures("told")
def test_what_no_queue_took_needs_a_routing_key(letters: Shell, broker: Broker) -> None:
    """It would come straight back; the way out is named, and goes to where requests are taken."""
    said = letters("dead", "replay", "--code", "unknown_routing_key")
    assert (said.code, said.lines) == (1, [{"replayed": 0}])
    assert "--routing-key" in said.err
    assert "(job.start, job.stop, queue-item.add)" in said.err
    said = letters("dead", "replay", "--code", "unknown_routing_key", "--routing-key", "job.start")
    assert said.lines == [{"replayed": 1}]
    assert [one.body for one in broker.take("start")] == [b"lost"]
    (event,) = _events(broker)
    assert_valid([event])
    assert (event.data["requestId"], event.data["code"]) == (None, "unknown_routing_key")


@pytest.mark.usefixtures("told")
def test_what_the_broker_took_out_of_a_queue_goes_back_to_it(letters: Shell, broker: Broker) -> None:
    """Also a job in flight, by the default exchange; a routing key is for requests."""

    async def refuse(channel: AbstractChannel) -> None:
        await channel.default_exchange.publish(sent(b"{}"), f"{broker.prefix}.tracking")
        queue = await channel.get_queue(f"{broker.prefix}.tracking", ensure=False)
        await (await queue.get()).reject(requeue=False)

    broker.act(refuse)
    said = letters("dead", "replay", "--code", "broker_rejected", "--routing-key", "job.start")
    assert said.lines == [{"replayed": 1}], said
    assert [one.body for one in broker.take("tracking")] == [b"{}"]
    (event,) = _events(broker)
    assert_valid([event])
    assert (event.data["code"], event.data["kind"]) == (None, None)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("key", ["some.key", "job.start"])
def test_an_event_that_died_before_a_template_had_it_goes_back_to_the_templates(
    letters: Shell, broker: Broker, key: str
) -> None:
    """Never to the requests, whatever its key and body say; and it tells where it was published."""

    async def refuse(channel: AbstractChannel) -> None:
        app = await channel.declare_exchange(f"{broker.prefix}.app", "topic", durable=True, auto_delete=True)
        queue = await channel.get_queue(f"{broker.prefix}.templates", ensure=False)
        await queue.bind(app, "#")
        await app.publish(sent(b'{"requestId": "r-9"}'), key)
        await (await queue.get()).reject(requeue=False)

    broker.act(refuse)
    home = f"{broker.prefix}.templates"
    (shown,) = letters("dead", "replay", "--code", "broker_rejected", "--dry-run").lines
    assert (shown["exchange"], shown["routingKey"]) == ("", home)
    said = letters("dead", "replay", "--code", "broker_rejected", "--routing-key", "job.start")
    assert said.lines == [{"replayed": 1}], said
    assert broker.take("start") == []
    (event,) = broker.take("templates")
    assert event.body == b'{"requestId": "r-9"}'
    assert event.headers["jobrelay-event-exchange"] == f"{broker.prefix}.app"
    assert event.headers["jobrelay-event-routing-key"] == key
    (told,) = _events(broker)
    assert_valid([told])
    assert (told.data["code"], told.data["kind"]) == (None, None)


def test_a_dry_run_moves_nothing(letters: Shell, broker: Broker) -> None:
    """It says for each letter where it would go, or what it needs."""
    said = letters("dead", "replay", "--all", "--dry-run")
    assert said.code == 0
    assert [line["id"] for line in said.lines[:3]] == list(IDS)
    assert {(line["exchange"], line["routingKey"]) for line in said.lines[:3]} == {
        (f"{broker.prefix}.requests", "job.start")
    }
    assert "--routing-key" in said.lines[3]["problem"]
    assert broker.take("start") == []
    assert len(letters("dead", "show", "--all").lines) == 4


def test_a_replay_ends_where_all_that_it_sends_comes_back(letters: Shell, broker: Broker) -> None:
    """What dies while it goes on is not its business."""

    async def shortcut(channel: AbstractChannel) -> None:
        dead = await channel.get_exchange(f"{broker.prefix}.dead", ensure=False)
        await dead.bind(f"{broker.prefix}.requests", "job.start")

    broker.act(shortcut)
    said = letters("dead", "replay", "--all", "--routing-key", "job.start")
    assert said.lines == [{"replayed": 4}]
    assert [len(one) for one in (broker.take("dead-letters"), broker.take("start"))] == [4, 4]


def test_a_letter_whose_exchange_is_gone_stays_and_is_told(letters: Shell, broker: Broker) -> None:
    """What cannot be sent is not taken off."""

    async def remove(channel: AbstractChannel) -> None:
        await channel.exchange_delete(f"{broker.prefix}.requests")

    broker.act(remove)
    said = letters("dead", "replay", IDS[0])
    assert said.code == 1
    assert f"{broker.prefix}.requests" in said.err
    assert IDS[0] in [letter["id"] for letter in letters("dead", "show", "--all").lines]


@pytest.mark.usefixtures("told", "letters")
def test_an_interrupted_replay_ends_what_it_has_begun(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each letter is in one place: sent again and told of, or where it was."""
    begun = asyncio.Event()

    async def slowly(letters: AsyncIterator[Held], _rate: float | None) -> AsyncIterator[Held]:
        yield await anext(letters)
        yield await anext(letters)
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(resend, "_paced", slowly)

    async def interrupt() -> None:
        async with asyncio.TaskGroup() as tasks:
            going = tasks.create_task(resend.replay_letters(read_settings(), Output(as_json=True), ALL))
            await begun.wait()
            going.cancel()
        assert going.cancelled()

    asyncio.run(interrupt())
    assert {json.loads(one.body)["requestId"] for one in broker.take("start")} == {"r-1", "r-2"}
    assert len(_events(broker)) == 2
    assert [one.headers.get("mine") for one in broker.take("dead-letters")] == [IDS[2], None]


async def test_two_messages_of_one_id_never_swap_what_became_of_them(jobrelay: Shell, broker: Broker) -> None:
    """The broker names a returned message by its id alone: the one that was taken must not seem lost."""
    message = Message(body=b"{}", message_id=uuid4().hex)
    async with visit(Address(broker.url)) as connection, sender(connection) as out:
        ends = await asyncio.gather(
            *(out.send("", f"{broker.prefix}.{queue}", message) for queue in ("none", "start", "none")),
            out.send("", f"{broker.prefix}.start", replace(message, message_id=None)),
            return_exceptions=True,
        )
    assert [type(end) for end in ends] == [NotTaken, type(None), NotTaken, type(None)]
