"""The role of the templates, with stand-ins around it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from fakes import NOW, Delivery, Outbox, Telemetry, feed

from worker.domain.messages import Message
from worker.domain.requests import Kind
from worker.ledger.memory import MemoryLedger
from worker.pipeline.permission import EVERYBODY, Permission
from worker.pipeline.rules import Rules, Teller
from worker.pipeline.settle import Settler
from worker.templates.files.compiled import template_of
from worker.templates.files.documents import Document
from worker.templates.model import Template
from worker.templates.role import Templates
from worker.templates.travel import Places

PLACES = Places("p.templates", "p.retry")
WINDOW_S = 88.0


def _now() -> float:
    return NOW


class Out(Outbox):
    """An outbox that takes requests of our own too."""

    def __init__(self, journal: list[str] | None = None) -> None:
        super().__init__(journal)
        self.asked: list[tuple[Message, Kind]] = []

    async def request(self, request: Message, kind: Kind, wanted: Callable[[], bool] | None = None) -> None:
        """Publishes a request."""
        await self._confirmed("ask", wanted)
        self.asked.append((request, kind))


class Counted:
    """Keeps what it is told of events."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.by: list[str] = []

    def event(self, outcome: str) -> None:
        """What became of an event."""
        self.events.append(outcome)

    def made(self, template: str) -> None:
        """A request was made."""
        self.by.append(template)

    def failed(self, template: str) -> None:
        """A template could make nothing of an event."""
        self.by.append(f"not {template}")

    def loaded(self, templates: int) -> None:
        """So many are in force."""

    def refused(self, on: bool) -> None:
        """The files do not hold."""


def template(name: str, **changes: Any) -> Template:
    """A template for events of x, by the key of its own name."""
    document = {
        "name": name,
        "bindings": [{"exchange": "x", "routingKeys": [name, "all"]}],
        "requestId": f"join('-', ['{name}', data.id])",
        "start": {"process": {"name": "A"}},
    }
    return template_of(Document("t.yaml", document | changes))


class Room:
    """The role with everything around it."""

    def __init__(
        self,
        *templates: Template,
        permission: Permission = EVERYBODY,
        ledger: MemoryLedger | None = None,
    ) -> None:
        self.out, self.counted = Out(), Counted()
        self.templates = list(templates) or [template("a")]
        rules = Rules("p", None, 10, 30.0, 40.0, WINDOW_S, permission)
        settler = Settler(self.out, ledger or MemoryLedger(), Teller("urn:p", "h"), rules, _now, Telemetry())
        self.role = Templates(
            outbox=self.out,
            settler=settler,
            rules=rules,
            current=lambda: self.templates,
            telemetry=self.counted,
            clock=_now,
            places=PLACES,
            key="template.event",
            user="worker",
        )

    def event(self, body: Any = None, key: str = "a", **properties: Any) -> Delivery:
        """An event as its application publishes it."""
        body = body if isinstance(body, bytes) else json.dumps(body or {"id": "1"}).encode()
        known = {"exchange": "x", "routing_key": key, "message_id": "m", **properties}
        return Delivery(Message(body=body, **known), self.out.journal)

    async def take(self, *events: Delivery) -> None:
        """Sees all of them settled."""
        async with asyncio.timeout(20):
            await self.role.run([feed(events)])
