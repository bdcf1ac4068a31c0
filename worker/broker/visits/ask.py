"""Asking all trackers at once: a question goes out as a hint, and each answers for what it holds."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from worker.broker.connection import channel_on
from worker.broker.topology import Topology

_TIMEOUT_S = 10.0
_EXPIRATION_MS = "5000"


@dataclass(frozen=True, slots=True)
class Answers:
    """What came in time. *consumers* read `P.tracking`, and *answered* of them are those of who answered.

    *waiting* jobs in flight are in nobody's hands.
    """

    documents: Sequence[Mapping[str, Any]]
    consumers: int
    answered: int
    waiting: int

    @property
    def complete(self) -> bool:
        """True when nobody is missing."""
        return self.answered >= self.consumers


async def ask_trackers(
    connection: AbstractConnection, topology: Topology, question: Mapping[str, Any], within_s: float
) -> Answers:
    """Sends *question* to all trackers, and returns when all have answered, or after *within_s*.

    Nothing is settled or moved by that. A tracker says in its answer how many `consumers` it has.
    """
    async with channel_on(connection, confirms=False) as channel:
        tracking = await channel.queue_declare(topology.tracking, passive=True, timeout=_TIMEOUT_S)
        await channel.exchange_declare(topology.hints, passive=True, timeout=_TIMEOUT_S)
        answers, consumers = _Answers(str(uuid4())), tracking.consumer_count or 0
        if consumers:
            await _put(channel, topology.hints, question, answers)
            with suppress(TimeoutError):
                await answers.of_all(consumers, within_s)
        return Answers(answers.documents, consumers, answers.answered, tracking.message_count or 0)


async def _put(channel: Channel, exchange: str, question: Mapping[str, Any], answers: "_Answers") -> None:
    own = await channel.queue_declare(
        exclusive=True, auto_delete=True, arguments={"x-queue-type": "classic"}, timeout=_TIMEOUT_S
    )
    await channel.basic_consume(str(own.queue), answers.take, no_ack=True, timeout=_TIMEOUT_S)
    properties = Basic.Properties(
        reply_to=own.queue, correlation_id=answers.name, expiration=_EXPIRATION_MS, delivery_mode=1
    )
    await channel.basic_publish(
        orjson.dumps(question), exchange=exchange, properties=properties, timeout=_TIMEOUT_S
    )


class _Answers:
    """The answers to one question, by its *name*, as they come."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.documents: list[Mapping[str, Any]] = []
        self._came = asyncio.Event()

    @property
    def answered(self) -> int:
        """How many consumers have been answered for."""
        return sum(document["consumers"] for document in self.documents)

    async def take(self, delivered: DeliveredMessage) -> None:
        """Called by the library for each answer; what is none is passed by."""
        with suppress(orjson.JSONDecodeError):
            document = orjson.loads(delivered.body)
            if delivered.header.properties.correlation_id == self.name and _is_answer(document):
                self.documents.append(document)
                self._came.set()

    async def of_all(self, consumers: int, within_s: float) -> None:
        """Returns when so many have been answered for; raises `TimeoutError`."""
        async with asyncio.timeout(within_s):
            while self.answered < consumers:
                self._came.clear()
                await self._came.wait()


def _is_answer(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("consumers"), int)
        and isinstance(document.get("matching"), int)
        and isinstance(document.get("rows"), list)
    )
