"""Whatever the broker lets through can be read, and what was read can be written."""

import struct
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import wire
from aiormq.abc import DeliveredMessage
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from worker.broker.properties import LEFT_OUT, message_of, properties_of, properties_of_event
from worker.domain.events import Event, Sender
from worker.domain.messages import ATTEMPT, Message
from worker.domain.trace import Trace

_BAD = b"\xff\xfe"
_AS_TEXT = "\xff\xfe"
_FRAME_MOST = 131_072 - 8
_NOBODYS_DAY = b"\xff" * 8
_TEXTS = {
    wire.CONTENT_TYPE: "content_type",
    wire.CORRELATION_ID: "correlation_id",
    wire.REPLY_TO: "reply_to",
    wire.MESSAGE_ID: "message_id",
    wire.TYPE: "type",
    wire.APP_ID: "app_id",
}


def _read(listed: bytes) -> Message:
    content = wire.header(listed)
    _, _, header = frame.unmarshal(wire.framed(2, 1, content))
    assert isinstance(header, ContentHeader)
    nowhere: Any = None
    return message_of(DeliveredMessage(Basic.Deliver("tag", 1), header, b"", nowhere))


def _carried_on(message: Message) -> Message:
    """The message as whoever takes it out of the dead letters reads it."""
    written = properties_of(message, {}).marshal()
    assert len(written) <= _FRAME_MOST
    return _read(written)


@pytest.mark.parametrize(("flag", "name"), _TEXTS.items(), ids=str)
@pytest.mark.parametrize(("raw", "text"), [(_BAD, _AS_TEXT), (b"\xff" * 255, "\xff" * 127)], ids=["", "long"])
def test_text_that_is_no_utf_8_is_read_as_latin_1(flag: int, name: str, raw: bytes, text: str) -> None:
    """In every short string, as far as it can be written again."""
    message = _read(wire.properties(flag, wire.short(raw)))
    assert getattr(message, name) == text
    assert getattr(_carried_on(message), name) == text


def test_a_routing_key_that_is_no_utf_8_is_read_too() -> None:
    """It comes in the frame of the delivery, and a letter is buried with it."""
    method = struct.pack(">I", Basic.Deliver.index) + wire.short(b"tag") + struct.pack(">QB", 1, 0)
    content = method + wire.short(b"requests") + wire.short(_BAD)
    _, _, deliver = frame.unmarshal(wire.framed(1, 1, content))
    assert isinstance(deliver, Basic.Deliver)
    assert deliver.routing_key == _AS_TEXT


def test_a_moment_that_no_calendar_has_is_none() -> None:
    """As a property and in a header, with what follows it read as ever."""
    message = _read(wire.properties(wire.TIMESTAMP | wire.APP_ID, _NOBODYS_DAY, wire.short(b"me")))
    assert (message.timestamp, message.app_id) == (None, "me")
    message = _read(wire.headers((b"when", b"T" + _NOBODYS_DAY), (b"then", b"t\x01")))
    assert _carried_on(message).headers == {"when": None, "then": True}


@pytest.mark.parametrize("flag", [wire.RESERVED, 0x0001, 0x0002], ids=bin)
def test_flags_that_mean_nothing_to_the_broker_mean_nothing_here(flag: int) -> None:
    """To the library one of them says that more flags follow."""
    assert _read(wire.properties(wire.APP_ID | flag, wire.short(b"me"))).app_id == "me"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"S" + wire.sized(_BAD), _BAD),
        (b"x" + wire.sized(_BAD), bytearray(_BAD)),
        (b"d" + struct.pack(">d", 1e300), 1e300),
        (b"d" + struct.pack(">d", 0.1), 0.1),
        (b"f" + struct.pack(">f", 0.5), 0.5),
        (b"l" + struct.pack(">q", -(2**63)), -(2**63)),
        (b"T" + struct.pack(">Q", 0), datetime(1970, 1, 1, tzinfo=UTC)),
        (b"F" + wire.table((_BAD, b"S" + wire.sized(_BAD))), {_AS_TEXT: _BAD}),
        (b"A" + wire.sized(b"d" + struct.pack(">d", -1e300) + b"V"), [-1e300, None]),
    ],
    ids=str,
)
def test_a_header_is_carried_on_as_it_came(value: bytes, read: Any) -> None:
    """Bytes as bytes, a double without loss, and the same within tables and arrays."""
    message = _read(wire.headers((b"theirs", value), (_BAD, b"t\x01")))
    assert message.headers == {"theirs": read, _AS_TEXT: True}
    assert _carried_on(message).headers == message.headers


