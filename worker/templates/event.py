"""An application's event, as the expressions of templates see it. Pure.

The event may be any JSON, or a CloudEvent (structured, or binary by its headers). The same event looks the
same however often it is delivered.
"""

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from worker.contracts import parse
from worker.domain.cloud_events import CONTENT_TYPE as CLOUD_EVENT
from worker.domain.cloud_events import PREFIXES
from worker.domain.events import OURS, rfc3339
from worker.domain.failures import Code, Rejected
from worker.domain.messages import Message
from worker.domain.policy.custody import OF_THE_BROKER
from worker.pipeline.validate import LARGEST, UNCOMPRESSED

SEEN = (
    "data",
    "headers",
    "exchange",
    "routingKey",
    "messageId",
    "correlationId",
    "type",
    "appId",
    "timestamp",
    "cloudEvent",
)
"""What an expression sees, by name."""
_ASKED = "the event as JSON"
_JSON = "application/json"
_ATTRIBUTES = ("id", "type", "source", "subject", "time")
# How the names begin of what Jobrelay and the broker add to an event on its way; and what they take off it.
_ADDED, _TAKEN_OFF = ("jobrelay-", *OF_THE_BROKER), ("CC", "BCC")


@dataclass(frozen=True, slots=True)
class Event:
    """*scope* is what an expression sees (schema `template.v1`); *moment* is when it happened.

    Where the event does not say that itself, *timed* is false: when it is read again, *moment* may be later.
    """

    scope: Mapping[str, Any]
    moment: datetime
    timed: bool = True


def read(message: Message, now: float) -> Event:
    """The event that *message* carries, or raises `Rejected`.

    At most 1 MiB of UTF-8 JSON, 64 deep, without repeated keys. *now* (epoch seconds) is when it happened,
    where it does not say.
    """
    kind = _content(message)
    body = parse(message.body, _ASKED)
    data, cloud_event = body, _binary(message.headers)
    if kind == CLOUD_EVENT:
        data, cloud_event = _structured(body)
    sent = message.timestamp
    scope = {
        "data": data,
        "headers": _headers(message.headers),
        "exchange": message.exchange,
        "routingKey": message.routing_key,
        "messageId": message.message_id,
        "correlationId": message.correlation_id,
        "type": message.type,
        "appId": message.app_id,
        "timestamp": rfc3339(sent.timestamp()) if sent else None,
        "cloudEvent": cloud_event,
    }
    said = _moment((cloud_event or {}).get("time")) or sent
    return Event(scope, said or datetime.fromtimestamp(now, UTC), timed=said is not None)


def name_of(message: Message) -> str:
    """Names what was published, by all that templates may see of it, and how often it comes is no part of it.

    Two events of which nothing can be told apart have one name.
    """
    seen = (
        message.exchange,
        message.routing_key,
        message.content_type,
        message.content_encoding,
        message.message_id,
        message.correlation_id,
        message.type,
        message.app_id,
        message.timestamp.isoformat() if message.timestamp else None,
        _headers(message.headers),
        sha256(message.body).hexdigest(),
    )
    return sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def tells_of_a_template(event: Event) -> bool:
    """True for an event of Jobrelay's own that tells of a request that a template made, or could not make.

    A template that made another request of it could go on so for ever.
    """
    data, cloud_event = event.scope["data"], event.scope["cloudEvent"] or {}
    if not isinstance(data, dict) or not str(cloud_event.get("type")).startswith(OURS):
        return False
    metadata = data.get("metadata")
    return isinstance(metadata, dict) and "template" in metadata


def _content(message: Message) -> str:
    """The content type, without parameters; only its size and what cannot be JSON at all are refused."""
    size = len(message.body)
    if size > LARGEST:
        raise Rejected(
            Code.TOO_LARGE,
            f"the event has {size:,} bytes; at most {LARGEST:,} are read",
            "send big data as a file or a link, and name it in the event",
        )
    kind = (message.content_type or _JSON).partition(";")[0].strip().lower()
    encoding = (message.content_encoding or "identity").strip().lower()
    if encoding not in UNCOMPRESSED or not (kind == _JSON or kind.endswith("+json")):
        raise Rejected(
            Code.WRONG_CONTENT_TYPE,
            f"an event of the content type '{kind[:100]}', encoded as '{encoding[:100]}', is not read here",
            f"send uncompressed JSON, and say so: {_JSON}, or {CLOUD_EVENT}",
        )
    return kind


def _structured(body: Any) -> tuple[Any, dict[str, Any]]:
    if not isinstance(body, dict):
        raise Rejected(Code.INVALID_REQUEST, "the CloudEvent must be a JSON object", "see CloudEvents 1.0")
    attributes = {name: body.get(name) for name in _ATTRIBUTES}
    if "data_base64" not in body:
        return body.get("data"), attributes
    try:
        data = base64.b64decode(body["data_base64"], validate=True)
    except (TypeError, ValueError):
        raise Rejected(
            Code.INVALID_REQUEST, "the CloudEvent's data_base64 is not base64 text", "send it as data"
        ) from None
    return parse(data, _ASKED), attributes


def _binary(headers: Mapping[str, Any]) -> dict[str, Any] | None:
    for prefix in PREFIXES:
        if f"{prefix}specversion" in headers:
            return {name: _plain(headers.get(prefix + name)) for name in _ATTRIBUTES}
    return None


def _headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Without what tells one delivery of a message from the next."""
    kept = (name for name in headers if name not in _TAKEN_OFF and not name.startswith(_ADDED))
    return {name: _plain(headers[name]) for name in kept}


def _plain(value: Any) -> Any:
    """A header's value as JSON has it: bytes as text, moments as RFC 3339."""
    match value:
        case dict():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case bytes() | bytearray():
            return value.decode(errors="replace")
        case datetime():
            return value.isoformat()
        case float() | Decimal():
            return float(value) if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)


def _moment(text: Any) -> datetime | None:
    """A CloudEvent's time, if it is one; none without an offset."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
