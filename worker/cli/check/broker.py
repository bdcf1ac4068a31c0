"""What a worker needs of the broker: reached, new enough, and the queues as they must be."""

from contextlib import suppress

from worker.broker.address import Address
from worker.broker.topology import Topology, TopologyMismatch, declare
from worker.broker.visits.visit import (
    BrokerAway,
    Connection,
    NotThere,
    absent,
    broker_version,
    consumers,
    visit,
)
from worker.cli.check.finding import Finding
from worker.settings import Settings

_OLDEST = (3, 10)


async def broker(settings: Settings) -> list[Finding]:
    """Looks at the broker and its queues; nothing is declared."""
    topology = Topology(settings.prefix)
    try:
        async with visit(Address.of(settings)) as connection:
            return [_version(broker_version(connection)), *await _queues(connection, topology)]
    except (BrokerAway, NotThere) as away:
        what, _, remedy = str(away).partition("; ")
        return [Finding("broker", "failed", what, remedy or "check JOBRELAY_AMQP_URL")]


def _version(version: str) -> Finding:
    with suppress(ValueError):
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            return Finding("broker", "failed", f"RabbitMQ {version} is too old", "use 3.10 or newer")
    return Finding("broker", "ok", f"RabbitMQ {version}")


async def _queues(connection: Connection, topology: Topology) -> list[Finding]:
    missing = await absent(connection, topology)
    if missing:
        remedy = "a worker declares them at its start; so does `jobrelay topology declare`"
        what = f"{len(missing)} exchanges and queues are not there, such as {missing[0]}"
        return [Finding("queues", "warning", what, remedy)]
    try:
        await declare(connection, topology)  # all are there: this only compares their arguments
    except TopologyMismatch as other:
        what, _, remedy = str(other).partition("; ")
        return [Finding("queues", "failed", what, remedy)]
    workers = await consumers(connection, topology.start)
    found = Finding("queues", "ok", f"all of '{topology.prefix}' are there, with the right arguments")
    if not workers:
        return [
            found,
            Finding("workers", "warning", f"nobody reads {topology.start}", "start `jobrelay run`"),
        ]
    return [found, Finding("workers", "ok", f"{workers} read {topology.start}")]
