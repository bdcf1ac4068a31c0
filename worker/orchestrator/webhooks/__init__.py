"""Orchestrator's webhooks, a tenant's own: listed, made, changed and removed. Scope OR.Webhooks.

Its list shows the secrets of all of them (API guide, "Webhooks requests"); they are read by nobody here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from worker.orchestrator import refusals, wire
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.wire import Call

_NAMED_SINCE = 16
"""The API version whose webhooks have names; an older server may refuse what it does not know."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook as it is kept. *events* are of no meaning where it is subscribed to *all_events*."""

    id: int
    name: str
    url: str
    enabled: bool
    all_events: bool
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """A webhook as it is to be: enabled, and subscribed to *events* alone. Its secret is not shown."""

    name: str
    url: str
    events: tuple[str, ...]
    insecure_ssl: bool
    secret: str = field(repr=False)


class Webhooks:
    """The verbs. Each raises `Rejected` or `Unavailable`, and `create` also `OutcomeUnknown`."""

    def __init__(self, transport: Transport, base: str) -> None:
        self._transport = transport
        self._base = base

    async def every(self) -> Sequence[Subscription]:
        """All webhooks of the tenant, by id."""
        found: list[Subscription] = []
        while True:
            call = self._call("GET", orderby="Id", top=wire.PAGE, skip=len(found))
            rows = await self._transport.get(call, wire.page_of)
            found += wire.each(_subscription_of, rows.rows)
            if len(rows.rows) < wire.PAGE:
                return found

    async def event_types(self) -> frozenset[str]:
        """The types of events that this server has."""
        page = await self._transport.get(self._call("GET", f"/{wire.ODATA}.GetEventTypes"), wire.page_of)
        return frozenset(str(row.get("Name")) for row in page.rows)

    async def create(self, wish: Wish) -> Subscription:
        """Makes a webhook; sent once, as a second one would be another."""
        call = self._call("POST")
        reply = await self._transport.post(call, None, self._body(wish))
        return self._transport.read(call, reply, lambda row: _subscription_of(wire.mapping(row)))

    async def change(self, number: int, wish: Wish) -> Subscription:
        """Makes the webhook with that id as it is to be; may be repeated."""
        reply = await self._transport.post(
            self._call("PATCH", f"({number})"), None, self._body(wish), safe=True
        )
        if not reply.ok:
            raise refusals.why_not_read("Webhooks", reply)
        return Subscription(number, wish.name, wish.url, enabled=True, all_events=False, events=wish.events)

    async def remove(self, number: int) -> None:
        """Removes the webhook with that id; may be repeated, and then it is no longer there."""
        reply = await self._transport.post(self._call("DELETE", f"({number})"), None, None, safe=True)
        if not reply.ok:
            raise refusals.why_not_read("Webhooks", reply)

    def _call(self, method: str, path: str = "", **options: str | int) -> Call:
        return Call("Webhooks", method, wire.url(self._base, f"/odata/Webhooks{path}", **options))

    def _body(self, wish: Wish) -> bytes:
        named = (self._transport.api_version or _NAMED_SINCE) >= _NAMED_SINCE
        return orjson.dumps(
            {
                **({"Name": wish.name} if named else {}),
                "Url": wish.url,
                "Enabled": True,
                "Secret": wish.secret,
                "SubscribeToAllEvents": False,
                "AllowInsecureSsl": wish.insecure_ssl,
                "Events": [{"EventType": event} for event in wish.events],
            }
        )


def _subscription_of(row: Mapping[str, Any]) -> Subscription:
    """A WebhookDto."""
    return Subscription(
        id=int(row["Id"]),
        name=str(row.get("Name") or ""),
        url=str(row["Url"]),
        enabled=bool(row.get("Enabled")),
        all_events=bool(row.get("SubscribeToAllEvents")),
        events=tuple(event["EventType"] for event in row.get("Events") or ()),
    )
