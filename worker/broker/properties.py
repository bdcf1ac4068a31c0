"""A message's properties, read and written so that nothing a sender puts there stops anybody.

The broker hands on what it never looked into: text that is no UTF-8, moments that no calendar has, nesting
without end. At each the library ends the connection, and the broker delivers the message anew, for ever. So
importing this module makes the library read all that the broker lets through, and write all that was read.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp import decode, encode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from worker.domain.cloud_events import CONTENT_TYPE, PREFIXES
from worker.domain.events import Event
from worker.domain.messages import Message
from worker.domain.policy.custody import OF_THE_BROKER, USER_ID, Custody

PERSISTENT = 2
LEFT_OUT = "jobrelay-headers-left-out"
REFUSED = "jobrelay-properties-refused"
USER_REFUSED = "user_id property"  # in RabbitMQ's words, where it knows the connection by another name
_OURS = "jobrelay-"
# A frame holds 131,072 bytes: the headers, the other properties and what surrounds them.
_HEADERS_MOST = 120_000
_SHORT_MOST = 255
# Python's stack ends long before a frame does: a level takes five bytes.
_DEEPEST = 32
# The broker routes by the one and closes the channel over the other: what a sender says is told, not obeyed.
_OBEYED = {"CC": "jobrelay-cc", "BCC": "jobrelay-bcc"}
_NOBODYS_QUEUE = "amq.rabbitmq.reply-to"
_WHY_MOST = 500
_FLAGS = 0xFFFC  # the broker ignores the other two bits, the library takes one for "more flags follow"


def message_of(delivered: DeliveredMessage) -> Message:
    """The library's message in our words."""
    properties = delivered.header.properties
    return Message(
        body=delivered.body,
        headers=properties.headers or {},
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        message_id=properties.message_id,
        user_id=properties.user_id,
        type=properties.message_type,
        app_id=properties.app_id,
        priority=properties.priority,
        timestamp=properties.timestamp,
        exchange=delivered.exchange or "",
        routing_key=delivered.routing_key or "",
        redelivered=bool(delivered.redelivered),
    )


def properties_of(
    message: Message, headers: Mapping[str, Any], custody: Custody | None = None
) -> Basic.Properties:
    """What *message* is sent on with: its own properties, and *headers* over its own headers.

    By *custody* it goes under our user's name, which tells whose it is.
    """
    theirs = message.headers.items()
    kept = {_OBEYED.get(name, name): value for name, value in theirs if not name.startswith(OF_THE_BROKER)}
    # The broker refuses a user id that is not the connection's own.
    sent_by = {USER_ID: message.user_id} if message.user_id else {}
    if custody:
        kept.pop(USER_ID, None)  # whoever wrote that
        sent_by = custody.headers(message)
    return Basic.Properties(
        content_type=short(message.content_type),
        content_encoding=short(message.content_encoding),
        headers=_fitting(kept, {**sent_by, **headers}),
        delivery_mode=PERSISTENT,
        priority=message.priority,
        correlation_id=short(message.correlation_id),
        reply_to=None if message.reply_to == _NOBODYS_QUEUE else short(message.reply_to),
        message_id=short(message.message_id),
        timestamp=message.timestamp,
        message_type=short(message.type),
        app_id=short(message.app_id),
        user_id=custody.user if custody else None,
    )


def bare_properties_of(
    message: Message, headers: Mapping[str, Any], custody: Custody | None, why: str
) -> Basic.Properties:
    """What *message* is sent on with when the broker refuses its own properties, and *why* it did.

    What tells who it is and of earlier attempts stays: without it the request would pass for another one.
    """
    ours = {name: value for name, value in message.headers.items() if name.startswith(_OURS)}
    bare = replace(message, headers=ours, reply_to=None)
    known = None if USER_REFUSED in why else custody
    return properties_of(bare, {**headers, REFUSED: why[:_WHY_MOST]}, known)


def properties_of_event(event: Event) -> Basic.Properties:
    """What an event is sent with: a binary CloudEvent's headers, each at most 255 bytes."""
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "time": event.time,
        "subject": event.subject,
    }
    return Basic.Properties(
        content_type=CONTENT_TYPE,
        delivery_mode=PERSISTENT,
        correlation_id=short(event.sender.correlation_id),
        # A tracestate that is cut would be another one; it has at most 512 characters.
        headers={
            **{PREFIXES[0] + name: short(value) for name, value in attributes.items() if value},
            **event.sender.trace_headers,
        },
        app_id="jobrelay",
    )


