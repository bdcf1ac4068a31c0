"""What the broker lets through stops no worker: it is refused or handled like anything else."""

import json

import aio_pika
import wire
from relay import Relay
from station import Heard, Station, assert_valid, new_id
from tenant import request
from working import until

from worker.broker.properties import LEFT_OUT

_BAD, _NOBODYS_DAY = wire.short(b"\xff\xfe"), b"\xff" * 8
_JSON = wire.short(b"application/json")
_LARGE = b"S" + wire.sized(b"x" * 130_900)
_ODD = {
    "content type": wire.properties(wire.CONTENT_TYPE, _BAD),
    "correlation id": wire.properties(wire.CONTENT_TYPE | wire.CORRELATION_ID, _JSON, _BAD),
    "long correlation id": wire.properties(wire.CORRELATION_ID, wire.short(b"\xff" * 255)),
    "reply to": wire.properties(wire.REPLY_TO, wire.short(b"\xff" * 255)),
    "message id": wire.properties(wire.MESSAGE_ID, _BAD),
    "type and app": wire.properties(wire.TYPE | wire.APP_ID | wire.CLUSTER_ID, _BAD, _BAD, _BAD),
    "timestamp": wire.properties(wire.TIMESTAMP, _NOBODYS_DAY),
    "reserved flags": wire.properties(wire.CONTENT_TYPE | wire.RESERVED, _JSON),
    "header name": wire.headers((b"\xff", b"t\x01")),
    "header moment": wire.headers((b"when", b"T" + _NOBODYS_DAY)),
    "header bytes": wire.headers((b"raw", b"S" + wire.sized(b"\xff\xfe"))),
    "header double": wire.headers((b"big", b"d\x7e\x37\xe4\x3c\x88\x00\x75\x9c")),
    "header depth": wire.headers((b"deep", wire.nested(20_000))),
    "header size": wire.headers((b"large", _LARGE)),
}


async def test_odd_properties_are_refused_on_their_merits_and_their_bodies_kept(
    relay: Relay, here: Station
) -> None:
    """Each message is buried byte for byte; none of them ends a connection, or comes again and again."""
    bodies = {f"{name}: {new_id()}".encode(): listed for name, listed in _ODD.items()}
    await _send(relay, bodies)

    def letters() -> dict[str, Heard]:
        buried = [letter for letter in here.letters if letter.message.body in bodies]
        return {letter.message.body.decode().partition(":")[0]: letter for letter in buried}

    await until(lambda: len(letters()) == len(bodies), lambda: f"buried are only {list(letters())}")
    codes = {name: letter.message.headers["jobrelay-code"] for name, letter in letters().items()}
    assert codes == dict.fromkeys(_ODD, "invalid_json") | {"content type": "wrong_content_type"}
    assert letters()["header size"].message.headers[LEFT_OUT] == 1
    assert letters()["header double"].message.headers["big"] == 1e300


async def test_a_good_request_with_odd_properties_is_started_once(relay: Relay, here: Station) -> None:
    """What nobody needs to read stops no job."""
    name = new_id()
    listed = wire.properties(
        wire.CORRELATION_ID | wire.REPLY_TO | wire.MESSAGE_ID | wire.TIMESTAMP,
        wire.short(name.encode()),
        wire.short(b"\xff" * 255),
        _BAD,
        _NOBODYS_DAY,
    )
    await _send(relay, {json.dumps({"requestId": name, **request()}).encode(): listed})
    created = await here.outcome(name)
    assert_valid(created)
    relay.assert_started_once(name, created)


async def _send(relay: Relay, messages: dict[bytes, bytes]) -> None:
    async with await aio_pika.connect(relay.amqp_url) as connection:
        await wire.send(connection, (f"{relay.prefix}.requests", "job.start"), *messages.items())