def test_nesting_ends_somewhere() -> None:
    """What is deeper than anybody means it stays bytes: Python's stack ends before a frame does."""
    value: Any = _carried_on(_read(wire.headers((b"deep", wire.nested(20_000))))).headers["deep"]
    levels = 0
    while isinstance(value, list):
        (value,) = value
        levels += 1
    assert levels < 100
    assert isinstance(value, bytes)


def test_headers_that_fill_a_frame_make_room_for_ours() -> None:
    """The signs of earlier attempts stay, however many smaller headers there are; the loss is counted."""
    many = [(f"{n:x}".encode(), b"V") for n in range(21_000)]
    message = _read(wire.headers((ATTEMPT.encode(), b"b\x02"), *many))
    carried = _carried_on(message).headers
    assert carried[ATTEMPT] == 2
    assert 0 < carried[LEFT_OUT] == len(many) + 2 - len(carried)


_LEAVES = st.one_of(
    st.binary(max_size=40).map(lambda raw: b"S" + wire.sized(raw)),
    st.binary(max_size=9).map(lambda raw: b"x" + wire.sized(raw)),
    *(
        st.binary(min_size=size, max_size=size).map(lambda raw, kind=kind: kind + raw)  # type: ignore[misc]
        for size, kinds in {0: b"V", 1: b"tbB", 2: b"su", 4: b"Iif", 5: b"D", 8: b"lLdT"}.items()
        for kind in (bytes([one]) for one in kinds)
    ),
)
_NAMES = st.binary(max_size=255)
_VALUES = st.recursive(
    _LEAVES,
    lambda values: st.one_of(
        st.lists(values).map(lambda parts: b"A" + wire.sized(b"".join(parts))),
        st.lists(st.tuples(_NAMES, values), max_size=5).map(lambda pairs: b"F" + wire.table(*pairs)),
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=8), _NAMES)
def test_nothing_that_can_be_sent_cannot_be_carried_on(pairs: list[tuple[bytes, bytes]], raw: bytes) -> None:
    """Any bytes of any kind under any name; and what was written once is read the same ever after."""
    listed = wire.properties(wire.HEADERS | wire.MESSAGE_ID, wire.table(*pairs), wire.short(raw))
    first = _carried_on(_read(listed))
    assert repr(_carried_on(first)) == repr(first)


def test_what_cannot_be_written_goes_as_text() -> None:
    """A header of ours never stops a letter: half characters and numbers without end neither."""
    odd = {"half": "\ud800", "huge": 10**30, "set": {1}, "nested": [10**30]}
    written = _carried_on(replace(Message(body=b""), headers=odd)).headers
    assert written == {"half": "?", "huge": str(10**30), "set": "{1}", "nested": [str(10**30)]}


def test_an_event_never_exceeds_a_frame() -> None:
    """What a server or a sender may have written into its headers is cut to what a short string holds."""
    long = "ü\ud800" * 100_000
    sender = Sender("r-1", correlation_id=long, trace=Trace("p" * 55, "s" * 512))
    event = Event("job-created.v1", "job.created", long, long, long, long, {}, sender)
    message = _read(properties_of_event(event).marshal())
    assert message.correlation_id == ("ü?" * 85)
    assert {len(str(value).encode()) for value in message.headers.values()} <= {3, 23, 55, 255, 512}
    assert message.headers["tracestate"] == "s" * 512


def test_what_the_broker_routes_by_is_told_and_not_obeyed() -> None:
    """Of two headers of one name the broker checks the first and the library reads the last."""
    kinds = b"A" + wire.sized(b""), b"S" + wire.sized(b"x")
    twice = ((name, kind) for name in (b"CC", b"BCC") for kind in kinds)
    message = replace(_read(wire.headers(*twice)), reply_to="amq.rabbitmq.reply-to")
    carried = _carried_on(message)
    assert (carried.headers, carried.reply_to) == ({"jobrelay-cc": "x", "jobrelay-bcc": "x"}, None)
