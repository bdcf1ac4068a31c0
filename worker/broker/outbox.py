"""What goes out, confirmed by the broker before anybody relies on it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import orjson
import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from worker.broker.confirms import Publisher, Suspected, publish_alone
from worker.broker.connection import LOSSES, SessionOver, channel_on, gone, together
from worker.broker.properties import (
    PERSISTENT,
    USER_REFUSED,
    bare_properties_of,
    properties_of,
    properties_of_event,
    short,
)
from worker.broker.topology import Topology
from worker.domain.events import Event
from worker.domain.failures import Overtaken
from worker.domain.flight.steps import anew
from worker.domain.messages import Message
from worker.domain.policy.custody import Custody
from worker.domain.requests import Kind

# Long, because a blocked broker confirms late: giving up means a second copy of the message.
_CONFIRM_TIMEOUT_S = 30.0
_REFUSED_LEAST_S, _REFUSED_MOST_S = 1.0, 30.0

Wanted = Callable[[], bool]
Heard = Callable[[str, str | None, float], None]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Parcel:
    """A message on its way out.

    *bare* makes the properties for when the broker will not have its own, out of the reason; None for what
    is all ours. *again* makes another body where this one may be there already. A *suspect* was under way
    when the broker closed a channel over one of those that were.
    """

    exchange: str
    key: str
    body: bytes
    properties: Basic.Properties
    bare: Callable[[str], Basic.Properties] | None = None
    again: Callable[[bytes], bytes] | None = None
    mandatory: bool = True
    suspect: bool = False
    to: str = "events"

    async def through(self, publisher: Publisher) -> None:
        """See `Publisher.publish`."""
        await publisher.publish(self.exchange, self.key, self.body, self.properties, mandatory=self.mandatory)


class Unacceptable(Exception):
    """The broker closes the channel over this message, whatever is left out of it; the text says why."""


class Outbox:
    """Publishes on one channel with confirms; see `pipeline.ports.Outbox` for its promises.

    Its `session` is run by a link, which it tells that it is *up*. A copy for a `reply_to` is given to
    *reply*: the queue, the body and its event. *heard* is told of every publish: where to (`events`,
    `requests`, `tracking`, `delay`, `dead`), why it was not confirmed (`lost`, `returned`, `refused`; None),
    and seconds. Others' messages go on by *custody*.
    """

    def __init__(
        self,
        topology: Topology,
        up: Callable[[], None],
        reply: Callable[[str, bytes, Event], None],
        heard: Heard = lambda *_: None,
        custody: Custody | None = None,
    ) -> None:
        self._custody = custody
        self._heard = heard
        self._up = up
        self._topology = topology
        self._reply = reply
        self._publisher: Publisher | None = None
        self._connection: AbstractConnection | None = None
        self._one_suspect = asyncio.Lock()
        self._opened = asyncio.Event()

    async def announce(self, event: Event, wanted: Wanted | None = None) -> None:
        """Publishes an event, then gives it to be sent to its request's `reply_to`."""
        body = orjson.dumps(event.document())
        properties = properties_of_event(event)
        parcel = _Parcel(self._topology.events, event.routing_key, body, properties, mandatory=False)
        await self._publish(parcel, wanted)
        reply_to = short(event.sender.reply_to)
        if reply_to:
            self._reply(reply_to, body, event)

    async def request(self, request: Message, kind: Kind, wanted: Wanted | None = None) -> None:
        """Publishes a request of Jobrelay's own, for whoever takes requests of its *kind*."""
        properties = properties_of(request, {}, self._custody)
        bare = partial(bare_properties_of, request, {}, self._custody)
        exchange = self._topology.requests
        await self._publish(
            _Parcel(exchange, str(kind), request.body, properties, bare, to="requests"), wanted
        )

    async def track(self, document: Mapping[str, Any], wanted: Wanted | None = None) -> None:
        """Puts a job into the set of jobs in flight."""
        properties = Basic.Properties(
            content_type="application/json",
            delivery_mode=PERSISTENT,
            correlation_id=short(document["correlationId"]),
        )
        body, queue = orjson.dumps(document), self._topology.tracking
        await self._publish(_Parcel("", queue, body, properties, again=_younger, to="tracking"), wanted)

    async def defer(
        self, message: Message, kind: str, seconds: int, headers: Mapping[str, Any], again: Mapping[str, Any]
    ) -> None:
        """Sends a request round the delay queue of *seconds*; it comes back to the queue of its *kind*."""
        exchange = self._topology.delay(seconds)
        bare = partial(bare_properties_of, message, again, self._custody)
        properties = properties_of(message, headers, self._custody)
        first = _Parcel(exchange, str(kind), message.body, properties, bare, to="delay")
        await self._opened.wait()
        try:
            if await self._publish_once(first):
                return
        except DeliveryError as error:
            await self._refused(exchange, error, _REFUSED_LEAST_S)
        await self._publish(replace(first, properties=properties_of(message, again, self._custody)))

    async def bury(self, message: Message, headers: Mapping[str, Any], wanted: Wanted | None = None) -> None:
        """Keeps a message in the dead letters."""
        properties = properties_of(message, headers, self._custody)
        bare = partial(bare_properties_of, message, headers, self._custody)
        exchange, key = self._topology.dead, message.routing_key
        parcel = _Parcel(exchange, key, message.body, properties, bare, to="dead")
        await self._publish(parcel, wanted)

    async def _publish(self, parcel: _Parcel, wanted: Wanted | None = None) -> None:
        pause = _REFUSED_LEAST_S
        while True:
            await self._opened.wait()
            if wanted is not None and not wanted():
                raise Overtaken("the delivery that it settles is lost")
            try:
                if await self._publish_once(parcel):
                    return
                if parcel.again is not None:
                    parcel.body = parcel.again(parcel.body)
            except (DeliveryError, Unacceptable) as error:
                await self._refused(parcel.exchange, error, pause)
                pause = min(pause * 2, _REFUSED_MOST_S)

    async def _publish_once(self, parcel: _Parcel) -> bool:
        """What `_try_once` says; and it is told how that went."""
        failure: str | None = "lost"
        began = perf_counter()
        try:
            if await self._try_once(parcel):
                failure = None
        except PublishError:
            failure = "returned"
            raise
        except (DeliveryError, Unacceptable):
            failure = "refused"
            raise
        finally:
            self._heard(parcel.to, failure, perf_counter() - began)
        return failure is None

    async def _try_once(self, parcel: _Parcel) -> bool:
        """False when it may be there or not. Raises `DeliveryError` when the broker did not take it."""
        publisher, connection = self._publisher, self._connection
        if publisher is None:
            return False
        try:
            if parcel.suspect and connection is not None:
                return await self._publish_alone(parcel, connection)
            await parcel.through(publisher)
        except SessionOver as over:
            parcel.suspect = isinstance(over, Suspected)
            # Until the session notices it too, the next try would fail at once.
            if publisher is self._publisher:
                self._opened.clear()
            return False
        except PublishError:
            # It is declared anew with the next session.
            where = parcel.exchange or "the tracking queue"
            publisher.end(f"a message to {where} came back: no queue took it")
            raise
        return True

    async def _publish_alone(self, parcel: _Parcel, connection: AbstractConnection) -> bool:
        """A suspect goes by itself: if the broker closes that channel too, it is the one, and harms nobody.

        It is bared of what its sender said. Raises `Unacceptable` when that does not help either.
        """
        try:
            async with self._one_suspect:
                await publish_alone(connection, _CONFIRM_TIMEOUT_S, parcel.through)
        except Suspected as why:
            _log.error("broker.message_refused", message_id=parcel.properties.message_id, reason=str(why))
            if USER_REFUSED in str(why):
                self._custody = None
            if parcel.bare is None:
                raise Unacceptable(str(why)) from why
            parcel.properties, parcel.bare = parcel.bare(str(why)), None
            return False
        except DeliveryError:
            raise
        except LOSSES:
            parcel.suspect = False
            return False
        return True

    async def _refused(self, exchange: str, error: Exception, pause: float) -> None:
        """Waits, longer each time: a full queue refuses what other queues of the exchange take each time."""
        _log.warning("broker.publish_failed", exchange=exchange, reason=str(error) or type(error).__name__)
        await asyncio.sleep(pause)

    async def session(self, connection: AbstractConnection) -> None:
        """Publishes on *connection* until the channel is gone."""
        async with channel_on(connection, confirms=True) as channel:
            self._publisher, self._connection = Publisher(channel, _CONFIRM_TIMEOUT_S), connection
            self._opened.set()
            self._up()
            try:
                await together(self._publisher.run(), gone(channel))
            finally:
                self._opened.clear()
                self._publisher = self._connection = None


def _younger(tracking: bytes) -> bytes:
    """A tracking message as the next generation: of two that are there the older one is dropped."""
    return orjson.dumps(anew(orjson.loads(tracking)))
