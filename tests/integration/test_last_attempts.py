"""Where trying ends: a bound on attempts, and what may have been sent is not rejected even then."""

import json
from datetime import UTC, datetime, timedelta

from refused import earlier, refused
from relay import Relay, event_id
from station import Station, new_id
from tenant import request

_NOW = datetime.now(UTC)


async def test_a_request_tried_too_often_is_refused_with_its_attempts(relay: Relay, here: Station) -> None:
    """After MAX_ATTEMPTS the next reason to wait is the last; each reason so far is listed."""
    name = new_id()
    body = json.dumps({"requestId": name, **request()}).encode()
    busy = {"operation": "StartJobs", "reference": name, "do": "status", "status": 409, "code": 1691}
    relay.simulator.faults([busy])
    headers = earlier(10, "orchestrator_busy")
    rejected, letter = await refused(here, body, headers=headers, correlation_id=name)
    assert rejected.data["code"] == "attempts_exhausted"
    assert (rejected.data["orchestrator"]["status"], rejected.data["orchestrator"]["errorCode"]) == (
        409,
        1691,
    )
    assert [attempt["code"] for attempt in rejected.data["attempts"]] == ["orchestrator_busy"]
    assert letter.message.headers["jobrelay-attempt"] == 11
    assert rejected.id == event_id(relay.prefix, "request-rejected.v1", f"{name}|0")
    assert relay.starts(name) == []


async def test_a_message_that_kills_workers_is_ended_by_our_own_count(relay: Relay, here: Station) -> None:
    """A request whose attempts never came to a settlement is refused instead of being tried for ever."""
    name = new_id()
    body = json.dumps({"requestId": name, **request()}).encode()
    rejected, _ = await refused(here, body, headers=earlier(11), correlation_id=name)
    assert rejected.data["code"] == "attempts_exhausted"
    assert relay.sent(name) == []


async def test_what_may_have_been_sent_is_never_rejected(relay: Relay, here: Station) -> None:
    """A request that cannot be looked up ends as the dead letter `outcome_unknown`, announced to nobody.

    It has expired and was tried too often; while its start may still happen not even that ends it.
    """
    relay.simulator.faults([{"operation": "JobsList", "do": "status", "status": 403}])
    open_name, open_body = await _asked_before(here, _NOW + timedelta(hours=1))
    name, body = await _asked_before(here, _NOW - timedelta(seconds=1))
    (deferred,) = await here.outcome(open_name)
    assert (deferred.key, deferred.data["code"]) == ("request.deferred", "outcome_unknown")
    assert deferred.data["outcomeKnown"] is False
    letter = await here.letter(name)
    assert letter.message.headers["jobrelay-code"] == "outcome_unknown"
    assert letter.message.body == body != open_body
    assert here.heard(name) == []
    assert relay.sent(name) == relay.sent(open_name) == []


async def _asked_before(here: Station, window_until: datetime) -> tuple[str, bytes]:
    """Sends a request whose former attempts may have started it, until the given moment."""
    name = new_id()
    body = json.dumps({"requestId": name, **request(expiresAt=(_NOW - timedelta(1)).isoformat())}).encode()
    headers = earlier(10, "outcome_unknown") | {"jobrelay-window-until": window_until.isoformat()}
    await here.send(body, headers=headers, correlation_id=name)
    return name, body
