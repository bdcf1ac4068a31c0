"""Which queues a worker consumes: for which of its parts, with which prefetch, on how many channels."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from worker.broker.topology import Topology
from worker.domain.requests import Kind
from worker.pipeline.starting import ITEMS_MOST
from worker.settings import Settings

STOPS_MOST = 16
EVENTS_MOST = 64
# A channel with more unacknowledged deliveries gets slow.
TRACKING_PREFETCH = 5_000
# Two trackers must do for 100,000 jobs.
TRACKING_CHANNELS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed:
    """A queue whose deliveries are for *part*, at most *prefetch* in hand at once on each of *channels*.

    *at_random*: they are settled in no order at all.
    """

    part: str
    queue: str
    prefetch: int
    channels: int = 1
    at_random: bool = False


def consumed(settings: Settings, topology: Topology, roles: Collection[str]) -> Iterator[Consumed]:
    """All that is consumed in *roles*; of one part in the order in which it takes its inboxes."""
    if "start" in roles:
        most = {Kind.START: settings.concurrency, Kind.STOP: STOPS_MOST, Kind.QUEUE_ITEM: ITEMS_MOST}
        for kind, queue in topology.of_requests().items():
            yield Consumed(part="start", queue=queue, prefetch=most[kind])
        if settings.templates_dir:
            yield Consumed(part="templates", queue=topology.templates, prefetch=EVENTS_MOST)
    if "track" in roles:
        yield Consumed(
            part="track",
            queue=topology.tracking,
            prefetch=TRACKING_PREFETCH,
            channels=TRACKING_CHANNELS,
            at_random=True,
        )
