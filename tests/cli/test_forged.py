"""What a sender writes into the headers of a letter says neither where it goes nor which letter it is."""

import asyncio

import pytest
from aio_pika.abc import AbstractChannel
from shell import IDS, Broker, Shell, sent

_BURIED = {
    "jobrelay-code": "expired",
    "jobrelay-dead-letter-id": IDS[0],
    "jobrelay-exchange": "",
    "jobrelay-routing-key": "payroll.commands",
}


@pytest.mark.parametrize("key", ["job.begin", "job.start"], ids=["no queue took it", "out of a queue"])
def test_no_sender_says_where_a_letter_is_sent_or_which_one_it_is(
    jobrelay: Shell, broker: Broker, key: str
) -> None:
    """It is sent with the operator's rights: neither a burial nor a death that the sender wrote counts.

    The broker itself keeps a death that was foretold with the right queue and reason, and counts it up.
    """
    broker.bury(IDS[0], "expired")
    start, ends = f"{broker.prefix}.start", {"expiration": 0.001} if key == "job.start" else {}
    death = {"count": 1, "reason": "expired", "queue": start, "routing-keys": ["payroll.commands"]}
    foretold = [{"x-death": [death | {"exchange": exchange}]} for exchange in ("", "amq.topic")]
    for more in ({}, *foretold):
        broker.publish("requests", key, [sent(b"{}", _BURIED | more, **ends)])
    broker.act(lambda channel: _until_there(channel, f"{broker.prefix}.dead-letters", 4))
    assert [letter["body"]["requestId"] for letter in jobrelay("dead", "show", IDS[0]).lines] == ["r-1"]
    lines = jobrelay("dead", "replay", "--all", "--dry-run").lines
    home = (f"{broker.prefix}.requests", "job.start")
    assert (lines[0]["exchange"], lines[0]["routingKey"]) == home
    places = {(line["exchange"], line["routingKey"]) for line in lines[1:]}
    assert places == {(None, None)} | ({home, ("", start)} if key == "job.start" else set())


def test_a_reply_to_over_which_the_broker_ends_the_connection_stops_no_replay(
    jobrelay: Shell, broker: Broker
) -> None:
    """RabbitMQ 3.10 takes this one for a process of its own."""
    no_process = sent(b"{}", reply_to="amq.rabbitmq.reply-to.g2dkABB.AAAA")
    broker.publish("requests", "job.begin", [no_process])
    assert jobrelay("dead", "replay", "--all", "--routing-key", "job.start").lines == [{"replayed": 1}]
    assert jobrelay("dead", "list").lines == []


async def _until_there(channel: AbstractChannel, queue: str, count: int) -> None:
    there = -1
    async with asyncio.timeout(10):
        while there != count:
            found = await channel.declare_queue(queue, passive=True)
            there = found.declaration_result.message_count or 0
