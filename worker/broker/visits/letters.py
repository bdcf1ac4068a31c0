"""The dead letters: looked at without being moved, sent again, or dropped.

Whoever looks holds the letters for a moment; they return to their places when the look ends.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel

from worker.broker.connection import channel_on
from worker.broker.topology import Topology
from worker.broker.visits.tap import Reading, reading
from worker.broker.visits.visit import Sender
from worker.domain.failures import Code
from worker.domain.messages import ATTEMPT, FIRST_AT, REPLAYS, Message

MOST = 65_535  # a prefetch has 16 bits
_QUIET_S = 1.0
_ASKED_AGAIN, _ASKED_MOST, _AGAIN_AFTER_S = 3, 20, 0.1
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter and what is known of its death."""

    id: str
    code: str
    detail: str | None
    exchange: str
    routing_key: str
    attempt: int
    replays: int
    first_at: str | None
    last_at: str | None
    host: str | None
    message: Message

    @classmethod
    def of(cls, message: Message) -> "Letter":
        """Reads a letter's headers. Without ours it came by the broker's hand."""
        exchange, key = _origin(message)
        sent_at = message.timestamp.isoformat() if message.timestamp else None
        return cls(
            id=_text(message, "jobrelay-dead-letter-id") or _fingerprint(message),
            code=_text(message, "jobrelay-code") or _death(message),
            detail=_text(message, "jobrelay-detail") or _unburied(message),
            exchange=exchange if (own := _text(message, "jobrelay-exchange")) is None else own,
            routing_key=key if (own := _text(message, "jobrelay-routing-key")) is None else own,
            attempt=_number(message, ATTEMPT),
            replays=_number(message, REPLAYS),
            first_at=_text(message, FIRST_AT) or sent_at,
            last_at=_text(message, "jobrelay-last-at"),
            host=_text(message, "jobrelay-host"),
            message=message,
        )


class DeadLetters:
    """The letters that were in the queue when the look began, held until it ends."""

    def __init__(self, messages: Reading, count: int) -> None:
        self._messages = messages
        self._tags: dict[int, int] = {}
        self.count = count
        """How many there were to look at; others may hold some of them."""

    async def __aiter__(self) -> AsyncIterator[Letter]:
        """Each letter once, oldest first; ends when all are seen, or when none comes for a second."""
        for _ in range(min(self.count, MOST)):
            try:
                async with asyncio.timeout(_QUIET_S):
                    tag, message = await self._messages.next()
            except TimeoutError:
                return
            letter = Letter.of(message)
            self._tags[id(letter)] = tag
            yield letter

    async def drop(self, letter: Letter) -> None:
        """Takes a letter off the queue for good."""
        await self._messages.ack(self._tags.pop(id(letter)))

    async def replay(self, letter: Letter, sender: Sender, routing_key: str | None = None) -> None:
        """Sends a letter to where it was first published, or to *routing_key* there, then takes it off.

        Its attempts begin anew; what is known of earlier ones stays, so that it is looked up before a start.
        """
        message = letter.message
        headers = {name: value for name, value in message.headers.items() if name != ATTEMPT}
        again = replace(message, headers={**headers, REPLAYS: letter.replays + 1})
        await sender.send(letter.exchange, routing_key or letter.routing_key, again)
        await self.drop(letter)


@asynccontextmanager
async def dead_letters(connection: AbstractConnection, topology: Topology) -> AsyncIterator[DeadLetters]:
    """Holds the dead letters for the time of the block; what is left of them returns to its places."""
    async with channel_on(connection, confirms=False) as channel:
        count = await _count(channel, topology.dead_letters)
        ahead = max(1, min(count, MOST))
        yield DeadLetters(await reading(channel, topology.dead_letters, ahead), count)


async def _count(channel: Channel, queue: str) -> int:
    """How many there are, once the broker says the same thrice: what a look returned comes back by and by."""
    said: list[int] = []
    for _ in range(_ASKED_MOST):
        found = await channel.queue_declare(queue, passive=True, timeout=_TIMEOUT_S)
        said.append(found.message_count or 0)
        if said[-_ASKED_AGAIN:] == [said[-1]] * _ASKED_AGAIN:
            break
        await asyncio.sleep(_AGAIN_AFTER_S)
    return said[-1]


def _text(message: Message, header: str) -> str | None:
    """A header's text. What no queue took has its sender's headers, so there may be anything else."""
    value = message.headers.get(header)
    return value if isinstance(value, str) else None


def _number(message: Message, header: str) -> int:
    value = message.headers.get(header)
    return value if isinstance(value, int) else 0


def _last_death(message: Message) -> Mapping[str, Any]:
    deaths = message.headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else {}
    return last if isinstance(last, dict) else {}


def _origin(message: Message) -> tuple[str, str]:
    """Where it was published before the broker took it out of its queue."""
    death = _last_death(message)
    if not death:
        return message.exchange, message.routing_key
    keys = death.get("routing-keys")
    key = keys[0] if isinstance(keys, list) and keys else message.routing_key
    return str(death.get("exchange", "")), str(key)


def _death(message: Message) -> str:
    death = _last_death(message)
    return f"broker_{death.get('reason', 'unknown')}" if death else Code.UNKNOWN_ROUTING_KEY


def _unburied(message: Message) -> str | None:
    death = _last_death(message)
    if death:
        return f"RabbitMQ itself took it out of queue {death.get('queue')}"
    return f"nothing is bound to '{message.exchange}' for routing key '{message.routing_key}'"


def _fingerprint(message: Message) -> str:
    """An id for a letter that got none: the same letter has the same one at every look."""
    known = f"{message.exchange}\n{message.routing_key}\n{message.message_id}\n{message.timestamp}\n"
    return "letter-" + hashlib.sha256(known.encode() + message.body).hexdigest()[:16]
