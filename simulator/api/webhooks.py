"""Webhooks: kept for the tenant, pinged; delivery is elsewhere."""

from typing import Any

from simulator.calls import Call, Reply, found, reply
from simulator.errors import Refusal
from simulator.moments import new_guid
from simulator.notices import EVENT_TYPES, envelope, loopback
from simulator.odata.model import Row

_TEXTS = {"Name": 128, "Url": 2000, "Secret": 100, "Description": 256}
_FLAGS = ("Enabled", "SubscribeToAllEvents", "AllowInsecureSsl")


def webhooks(call: Call) -> Reply:
    """GET /odata/Webhooks; secrets are shown, as in the API guide's "Webhooks requests"."""
    return call.listing("Webhooks", call.entities.webhook, call.world.webhooks.values())


def webhook(call: Call) -> Reply:
    """GET /odata/Webhooks(id)."""
    return call.one("Webhooks", call.entities.webhook, _known(call))


def create(call: Call) -> Reply:
    """POST /odata/Webhooks: 201."""
    given = call.json()
    missing = [name for name in ("Name", "Url", *_FLAGS) if given.get(name) is None]
    if missing and not (missing == ["Name"] and call.version < 16):
        raise Refusal("InvalidArgument", f"The {missing[0]} field is required.")
    row = {
        "Id": next(call.world.numbers),
        "Key": new_guid(),
        "Events": [],
        "_open_until": 0.0,
        **_checked(given),
    }
    call.world.webhooks[row["Id"]] = row
    return call.one("Webhooks", call.entities.webhook, row, 201)


def change(call: Call) -> Reply:
    """PUT and PATCH /odata/Webhooks(id): 200; a secret left out stays."""
    row = _known(call)
    row.update(_checked(call.json()))
    row["_open_until"] = 0.0
    return call.one("Webhooks", call.entities.webhook, row)


def delete(call: Call) -> Reply:
    """DELETE /odata/Webhooks(id): 204."""
    del call.world.webhooks[_known(call)["Id"]]
    return Reply(204, b"")


def event_types(call: Call) -> Reply:
    """GET /odata/Webhooks/…GetEventTypes."""
    shown = [{"Name": name, "Group": name.partition(".")[0]} for name in EVENT_TYPES]
    return reply({"@odata.context": call.context("WebhookEventTypes"), "value": shown})


def ping(call: Call) -> Reply:
    """POST /odata/Webhooks(id)/…Ping: 202, the ping is queued; whether it arrived is not told."""
    row = _known(call)
    event = envelope(call.world, "ping", None)
    call.world.post(event, row)
    return reply({"@odata.context": call.context("PingEventDto"), **event}, 202)


def _known(call: Call) -> Row:
    return found(call.world.webhooks.get(call.number()))


def _checked(given: dict[str, Any]) -> Row:
    """The properties given, checked; raises the Refusal for a wrong one."""
    row: Row = {}
    for name, most in _TEXTS.items():
        if given.get(name) is not None:
            if not isinstance(given[name], str) or len(given[name]) > most:
                raise Refusal("InvalidArgument", f"{name} must be a text of at most {most} characters.")
            row[name] = given[name]
    for name in _FLAGS:
        if given.get(name) is not None:
            row[name] = bool(given[name])
    if "Url" in row and not loopback(row["Url"]):
        raise Refusal(
            "InvalidArgument", "Url: the simulator delivers to http(s) addresses on this machine only."
        )
    if isinstance(given.get("Events"), list):
        row["Events"] = [_event(event) for event in given["Events"]]
    return row


def _event(event: Any) -> Row:
    name = event.get("EventType") if isinstance(event, dict) else None
    if name not in EVENT_TYPES:
        raise Refusal("InvalidArgument", f"Events: '{name}' is not a known event type.")
    return {"EventType": name}
