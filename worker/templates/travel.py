"""How an event comes to our queue, goes round, and leaves as requests: what is known of it goes along. Pure.

An event that goes round a delay queue, or comes back out of the dead letters, no longer tells by itself where
it was published. Two headers do then; under a policy they count only where we, or somebody believed, wrote
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from worker.domain.messages import ATTEMPT, REPLAYS, Message, Past
from worker.domain.outcomes import DELAYS
from worker.domain.policy.custody import EVENT_EXCHANGE, EVENT_KEY, FINGERPRINT
from worker.domain.trace import trace_of
from worker.templates.make import Made

ROUNDS = DELAYS[:3]
"""How long, in seconds, an event waits each time that no template of this worker is for it."""
_NAMESPACE = uuid5(NAMESPACE_URL, "urn:jobrelay:template")


@dataclass(frozen=True, slots=True)
class Places:
    """Names on the broker: the *queue* of events, and the exchange by which they come *back* to it."""

    queue: str
    back: str


def origin_of(message: Message, places: Places) -> Message | None:
    """*message* as its application published it; None where that is not known."""
    if message.exchange not in ("", places.back):
        return message
    exchange, key = message.headers.get(EVENT_EXCHANGE), message.headers.get(EVENT_KEY)
    if not isinstance(exchange, str) or not isinstance(key, str) or not exchange:
        return None
    return replace(message, exchange=exchange, routing_key=key)


def at_home(message: Message, origin: Message | None, places: Places) -> Message:
    """*message* as one of our queue, which it comes back to from wherever it is sent."""
    known = {EVENT_EXCHANGE: origin.exchange, EVENT_KEY: origin.routing_key} if origin else {}
    return replace(message, exchange="", routing_key=places.queue, headers={**message.headers, **known})


def lap(past: Past) -> int | None:
    """For how many seconds an event that nobody here is for goes round; None: it was round often enough.

    While templates change, workers know different ones: the next to have it may be one that is for it.
    """
    return ROUNDS[past.attempt - 1] if past.attempt <= len(ROUNDS) else None


def correlation_of(event: Message) -> str | None:
    """The correlation id of what is made, or told, of *event*: its sender knows it by that."""
    return event.correlation_id or event.message_id


def request_of(made: Made, event: Message, user: str, life: Mapping[str, Any], now: float) -> Message:
    """The message that asks for what was *made* of *event*: the same one, whenever that is.

    It is *user*'s, the worker's own, and *life* has the headers that tell of an earlier one (`life_of`).
    """
    trace = trace_of(event.headers)
    return Message(
        body=made.body,
        headers={**(trace.headers if trace else {}), **life, **_fingerprint(made)},
        content_type="application/json",
        correlation_id=correlation_of(event),
        message_id=str(uuid5(_NAMESPACE, f"{made.template}|{made.kind}|{made.request_id}")),
        user_id=user,
        app_id="jobrelay",
        timestamp=datetime.fromtimestamp(now, UTC),
    )


def _fingerprint(made: Made) -> dict[str, str]:
    """That of the body without its date, so that what is made again is not taken for another request."""
    if not made.dated:
        return {}
    lasting = {name: value for name, value in made.document.items() if name != "expiresAt"}
    return {FINGERPRINT: sha256(orjson.dumps(lasting)).hexdigest()}


def life_of(event: Message, past: Past, window_s: float, now: float) -> dict[str, Any]:
    """The headers of a request made of *event*: none, unless one may have been made of it before.

    That one may be in somebody's hands: so this one is looked up first, and waits until its POST is done.
    """
    again = event.redelivered or REPLAYS in event.headers
    if not again and ATTEMPT not in event.headers:
        return {}
    sent = event.timestamp.timestamp() if event.timestamp else now
    known = Past(1, 0, 0, min(past.first_at, sent, now), past.safe_at, ())
    return known.after(None, now + window_s if again else past.safe_at, counts=False)
