"""What a sender can put on the wire, byte by byte: more than any client library would write."""

import struct

from aio_pika.abc import AbstractConnection
from aiormq.abc import ChannelFrame
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic

from worker.broker.connection import channel_on

CONTENT_TYPE, HEADERS, CORRELATION_ID, REPLY_TO, MESSAGE_ID = 0x8000, 0x2000, 0x0400, 0x0200, 0x0080
TIMESTAMP, TYPE, APP_ID, CLUSTER_ID = 0x0040, 0x0020, 0x0008, 0x0004
RESERVED = 0x0003


def short(raw: bytes) -> bytes:
    """A short string of any bytes."""
    return bytes([len(raw)]) + raw


def sized(raw: bytes) -> bytes:
    """What a long string, a byte array, a table or an array is made of."""
    return struct.pack(">I", len(raw)) + raw


def properties(flags: int, *values: bytes) -> bytes:
    """A property list; *values* in the order of their flags, the highest first."""
    return struct.pack(">H", flags) + b"".join(values)


def headers(*pairs: tuple[bytes, bytes]) -> bytes:
    """A property list of headers alone, each value with its kind before it."""
    return properties(HEADERS, table(*pairs))


def table(*pairs: tuple[bytes, bytes]) -> bytes:
    """A table: names, and values with their kinds before them."""
    return sized(b"".join(short(name) + value for name, value in pairs))


def nested(levels: int) -> bytes:
    """An array in an array in an array."""
    value = b"V"
    for _ in range(levels):
        value = b"A" + sized(value)
    return value


def header(listed: bytes, size: int = 0) -> bytes:
    """A content header with this property list, for a body of *size* bytes."""
    return struct.pack(">HxxQ", Basic.frame_id, size) + listed


async def send(connection: AbstractConnection, to: tuple[str, str], *messages: tuple[bytes, bytes]) -> None:
    """Publishes each body with its properties *to* an exchange and key; returns when the broker has them."""
    async with channel_on(connection, confirms=False) as channel:
        method = frame.marshal(Basic.Publish(exchange=to[0], routing_key=to[1]), channel.number)
        for body, listed in messages:
            tail = frame.marshal(ContentBody(body), channel.number)
            sent = method + framed(2, channel.number, header(listed, len(body))) + tail
            await channel.write_queue.put(ChannelFrame(sent, should_close=False))
        await channel.basic_qos(prefetch_count=1)


def framed(kind: int, channel: int, content: bytes) -> bytes:
    """A frame: 1 for a method, 2 for a content header."""
    return struct.pack(">BHI", kind, channel, len(content)) + content + b"\xce"
