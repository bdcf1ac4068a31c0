"""What every refusal promises: an event with reason and remedy, a letter byte for byte, and work goes on."""

import json
from typing import Any

from station import Heard, Station, assert_valid, new_id
from tenant import request

_REMEDY_AT_LEAST = 10


def earlier(attempt: int, *codes: str) -> dict[str, Any]:
    """The headers of a request that was deferred before, for these reasons."""
    past = [{"at": "2026-01-01T00:00:00.000Z", "code": code, "detail": "was so"} for code in codes]
    return {"jobrelay-attempt": attempt, "jobrelay-history": json.dumps(past)}


async def refused(here: Station, body: bytes, /, **properties: Any) -> tuple[Heard, Heard]:
    """Sends *body*; the event and the dead letter that it gets, each held to what all refusals promise."""
    mark = properties.setdefault("correlation_id", new_id())
    properties.setdefault("headers", {}).setdefault("x-own", "kept")
    await here.send(body, **properties)
    (rejected,) = await here.outcome(mark)
    assert rejected.key == "request.rejected", rejected
    letter = await here.letter(mark)
    _assert_kept(body, properties, rejected, letter)
    (good,) = await here.outcome(await here.ask(request()))
    assert good.key == "job.created"
    return rejected, letter


def _assert_kept(body: bytes, properties: dict[str, Any], rejected: Heard, letter: Heard) -> None:
    """The letter is the message byte for byte, and says of its death what the event says."""
    assert_valid([rejected])
    assert len(rejected.data["remedy"]) > _REMEDY_AT_LEAST
    assert letter.message.body == body
    assert letter.message.content_type == properties.get("content_type", "application/json")
    headers = letter.message.headers
    assert headers["x-own"] == "kept"
    assert headers["jobrelay-code"] == rejected.data["code"]
    assert str(headers["jobrelay-detail"]) == rejected.data["detail"]
    assert headers["jobrelay-dead-letter-id"] == rejected.data["deadLetterId"]
    assert headers["jobrelay-routing-key"] == properties.get("key", "job.start")
    assert {"jobrelay-first-at", "jobrelay-last-at", "jobrelay-host", "jobrelay-exchange"} <= set(headers)
