"""The dead letters, the topology and the audit stream, on a real broker."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aio_pika
import pytest
import wire
from aio_pika.abc import AbstractChannel
from conftest import Shell

IDS = ("id-1", "id-2", "id-3")
Act = Callable[[Callable[[AbstractChannel], Any]], Any]


@pytest.fixture
def on_broker(amqp_url: str) -> Act:
    """Does something on a channel of the broker."""

    def act(what: Callable[[AbstractChannel], Any]) -> Any:
        async def visit() -> Any:
            async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
                return await what(channel)

        return asyncio.run(visit())

    return act


@pytest.fixture
def letters(jobrelay: Shell, on_broker: Act, prefix: str) -> Shell:
    """Three requests that a worker buried, and one that no queue took."""

    async def bury(channel: AbstractChannel) -> None:
        dead = await channel.get_exchange(f"{prefix}.dead")
        for name, code in zip(IDS, ("expired", "process_unknown", "process_unknown"), strict=True):
            headers = {
                "jobrelay-code": code,
                "jobrelay-detail": f"{code} it is",
                "jobrelay-attempt": 4,
                "jobrelay-first-at": "2026-01-01T00:00:00.000Z",
                "jobrelay-dead-letter-id": name,
                "jobrelay-exchange": f"{prefix}.requests",
                "jobrelay-routing-key": "job.start",
                "mine": name,
            }
            await dead.publish(_message(b'{"requestId":"' + name.encode() + b'"}', headers), "job.start")
        requests = await channel.get_exchange(f"{prefix}.requests")
        await requests.publish(_message(b"lost", {}), "job.begin")

    on_broker(bury)
    return jobrelay


def _message(body: bytes, headers: dict[str, Any]) -> aio_pika.Message:
    return aio_pika.Message(body, headers=headers, delivery_mode=2, correlation_id="c-1", reply_to="answers")


def test_letters_are_grouped_by_reason_as_often_as_one_looks(letters: Shell) -> None:
    """Looking moves nothing: a second look sees the same letters in the same order."""
    looks = [letters("dead", "list"), letters("dead", "show", "--all"), letters("dead", "show", "--all")]
    assert [look.code for look in looks] == [0, 0, 0]
    groups = {group["code"]: group["count"] for group in looks[0].lines}
    assert groups == {"process_unknown": 2, "expired": 1, "unknown_routing_key": 1}
    ids = [[letter["id"] for letter in look.lines] for look in looks[1:]]
    assert ids[0] == ids[1]
    assert ids[0][:3] == list(IDS)


def test_a_letter_is_shown_whole(letters: Shell) -> None:
    """Reason, origin, headers and body, of the one that is named."""
    (letter,) = letters("dead", "show", "--id", "id-1").lines
    assert (letter["code"], letter["detail"], letter["attempt"]) == ("expired", "expired it is", 4)
    assert letter["body"] == {"requestId": "id-1"}
    assert letter["headers"]["mine"] == "id-1"


def test_what_no_queue_took_says_so(letters: Shell) -> None:
    """A letter that came by the alternate exchange has no headers of ours, yet a reason and an id."""
    (letter,) = letters("dead", "show", "--code", "unknown_routing_key").lines
    assert letter["id"].startswith("letter-")
    assert letter["routingKey"] == "job.begin"
    assert "job.begin" in letter["detail"]
    assert letter["body"] == "lost"


def test_letters_that_say_anything_at_all_are_looked_at_and_sent_again(
    jobrelay: Shell, amqp_url: str, prefix: str
) -> None:
    """What no queue took has its sender's headers and properties: of any kind, in no known text."""
    odd = (b"jobrelay-code", b"jobrelay-detail", b"jobrelay-exchange", b"jobrelay-replays", b"x-death")
    listed = [
        wire.headers(*((name, b"S" + wire.sized(b"\xff")) for name in odd)),
        wire.headers(*((name, wire.nested(20)) for name in odd)),
        wire.properties(wire.CONTENT_TYPE | wire.TIMESTAMP, wire.short(b"\xff"), b"\xff" * 8),
    ]

    async def send() -> None:
        async with await aio_pika.connect(amqp_url) as connection:
            await wire.send(
                connection, (f"{prefix}.requests", "job.begin"), *((b"{}", one) for one in listed)
            )

    asyncio.run(send())
    (group,) = jobrelay("dead", "list").lines
    assert (group["code"], group["count"]) == ("unknown_routing_key", len(listed))
    assert len(jobrelay("dead", "show", "--all").lines) == len(listed)
    said = jobrelay("dead", "replay", "--all", "--routing-key", "job.start")
    assert said.lines == [{"replayed": len(listed)}], said


