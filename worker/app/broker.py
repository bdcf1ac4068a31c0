"""The worker's side of RabbitMQ: which connections there are, what lives on which, and what hears of it."""

from collections.abc import Callable, Collection, Coroutine
from typing import NoReturn

from worker.app.consumed import Consumed, consumed
from worker.broker.address import Address
from worker.broker.bindings import Bindings
from worker.broker.connection import Link, Reports
from worker.broker.depths import Depths
from worker.broker.inbox import Inbox
from worker.broker.outbox import Outbox
from worker.broker.peers.hints import Hints
from worker.broker.peers.lease import Leases
from worker.broker.replies import Replies
from worker.broker.topology import Topology
from worker.broker.watchdog import Watchdog
from worker.domain.policy.custody import Custody
from worker.settings import Settings
from worker.web.health import Health
from worker.web.metrics.broker import BrokerMetrics


class Broker:
    """What a worker in *roles* has of RabbitMQ at *address*; others' messages go on by *custody*."""

    def __init__(
        self,
        settings: Settings,
        address: Address,
        roles: Collection[str],
        health: Health,
        metrics: BrokerMetrics,
        custody: Custody,
    ) -> None:
        self._address = address
        self._heartbeat_s = settings.heartbeat_s
        self._health = health
        self._metrics = metrics
        self.topology = topology = Topology(settings.prefix)
        queues = list(consumed(settings, topology, roles))
        self._watchdog = Watchdog([each.queue for each in queues], health.give_up, metrics.renewed)
        self._consuming = self._link("broker-consume", self._watchdog.excuse)
        self._publishing = self._link("broker-publish", lambda: None)
        # On a connection of its own: where a lease is somebody else's the broker closes a channel, and on a
        # busy connection the library may not answer that, which ends the connection.
        self._leasing = self._link("broker-lease", lambda: None, heeded=False)
        # On one of its own too: where an application's exchange is not there the broker closes a channel.
        self._binding = self._link("broker-templates", lambda: None, heeded=False)
        kept = [(one.exchange, one.key) for one in topology.bindings() if one.queue == topology.templates]
        self.bindings = Bindings(topology.templates, self._binding.up, kept)
        self._replies = Replies(address, settings.heartbeat_s, metrics.reply_lost)
        self.outbox = Outbox(topology, self._publishing.up, self._replies.send, metrics.published, custody)
        self.hints = Hints(topology, custody, self._consuming.up, self._publishing.up)
        self.leases = Leases(settings.prefix, self._leasing.up)
        self._inboxes = [
            (each.part, self._inbox(each, watched=number == 0))
            for each in queues
            for number in range(each.channels)
        ]
        waited_in = (
            *topology.of_requests().values(),
            topology.templates,
            topology.tracking,
            topology.dead_letters,
        )
        self._depths = Depths(waited_in, self._consuming.up, metrics.waits)

    @property
    def inboxes(self) -> list[Inbox]:
        """All that is consumed by."""
        return [inbox for _, inbox in self._inboxes]

    def inboxes_of(self, part: str) -> list[Inbox]:
        """What is consumed for *part*, by the order of `consumed`."""
        return [inbox for its, inbox in self._inboxes if its == part]

    def runs(self) -> list[Coroutine[None, None, NoReturn]]:
        """What keeps it all going, until cancelled."""
        tracks = bool(self.inboxes_of("track"))
        runs = [self._publishing.keep(self.outbox.session, self.hints.sending), self._replies.run()]
        if self._inboxes:
            sessions = [inbox.session for inbox in self.inboxes]
            hearing = [self.hints.listening] if tracks else []
            runs.append(self._consuming.keep(*sessions, *hearing, self._depths.session))
            runs.append(self._watchdog.run())
        if self.inboxes_of("templates"):
            runs.append(self._binding.keep(self.bindings.session))
        if tracks:
            runs.append(self._leasing.keep(self.leases.session))
        return runs

    def _inbox(self, each: Consumed, *, watched: bool) -> Inbox:
        watchdog = self._watchdog if watched else None
        return Inbox(each.queue, each.prefetch, self._consuming.up, watchdog, at_random=each.at_random)

    def _link(self, name: str, away: Callable[[], None], *, heeded: bool = True) -> Link:
        """A connection; readiness speaks of it if it is *heeded*."""
        condition = self._health.set if heeded else lambda *_: None
        reports = Reports(condition, self._metrics.connected, self._metrics.blocked, away)
        return Link(name, self._address, self._heartbeat_s, self.topology, reports)
