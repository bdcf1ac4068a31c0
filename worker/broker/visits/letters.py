"""A dead letter: what its headers say of its death, and where it goes when it is sent again.

A worker writes them when it buries a message, and only then are they believed: such a message names the
exchange of the dead letters as its own. RabbitMQ puts messages there too. One that no queue took names the
exchange it was sent to, and has nothing but its sender's headers. One out of a queue has an `x-death` whose
first entry has the broker's reason and queue; where the sender has foretold it, the rest is the sender's.
"""

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from worker.broker.topology import REQUEST_KEYS, Topology
from worker.domain.failures import Code
from worker.domain.messages import (
    ATTEMPT,
    FIRST_AT,
    LETTER_ID,
    REPLAYS,
    VIOLATIONS,
    Message,
    replayed,
)
from worker.domain.policy.custody import EVENT_EXCHANGE, EVENT_KEY

_COMES_BACK = "the message itself is at fault: unless its cause is mended, it comes back"
_REMEDIES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            Code.INVALID_JSON,
            Code.INVALID_REQUEST,
            Code.TOO_LARGE,
            Code.WRONG_CONTENT_TYPE,
            Code.REQUEST_ID_MISSING,
            Code.ARGUMENTS_TOO_LONG,
        ),
        f"{_COMES_BACK}; send it anew as it should be, and drop this letter",
    ),
    Code.TEMPLATE_FAILED: "mend the template, or what sends the event, before a replay: else it comes back",
}


class NoPlace(Exception):
    """A letter cannot be sent again as it is: it would come straight back. The text says what it needs."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter and what is known of its death. *id* is a UUID, the same at every look."""

    id: str
    code: str
    detail: str | None
    violations: tuple[Mapping[str, str], ...]
    exchange: str
    routing_key: str
    attempt: int
    replays: int
    first_at: str | None
    last_at: str | None
    host: str | None
    buried: bool
    """True when a worker wrote what is said here: nobody else can have."""
    died_in: str | None
    """The queue that the broker took it out of; None where it did not."""
    message: Message

    @classmethod
    def of(cls, message: Message, topology: Topology) -> "Letter":
        """Reads a letter's headers. What they say of a burial counts only where a worker was the last."""
        came_by_us = message.exchange == topology.dead
        death = _last_death(message) if came_by_us else {}
        buried = came_by_us and "x-death" not in message.headers and "jobrelay-code" in message.headers
        read = _text if buried else _nothing
        exchange, key = _origin(message, death)
        return cls(
            id=_id(read(message, LETTER_ID)) or _fingerprint(message),
            code=read(message, "jobrelay-code") or _cause(death),
            detail=read(message, "jobrelay-detail") or _circumstances(message, death),
            violations=_violations(read(message, VIOLATIONS)),
            exchange=exchange if (own := read(message, "jobrelay-exchange")) is None else own,
            routing_key=key if (own := read(message, "jobrelay-routing-key")) is None else own,
            attempt=_number(message, ATTEMPT),
            replays=_number(message, REPLAYS),
            first_at=_text(message, FIRST_AT) or _sent_at(message),
            last_at=read(message, "jobrelay-last-at") or _died_at(death),
            host=read(message, "jobrelay-host"),
            buried=buried,
            died_in=str(death.get("queue")) if death else None,
            message=message,
        )

    @property
    def remedy(self) -> str | None:
        """What has to be done for a replay not to be in vain; None where the code does not tell."""
        if not self.buried and self.code == Code.UNKNOWN_ROUTING_KEY:
            return f"replay it with --routing-key {_nearest(self.routing_key)[0]}, or what else is meant"
        return _REMEDIES.get(self.code)

    def place(self, topology: Topology, routing_key: str | None) -> tuple[str, str]:
        """The exchange and routing key that it is sent to again: where it came from, in its sender's words.

        A *routing_key* is for requests, whatever their own was. Raises `NoPlace` where no queue takes it, and
        where it would go to a place that only its sender has named: it goes with the operator's rights.
        """
        if self.died_in == topology.templates:  # an event, whatever its application's words for it
            return "", topology.templates
        if self.exchange == "" and self.routing_key in _worked_off(topology):
            return "", self.routing_key
        inside = ("", topology.requests, topology.retry, topology.dead)
        if self.buried and self.exchange not in inside and routing_key is None:
            return self.exchange, self.routing_key
        key = routing_key or self.routing_key
        if key not in REQUEST_KEYS:
            known = ", ".join(REQUEST_KEYS)
            raise NoPlace(f"no queue takes '{key}': it needs a --routing-key that one takes ({known})")
        return topology.requests, key

    def again(self, topology: Topology, believed: Callable[[Message], Message], now: float) -> Message:
        """The message that is sent to its `place`.

        An application's event that the broker took out of our queue tells its exchange and routing key as one
        that goes round does; of its own headers only what is *believed* of them goes along.
        """
        if self.died_in != topology.templates:
            return replayed(self.message, now)
        known, message = {}, believed(self.message)
        if self.exchange not in ("", topology.retry):
            known = {EVENT_EXCHANGE: self.exchange, EVENT_KEY: self.message.routing_key}
        return replayed(replace(message, headers={**message.headers, **known}), now)


