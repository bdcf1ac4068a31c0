"""The dead letters as they are looked at and dropped, the topology and the audit stream, on a real broker."""

import asyncio
import json

import aio_pika
import pytest
import structlog
import wire
from aio_pika.abc import AbstractChannel
from shell import IDS, Broker, Shell, sent

from worker.broker.visits import box
from worker.cli.dead.look import row


def test_letters_are_grouped_by_reason_as_often_as_one_looks(letters: Shell) -> None:
    """Looking moves nothing: a second look sees the same letters in the same order."""
    looks = [letters("dead", "list"), letters("dead", "show", "--all"), letters("dead", "show", "--all")]
    assert [look.code for look in looks] == [0, 0, 0]
    groups = {group["code"]: group["count"] for group in looks[0].lines}
    assert groups == {"process_unknown": 2, "expired": 1, "unknown_routing_key": 1}
    shown = {group["code"]: row(group)[2] for group in looks[0].lines}
    assert shown["process_unknown"] == f"{IDS[1][:8]} {IDS[2][:8]}"
    assert shown["expired"] == IDS[0][:8]
    ids = [[letter["id"] for letter in look.lines] for look in looks[1:]]
    assert ids[0] == ids[1]
    assert ids[0][:3] == list(IDS)


def test_a_letter_is_shown_whole(letters: Shell) -> None:
    """Reason, origin, headers and body, of the one that is named."""
    (letter,) = letters("dead", "show", IDS[0]).lines
    assert (letter["code"], letter["detail"], letter["attempt"]) == ("expired", "expired it is", 4)
    assert letter["body"]["requestId"] == "r-1"
    assert letter["headers"]["mine"] == IDS[0]


def test_the_letter_of_an_event_tells_where_it_was_published(jobrelay: Shell, broker: Broker) -> None:
    """By its application; a request's letter has nothing there."""
    origin = {"jobrelay-event-exchange": "tickets", "jobrelay-event-routing-key": "incident.created"}
    broker.bury(IDS[0], "template_failed", **origin)
    broker.bury(IDS[1], "expired")
    told = {"exchange": "tickets", "routingKey": "incident.created"}
    assert [letter["event"] for letter in jobrelay("dead", "show", "--all").lines] == [told, None]
    assert {group["code"]: group["event"] for group in jobrelay("dead", "list").lines} == {
        "template_failed": told,
        "expired": None,
    }


@pytest.mark.parametrize("code", ["invalid_json", "invalid_request", "template_failed"])
def test_what_comes_back_unless_it_is_mended_is_said(jobrelay: Shell, broker: Broker, code: str) -> None:
    """Before a replay and with it; of a process that may be there by now nothing is said."""
    broker.bury(IDS[0], code)
    broker.bury(IDS[1], "process_unknown")
    for verb in (["show", "--all"], ["replay", "--all", "--dry-run"]):
        first, second = jobrelay("dead", *verb).lines
        assert ("comes back" in first["remedy"], second["remedy"]) == (True, None)
    said = jobrelay("dead", "replay", "--all")
    assert (said.lines, f"{IDS[0]}: {code}: " in said.err, IDS[1] in said.err) == (
        [{"replayed": 2}],
        True,
        False,
    )


def test_a_letter_tells_everything_that_was_wrong(jobrelay: Shell, broker: Broker) -> None:
    """The violations that its event had, and nothing where a header is none of ours."""
    rows = [{"pointer": "/jobsCount", "message": "must be at most 10000"}]
    for letter, header in zip(IDS, (json.dumps(rows), "[1]", "["), strict=True):
        broker.bury(letter, "invalid_request", **{"jobrelay-violations": header})
    shown = jobrelay("dead", "show", "--all").lines
    assert [letter["violations"] for letter in shown] == [rows, [], []]


def test_a_letter_is_named_by_the_beginning_of_its_id(letters: Shell) -> None:
    """Several in one go, in the order in which they died; an id that could mean two is refused whole."""
    shown = letters("dead", "show", IDS[2][:4].upper(), IDS[0]).lines
    assert [letter["id"] for letter in shown] == [IDS[0], IDS[2]]


def test_an_id_that_could_mean_two_is_refused(jobrelay: Shell, broker: Broker) -> None:
    """With both of them; a whole id means itself."""
    twins = (IDS[0], IDS[0][:-1] + "f")
    for letter in twins:
        broker.bury(letter, "expired")
    said = jobrelay("dead", "drop", IDS[0][:8], "--yes")
    assert (said.code, said.out) == (1, "")
    assert all(letter in said.err for letter in twins)
    assert [letter["id"] for letter in jobrelay("dead", "show", IDS[0]).lines] == [IDS[0]]


