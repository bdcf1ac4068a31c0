"""What the tests of links begin with."""

import asyncio

from worker.broker.address import Address
from worker.broker.connection import Link, Reports
from worker.broker.topology import Topology

HOUR = 3600.0


async def for_ever(*_: object) -> None:
    """What nothing ends, such as a part of a session."""
    await asyncio.sleep(1000 * HOUR)


def link_of(losses: list[str | None]) -> Link:
    """A link to nobody, and why it was lost each time."""
    reports = Reports(lambda *told: losses.append(told[2]), lambda *_: None, lambda *_: None, lambda: None)
    return Link("broker-consume", Address("amqp://127.0.0.1/"), 1, Topology("p"), reports)
