"""Publishes on one channel, many at a time: frames leave together, each publish ends with its own confirm.

The library's publish is a third of what a request costs in all: a timeout, a lock, futures kept twice and a
write to the socket for each. Here the frames of one moment are one write, and one watch looks after them all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

from aio_pika.abc import AbstractConnection
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import ChannelPreconditionFailed, DeliveryError
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from worker.broker.connection import LOSSES, SessionOver, broken_off, channel_on, gone, together

_METHODS_KEPT = 1000
# With this many under way, a moment's wait costs nobody time and saves most of the writes.
_BUSY = 16
_GATHER_S = 0.002
_TICK_S = 1.0


class Suspected(SessionOver):
    """The broker closed the channel over a message that was under way: perhaps over this one."""


class Publisher:
    """Publishes on *channel*, which has confirms on and no other user. Lives while `run` runs."""

    def __init__(self, channel: Channel, timeout_s: float) -> None:
        self._channel = channel
        self._timeout_s = timeout_s
        self._frames: list[bytes] = []
        self._due = asyncio.Event()
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._methods: dict[tuple[str, str, bool], bytes] = {}

    async def publish(
        self, exchange: str, key: str, body: bytes, properties: Basic.Properties, *, mandatory: bool
    ) -> None:
        """Returns once the broker has confirmed.

        Raises `PublishError` when it came back unroutable, `DeliveryError` when the broker refused it, and
        `SessionOver` when the channel is gone: then it may be there or not; `Suspected` when one of those
        under way was what the broker would not have.
        """
        identity = properties.message_id = properties.message_id or uuid4().hex
        await self._alone(identity)
        channel = self._channel
        if channel.is_closed or self._ended.done():
            raise SessionOver("the channel is closed")
        self._frames += self._method(exchange, key, mandatory), *self._content(body, properties)
        self._due.set()
        channel.delivery_tag = tag = channel.delivery_tag + 1
        confirm: asyncio.Future[Basic.Ack] = asyncio.get_running_loop().create_future()
        channel.confirmations[tag] = confirm
        channel.message_id_delivery_tag[identity] = tag
        try:
            with broken_off():
                await confirm
        finally:
            if channel.message_id_delivery_tag.get(identity) == tag:
                del channel.message_id_delivery_tag[identity]

    def end(self, why: str) -> None:
        """Ends `run`, and with it the session: only a new one can help."""
        if not self._ended.done():
            self._ended.set_result(why)

    async def run(self) -> None:
        """Writes and watches; raises `SessionOver` when a confirm is late, or at `end`."""
        try:
            await together(self._write(), self._watch(), self._end())
        finally:
            self.end("the session is over")
            for confirm in self._channel.confirmations.values():
                if isinstance(confirm, asyncio.Future) and not confirm.done():
                    confirm.set_exception(self._loss())

    def _loss(self) -> SessionOver:
        closing = self._channel.closing
        why = closing.exception() if closing.done() and not closing.cancelled() else None
        if isinstance(why, ChannelPreconditionFailed):
            return Suspected(str(why))
        return SessionOver("the channel was lost before the confirm")

    async def _write(self) -> None:
        while True:
            await self._due.wait()
            if len(self._channel.confirmations) > _BUSY:
                await asyncio.sleep(_GATHER_S)
            # What the broker would not read now is a copy too many should the connection be lost.
            await self._channel.connection.ready()
            self._due.clear()
            frames, self._frames = self._frames, []
            await self._channel.write_queue.put(ChannelFrame(b"".join(frames), should_close=False))

    async def _watch(self) -> None:
        """Ends when a publish has waited for its confirm through one whole timeout of an open broker's."""
        while True:
            newest, left = self._channel.delivery_tag, self._timeout_s
            while left > 0:
                await self._channel.connection.ready()
                await asyncio.sleep(min(left, _TICK_S))
                left -= _TICK_S
            if next(iter(self._channel.confirmations), newest + 1) <= newest:
                raise SessionOver(f"no confirm in {self._timeout_s:g} s")

    async def _end(self) -> None:
        raise SessionOver(await self._ended)

    async def _alone(self, identity: str) -> None:
        """A returned message is known by its id alone, so no two of one id may be under way."""
        channel = self._channel
        while (tag := channel.message_id_delivery_tag.get(identity)) is not None:
            other = channel.confirmations.get(tag)
            if not isinstance(other, asyncio.Future):
                return
            await asyncio.wait([other])
            await asyncio.sleep(0)

    def _method(self, exchange: str, key: str, mandatory: bool) -> bytes:
        known = self._methods.get((exchange, key, mandatory))
        if known is None:
            method = Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
            known = frame.marshal(method, self._channel.number)
            if len(self._methods) < _METHODS_KEPT:
                self._methods[exchange, key, mandatory] = known
        return known

    def _content(self, body: bytes, properties: Basic.Properties) -> list[bytes]:
        number, most = self._channel.number, self._channel.max_content_size
        header = frame.marshal(ContentHeader(properties=properties, body_size=len(body)), number)
        parts = (body[at : at + most] for at in range(0, len(body), most))
        return [header, *(frame.marshal(ContentBody(part), number) for part in parts)]


async def publish_alone(
    connection: AbstractConnection, timeout_s: float, publish: Callable[[Publisher], Awaitable[None]]
) -> None:
    """Has *publish* work on a channel of its own, whose loss is nobody else's, and raises what it raises."""
    met: SessionOver | DeliveryError | None = None
    async with channel_on(connection, confirms=True) as channel, asyncio.TaskGroup() as tasks:
        publisher = Publisher(channel, timeout_s)
        running = tasks.create_task(_until_lost(publisher, channel))
        try:
            await publish(publisher)
        except (SessionOver, DeliveryError) as error:
            met = error
        finally:
            running.cancel()
    if met is not None:
        raise met


async def _until_lost(publisher: Publisher, channel: Channel) -> None:
    with suppress(*LOSSES):
        await together(publisher.run(), gone(channel))