def test_more_letters_than_one_reader_holds_keep_their_order(
    letters: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many readers as it takes hold them, and give them back in turn."""
    monkeypatch.setattr(box, "_HELD_EACH", 1)
    looks = [letters("dead", "show", "--all").lines for _ in range(3)]
    assert [[letter["id"] for letter in look][:3] for look in looks] == [list(IDS)] * 3
    assert [len(look) for look in looks] == [4, 4, 4]


def test_what_no_queue_took_says_so(letters: Shell) -> None:
    """A letter that came by the alternate exchange has no headers of ours, yet a reason and an id."""
    (letter,) = letters("dead", "show", "--code", "unknown_routing_key").lines
    assert letters("dead", "show", letter["id"]).lines[0]["body"] == "lost"
    assert letter["routingKey"] == "job.begin"
    assert "'job.begin'; it takes job.st" in letter["detail"]
    assert all(key in letter["detail"] for key in ("job.start", "job.stop", "queue-item.add"))
    assert "--routing-key job.st" in letter["remedy"]
    assert letter["body"] == "lost"


def test_what_the_broker_took_out_of_a_queue_says_so(jobrelay: Shell, broker: Broker) -> None:
    """Whatever an earlier burial has left in its headers is of another death."""
    stale = {"jobrelay-code": "expired", "jobrelay-dead-letter-id": IDS[0], "jobrelay-replays": 2}
    broker.publish("requests", "job.start", [sent(b"{}", stale)])

    async def refuse(channel: AbstractChannel) -> None:
        queue = await channel.get_queue(f"{broker.prefix}.start", ensure=False)
        await (await queue.get()).reject(requeue=False)

    broker.act(refuse)
    (letter,) = jobrelay("dead", "show", "--all").lines
    assert (letter["code"], letter["replays"]) == ("broker_rejected", 2)
    assert letter["id"] != IDS[0]
    assert f"{broker.prefix}.start" in letter["detail"]
    assert (letter["exchange"], letter["routingKey"]) == (f"{broker.prefix}.requests", "job.start")


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


@pytest.mark.parametrize("verb", [["show"], ["replay"], ["drop", "--yes"]], ids=lambda verb: verb[0])
def test_an_unknown_id_or_reason_is_an_error_and_nothing_happens(letters: Shell, verb: list[str]) -> None:
    """Also where other ids are known: all or nothing."""
    said = letters("dead", *verb, IDS[0], "9a5e0000")
    assert (said.code, said.out) == (1, "")
    assert "the id 9a5e0000" in said.err
    said = letters("dead", *verb, "--code", "cancelled")
    assert said.code == 1
    assert "process_unknown" in said.err
    assert len(letters("dead", "show", "--all").lines) == 4


def test_dropping_needs_a_yes_and_takes_only_what_is_meant(letters: Shell) -> None:
    """Where nobody can be asked, --yes is the answer; no event tells of it, so the log does."""
    assert letters("dead", "drop", "--code", "expired").code == 2
    with structlog.testing.capture_logs() as logged:
        assert letters("dead", "drop", "--code", "expired", "--yes").lines == [{"dropped": 1}]
    assert [(line["event"], line["id"], line["code"]) for line in logged] == [
        ("letter.dropped", IDS[0], "expired")
    ]
    assert {group["code"] for group in letters("dead", "list").lines} == {
        "process_unknown",
        "unknown_routing_key",
    }


def test_the_audit_stream_is_read_from_any_point(letters: Shell, prefix: str) -> None:
    """From its beginning, from an offset, as JSON with the offset of each entry."""
    said = letters("audit", "tail", "--from", "first", "--count", "4")
    assert said.code == 0
    assert [entry["offset"] for entry in said.lines] == [0, 1, 2, 3]
    assert said.lines[0]["body"] == {"requestId": "r-1", "metadata": {"team": "blue"}}
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
    jobrelay: Shell, broker: Broker, prefix: str
) -> None:
    """Nothing is deleted to make it fit."""

    async def other(channel: AbstractChannel) -> None:
        await channel.queue_delete(f"{prefix}.start")
        await channel.declare_queue(f"{prefix}.start", durable=True)

    broker.act(other)
    said = jobrelay("topology", "declare")
    assert said.code == 1
    assert f"queue {prefix}.start exists with other arguments" in said.err


def test_a_stop_request_goes_back_to_the_stops(letters: Shell, broker: Broker) -> None:
    """By its own key, also where it died on its way back from a delay queue."""
    for name, exchange in (("4a5e", "requests"), ("5a5e", "retry")):
        origin = {"jobrelay-exchange": f"{broker.prefix}.{exchange}", "jobrelay-routing-key": "job.stop"}
        broker.bury(f"{name}0000-0000-4000-8000-000000000004", "job_unknown", **origin)
    assert letters("dead", "replay", "--code", "job_unknown").lines == [{"replayed": 2}]
    assert [one.routing_key for one in broker.take("stop")] == ["job.stop"] * 2