def test_a_replay_sends_the_letter_back_to_where_it_was_published(
    letters: Shell, on_broker: Act, prefix: str
) -> None:
    """Body and properties as they were, one replay more, its attempts begun anew; the others stay."""
    said = letters("dead", "replay", "--code", "process_unknown", "--rate", "1000")
    assert (said.code, said.lines) == (0, [{"replayed": 2}])

    async def take(channel: AbstractChannel) -> list[Any]:
        queue = await channel.get_queue(f"{prefix}.start")
        return [await queue.get(no_ack=True) for _ in range(2)]

    first, second = on_broker(take)
    assert (first.body, second.body) == (b'{"requestId":"id-2"}', b'{"requestId":"id-3"}')
    assert (first.correlation_id, first.reply_to) == ("c-1", "answers")
    assert first.headers["jobrelay-replays"] == 1
    assert first.headers["jobrelay-first-at"] == "2026-01-01T00:00:00.000Z"
    assert first.headers["mine"] == "id-2"
    assert "jobrelay-attempt" not in first.headers
    assert {group["code"] for group in letters("dead", "list").lines} == {"expired", "unknown_routing_key"}


def test_a_letter_can_be_sent_with_the_right_routing_key(letters: Shell, on_broker: Act, prefix: str) -> None:
    """What no queue took gets where it was meant to go."""
    said = letters("dead", "replay", "--code", "unknown_routing_key", "--routing-key", "job.start")
    assert said.lines == [{"replayed": 1}]

    async def take(channel: AbstractChannel) -> bytes:
        return (await (await channel.get_queue(f"{prefix}.start")).get(no_ack=True)).body

    assert on_broker(take) == b"lost"


@pytest.mark.parametrize("verb", [["show"], ["replay"], ["drop", "--yes"]], ids=lambda verb: verb[0])
def test_an_unknown_id_or_reason_is_an_error_and_nothing_happens(letters: Shell, verb: list[str]) -> None:
    """Also where other ids are known: all or nothing."""
    said = letters("dead", *verb, "--id", "id-1", "--id", "id-9")
    assert (said.code, said.out) == (1, "")
    assert "id-9" in said.err
    said = letters("dead", *verb, "--code", "cancelled")
    assert said.code == 1
    assert "process_unknown" in said.err
    assert len(letters("dead", "show", "--all").lines) == 4


def test_a_letter_whose_exchange_is_gone_stays_and_is_told(
    letters: Shell, on_broker: Act, prefix: str
) -> None:
    """What cannot be sent is not taken off."""

    async def remove(channel: AbstractChannel) -> None:
        await channel.exchange_delete(f"{prefix}.requests")

    on_broker(remove)
    said = letters("dead", "replay", "--id", "id-1")
    assert said.code == 1
    assert f"{prefix}.requests" in said.err
    assert "id-1" in [letter["id"] for letter in letters("dead", "show", "--all").lines]


def test_dropping_needs_a_yes_and_takes_only_what_is_meant(letters: Shell) -> None:
    """Where nobody can be asked, --yes is the answer."""
    assert letters("dead", "drop", "--code", "expired").code == 2
    assert letters("dead", "drop", "--code", "expired", "--yes").lines == [{"dropped": 1}]
    assert {group["code"] for group in letters("dead", "list").lines} == {
        "process_unknown",
        "unknown_routing_key",
    }


def test_the_audit_stream_is_read_from_any_point(letters: Shell, prefix: str) -> None:
    """From its beginning, from an offset, as JSON with the offset of each entry."""
    said = letters("audit", "tail", "--from", "first", "--count", "4")
    assert said.code == 0
    assert [entry["offset"] for entry in said.lines] == [0, 1, 2, 3]
    assert said.lines[0]["body"] == {"requestId": "id-1"}
    assert said.lines[0]["exchange"] == f"{prefix}.dead"
    (last,) = letters("audit", "tail", "--from", "3", "--count", "1").lines
    assert (last["offset"], last["body"]) == (3, "lost")


def test_the_topology_is_exported_as_it_is_declared(jobrelay: Shell, prefix: str) -> None:
    """Definitions that RabbitMQ imports, with the names that `declare` tells."""
    said = jobrelay("topology", "declare")
    (names,) = said.lines
    definitions = json.loads(jobrelay("topology", "export").out)
    assert [queue["name"] for queue in definitions["queues"]] == names["queues"]
    assert f"{prefix}.start" in names["queues"]
    assert f"{prefix}.requests" in names["exchanges"]


def test_a_queue_with_other_arguments_is_named_and_left_alone(
    jobrelay: Shell, on_broker: Act, prefix: str
) -> None:
    """Nothing is deleted to make it fit."""

    async def other(channel: AbstractChannel) -> None:
        await channel.queue_delete(f"{prefix}.start")
        await channel.declare_queue(f"{prefix}.start", durable=True)

    on_broker(other)
    said = jobrelay("topology", "declare")
    assert said.code == 1
    assert f"queue {prefix}.start exists with other arguments" in said.err