def _worked_off(topology: Topology) -> set[str]:
    return {queue.name for queue in topology.queues()} - {topology.dead_letters, topology.audit}


def _nothing(_message: Message, _header: str) -> str | None:
    return None


def _text(message: Message, header: str) -> str | None:
    """A header's text. What no queue took has its sender's headers, so there may be anything else."""
    value = message.headers.get(header)
    return value if isinstance(value, str) else None


def _number(message: Message, header: str) -> int:
    value = message.headers.get(header)
    return value if isinstance(value, int) else 0


def _id(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None


def _violations(text: str | None) -> tuple[Mapping[str, str], ...]:
    try:
        rows = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return ()
    whole = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    return tuple(rows) if whole else ()


def _last_death(message: Message) -> Mapping[str, Any]:
    deaths = message.headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else {}
    return last if isinstance(last, dict) else {}


def _origin(message: Message, death: Mapping[str, Any]) -> tuple[str, str]:
    """Where it was published before the broker took it out of its queue."""
    if not death:
        return message.exchange, message.routing_key
    if not death.get("exchange"):
        return "", str(death.get("queue"))
    keys = death.get("routing-keys")
    key = keys[0] if isinstance(keys, list) and keys else message.routing_key
    return str(death["exchange"]), str(key)


def _cause(death: Mapping[str, Any]) -> str:
    return f"broker_{death.get('reason', 'unknown')}" if death else Code.UNKNOWN_ROUTING_KEY


def _circumstances(message: Message, death: Mapping[str, Any]) -> str:
    if death:
        return f"RabbitMQ itself took it out of queue {death.get('queue')}"
    known = ", ".join(_nearest(message.routing_key))
    return (
        f"nothing is bound to '{message.exchange}' for routing key '{message.routing_key}'; it takes {known}"
    )


def _nearest(key: str) -> list[str]:
    """The routing keys of requests, those first that are most like *key*."""
    return sorted(REQUEST_KEYS, key=lambda one: -difflib.SequenceMatcher(None, one, key).ratio())


def _sent_at(message: Message) -> str | None:
    return message.timestamp.isoformat() if message.timestamp else None


def _died_at(death: Mapping[str, Any]) -> str | None:
    at = death.get("time")
    return at.isoformat() if isinstance(at, datetime) else None


def _fingerprint(message: Message) -> str:
    """An id for a letter that got none: the same letter has the same one at every look."""
    known = f"{message.exchange}\n{message.routing_key}\n{message.message_id}\n{message.timestamp}\n"
    return str(uuid5(NAMESPACE_URL, hashlib.sha256(known.encode() + message.body).hexdigest()))