def short(text: str | None) -> str | None:
    """*text* as far as a short string holds it: 255 bytes of UTF-8, no half characters."""
    if text is None or (len(text) <= _SHORT_MOST and text.isascii()):
        return text
    return text.encode(errors="replace")[:_SHORT_MOST].decode(errors="ignore")


def _fitting(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Both, but of *theirs* only the smallest where all would not fit into one frame.

    For a larger one the broker closes the connection, and would do so each time anew. What tells of earlier
    attempts goes first: without it a message would pass for a fresh one.
    """
    room = _HEADERS_MOST - len(encode.field_table(ours))
    if len(encode.field_table(theirs)) <= room:
        return {**theirs, **ours}
    sizes = {name: len(encode.field_table({name: value})) for name, value in theirs.items()}
    kept: dict[str, Any] = {}
    for name in sorted(sizes, key=lambda name: (not name.startswith(_OURS), sizes[name], name)):
        if sizes[name] < room:
            room -= sizes[name]
            kept[name] = theirs[name]
    return {**kept, **ours, LEFT_OUT: len(theirs) - len(kept)}


def _read_header(header: ContentHeader, data: bytes) -> None:
    header.class_id, header.weight, header.body_size, flags = struct.unpack_from(">HHQH", data)
    header.properties.unmarshal(flags & _FLAGS, data[14:])


def _read_short(data: bytes) -> tuple[int, str]:
    end = 1 + data[0]
    return end, _text(data[1:end])


def _text(raw: bytes) -> str:
    """UTF-8, or else Latin-1, which has a letter for every byte."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return short(raw.decode("latin-1")) or ""


def _read_moment(data: bytes) -> tuple[int, datetime | None]:
    """A moment; none where no calendar has it."""
    try:
        return decode.timestamp(data)
    except (ValueError, OverflowError, OSError):
        return 8, None


def _read_table(data: bytes, depth: int = 0) -> tuple[int, dict[str, Any]]:
    table: dict[str, Any] = {}
    at, end = 4, _end(data, 0)
    while at < end:
        begin = at + 1 + data[at]
        name = _text(data[at + 1 : begin])
        at, table[name] = _read_value(data, begin, depth)
    return end, table


def _read_array(data: bytes, depth: int = 0) -> tuple[int, list[Any]]:
    values: list[Any] = []
    at, end = 4, _end(data, 0)
    while at < end:
        at, value = _read_value(data, at, depth)
        values.append(value)
    return end, values


def _read_value(data: bytes, at: int, depth: int) -> tuple[int, Any]:
    """Where the value at *at* ends, and the value. What is nested too deep is left as its bytes."""
    kind, at = data[at : at + 1], at + 1
    if kind not in _SIZED:
        size, value = decode.TABLE_MAPPING[kind](data[at : at + 8])
        return at + size, value
    end = _end(data, at)
    if kind not in _NESTED:
        return end, decode.TABLE_MAPPING[kind](data[at:end])[1]
    if depth == _DEEPEST:
        return end, data[at + 4 : end]
    return end, _NESTED[kind](data[at:end], depth + 1)[1]


def _end(data: bytes, at: int) -> int:
    return at + 4 + int.from_bytes(data[at : at + 4])


def _write_value(value: Any) -> bytes:
    """As the library writes it, but doubles as doubles, bytes as they came, and anything else as text."""
    if isinstance(value, float):
        return b"d" + encode.double(value)
    if not isinstance(value, bytes):
        try:
            return _library_writes(value)
        except (TypeError, ValueError, OverflowError, struct.error):
            value = str(value).encode(errors="replace")
    return b"".join((b"S", len(value).to_bytes(4), value))


_NESTED: dict[bytes, Callable[..., Any]] = {b"F": _read_table, b"A": _read_array}
_SIZED = {b"S", b"x", *_NESTED}
_library_writes: Callable[[Any], bytes] = encode.encode_table_value
ContentHeader.unmarshal = _read_header  # type: ignore[assignment, method-assign]
decode.METHODS |= {"shortstr": _read_short, "timestamp": _read_moment, "table": _read_table}
decode.TABLE_MAPPING |= {b"T": _read_moment, **_NESTED}
encode.encode_table_value = _write_value
