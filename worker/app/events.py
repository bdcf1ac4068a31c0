"""Applications' events in a worker: the templates, what they are bound to, and the role that takes them."""

from collections.abc import Callable

from worker.app.broker import Broker
from worker.broker.bindings import closed
from worker.broker.topology import EVENT_KEY
from worker.pipeline.settle import Settler
from worker.pipeline.starting import Starting
from worker.templates.folder import TemplateFolder
from worker.templates.role import Templates
from worker.templates.travel import Places
from worker.web.metrics.templates import TemplateMetrics


class Events:
    """The templates of *folder*, none where there is none. Raises `SettingsError` where they do not hold.

    *condition* is readiness: whether all is in force and bound, and if not, why.
    """

    def __init__(
        self,
        folder: str | None,
        broker: Broker,
        telemetry: TemplateMetrics,
        condition: Callable[[bool, str | None], None],
    ) -> None:
        self._condition = condition
        self._troubles: dict[str, str] = {}
        self._telemetry = telemetry
        self._broker = broker
        broker.bindings.tell(lambda trouble: self._hears("bindings", trouble))
        self._folder = TemplateFolder(
            folder, telemetry, lambda trouble: self._hears("files", trouble), closed(broker.topology)
        )

    async def watch(self) -> None:
        """Keeps templates and bindings as the files have them, until cancelled."""
        await self._folder.watch(self._broker.bindings)

    def role(self, like: Starting, user: str) -> Templates:
        """Makes requests of events, and settles those that fail as *like* settles requests."""
        topology = self._broker.topology
        settler = Settler(like.outbox, like.ledger, like.teller, like.rules, like.clock, like.telemetry)
        return Templates(
            outbox=self._broker.outbox,
            settler=settler,
            rules=like.rules,
            current=self._folder.current,
            telemetry=self._telemetry,
            clock=like.clock,
            places=Places(topology.templates, topology.retry),
            key=EVENT_KEY,
            user=user,
        )

    def _hears(self, of: str, trouble: str | None) -> None:
        self._troubles.pop(of, None)
        if trouble:
            self._troubles[of] = trouble
        self._condition(not self._troubles, "; ".join(self._troubles.values()) or None)
