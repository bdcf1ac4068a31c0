"""An application's message as the expressions of templates see it."""

import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from worker.domain.failures import Code, Rejected
from worker.domain.messages import Message
from worker.templates.event import read

NOW = 1_795_000_000.0
CLOUD = "application/cloudevents+json"


def test_an_event_is_seen_whole() -> None:
    """Body and properties, and of the headers what is JSON."""
    message = Message(
        body=b'{"a": [1]}',
        headers={"b": b"\xff", "n": None, "t": {"m": [datetime(2026, 1, 1, tzinfo=UTC), Decimal("1.5")]}},
        content_type="application/vnd.x+json; charset=utf-8",
        exchange="x",
        routing_key="k",
        message_id="m",
        type="created",
        timestamp=datetime(2026, 11, 22, tzinfo=UTC),
    )
    event = read(message, NOW)
    assert event.scope == {
        "data": {"a": [1]},
        "headers": {"b": "�", "n": None, "t": {"m": ["2026-01-01T00:00:00+00:00", 1.5]}},
        "exchange": "x",
        "routingKey": "k",
        "messageId": "m",
        "correlationId": None,
        "type": "created",
        "appId": None,
        "timestamp": "2026-11-22T00:00:00.000Z",
        "cloudEvent": None,
    }
    assert event.moment == message.timestamp


def test_a_delivery_leaves_no_trace_in_an_event() -> None:
    """The same event makes the same requests, however often it comes, and by whichever way."""
    once, again = (
        read(Message(body=b"{}", headers={"h": 1, **more}, redelivered=bool(more)), NOW)
        for more in ({}, {"x-delivery-count": 3, "x-acquired-count": 4, "jobrelay-replays": 1})
    )
    assert once == again


def test_a_header_that_only_begins_as_one_of_the_way_is_seen() -> None:
    """The broker takes CC and BCC off; a currency is the application's."""
    headers = {"CC": ["k"], "BCC": ["l"], "CCY": "EUR", "BCCode": 7}
    assert read(Message(body=b"{}", headers=headers), NOW).scope["headers"] == {"CCY": "EUR", "BCCode": 7}


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'{"specversion": "1.0", "id": "1", "data": {"a": 1}}', {"a": 1}),
        (b'{"specversion": "1.0", "id": "1", "data": "text"}', "text"),
        (b'{"specversion": "1.0", "id": "1"}', None),
        (b'{"id": "1", "data_base64": "%s"}' % base64.b64encode(b'{"a": 2}'), {"a": 2}),
    ],
)
def test_a_structured_cloud_event(body: bytes, data: Any) -> None:
    """Its data are the event's; its attributes stand beside them."""
    scope = read(Message(body=body, content_type=CLOUD), NOW).scope
    assert scope["data"] == data
    assert scope["cloudEvent"] == {"id": "1", "type": None, "source": None, "subject": None, "time": None}


@pytest.mark.parametrize("prefix", ["cloudEvents_", "cloudEvents:", "ce-"])
def test_a_binary_cloud_event(prefix: str) -> None:
    """Its attributes are headers; the body is its data. Its time says when it happened."""
    headers = {f"{prefix}{name}": value for name, value in _ATTRIBUTES.items()}
    event = read(Message(body=b"[1]", headers={f"{prefix}specversion": "1.0", **headers}), NOW)
    assert event.scope["data"] == [1]
    assert event.scope["cloudEvent"] == {**_ATTRIBUTES, "subject": None}
    assert event.moment == datetime(2026, 11, 22, 8, tzinfo=UTC)


_ATTRIBUTES = {"id": "1", "type": "t", "source": "/s", "time": "2026-11-22T08:00:00Z"}


@pytest.mark.parametrize(
    "body", [b"", b"not JSON", b"\xff", b"[" * 65 + b"]" * 65, b'{"a": NaN}', b'{"a": 1, "a": 2}']
)
def test_whoever_sent_no_json_is_told_of_an_event(body: bytes) -> None:
    """They know of no request: that is what would have been made of it."""
    with pytest.raises(Rejected) as raised:
        read(Message(body=body), NOW)
    said = f"{raised.value.detail} {raised.value.remedy}"
    assert "request" not in said
    assert "body" in said or "key /a" in said or "NaN" in said


@pytest.mark.parametrize(
    ("body", "properties", "code"),
    [
        (b"", {}, Code.INVALID_JSON),
        (b"\xff", {}, Code.INVALID_JSON),
        (b"not JSON", {}, Code.INVALID_JSON),
        (b'{"a": NaN}', {}, Code.INVALID_JSON),
        (b'{"a": 1, "a": 2}', {}, Code.INVALID_JSON),
        (b"[" * 65 + b"]" * 65, {}, Code.INVALID_JSON),
        (b"[" * 1_000_000, {}, Code.INVALID_JSON),
        (b'"' + b"x" * 1_048_576 + b'"', {}, Code.TOO_LARGE),
        (b"{}", {"content_type": "text/plain"}, Code.WRONG_CONTENT_TYPE),
        (b"{}", {"content_encoding": "gzip"}, Code.WRONG_CONTENT_TYPE),
        (b"[]", {"content_type": CLOUD}, Code.INVALID_REQUEST),
        (b'{"data_base64": 1}', {"content_type": CLOUD}, Code.INVALID_REQUEST),
        (b'{"data_base64": "e30"}', {"content_type": CLOUD}, Code.INVALID_REQUEST),
        (b'{"data_base64": "/w=="}', {"content_type": CLOUD}, Code.INVALID_JSON),
    ],
)
def test_a_hostile_event_is_refused(body: bytes, properties: dict[str, Any], code: Code) -> None:
    """What is no event says so, and is nobody's crash."""
    with pytest.raises(Rejected) as raised:
        read(Message(body=body, **properties), NOW)
    assert raised.value.code is code
