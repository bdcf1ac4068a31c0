"""Bindings to applications' exchanges: what is wrong with one is told, and costs no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from pamqp.commands import Basic
from station import Station, station

from worker.broker.bindings import Bindings
from worker.broker.topology import EVENT_KEY, Topology

_WITHIN_S = 20.0


@asynccontextmanager
async def _binding(here: Station, url: str) -> AsyncIterator[tuple[Bindings, list[str | None]]]:
    """The bindings of the queue of events, and what they tell."""
    topology, told = Topology(here.prefix), list[str | None]()
    bindings = Bindings(topology.templates, lambda: None, [(topology.retry, EVENT_KEY)])
    bindings.tell(told.append)
    async with await aio_pika.connect(url) as connection, asyncio.TaskGroup() as tasks:
        session = tasks.create_task(bindings.session(connection))
        yield bindings, told
        session.cancel()


@pytest.fixture
async def here(amqp_url: str, prefix: str) -> AsyncIterator[Station]:
    """A station with a prefix of its own, and an exchange of an application."""
    async with station(amqp_url, prefix) as opened:
        await opened.channel.declare_exchange(f"{prefix}-app", "topic", auto_delete=False)
        yield opened
        await opened.channel.exchange_delete(f"{prefix}-app")


async def _reaches(here: Station, exchange: str, key: str) -> bool:
    """True where somebody listens."""
    to = await here.channel.get_exchange(exchange, ensure=False)
    return isinstance(await to.publish(aio_pika.Message(b"{}"), key), Basic.Ack)


@pytest.mark.parametrize("key", ["\N{LATIN SMALL LETTER E WITH ACUTE}" * 200, "x" * 256])
async def test_what_the_library_cannot_say_costs_that_binding_only(
    amqp_url: str, here: Station, key: str
) -> None:
    """Its other keys and all other exchanges are bound; it is told, and taking it off is no trouble."""
    app = f"{here.prefix}-app"
    async with _binding(here, amqp_url) as (bindings, told):
        await bindings.want([("b\xfcro", "#"), ("a" * 128, "#"), (app, key), (app, "z")], _WITHIN_S)
        assert all(f"'{exchange}'" in str(told[-1]) for exchange in ("b\xfcro", "a" * 128, app))
        assert await _reaches(here, app, "z")
        await bindings.want([(app, "z")], _WITHIN_S)
        assert told[-1:] == [None]
        assert await _reaches(here, app, "z")


async def test_what_the_topology_bound_stays_bound(amqp_url: str, here: Station) -> None:
    """Events that go round come back by it: no set of templates takes it off."""
    retry = Topology(here.prefix).retry
    async with _binding(here, amqp_url) as (bindings, _):
        await bindings.want([(retry, EVENT_KEY)], _WITHIN_S)
        await bindings.want([], _WITHIN_S)
        assert await _reaches(here, retry, EVENT_KEY)
