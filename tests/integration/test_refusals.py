"""What bad input gets: a refusal that names what, where and how to mend it; and the worker goes on."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from refused import earlier, refused
from relay import Relay
from station import Heard, Station, assert_valid, new_id
from tenant import CLASSIC, MODERN, key_of, request

_GAVE_UP_WAITING = earlier(3, *["not_yet_visible"] * 3)
_IN_CLASSIC = {"folder": {"path": CLASSIC}, "process": {"name": "SupportTriage", "environment": "Production"}}
_TYPED = {"process": {"name": "Typed"}}
_NOW = datetime.now(UTC)


def _bytes(**properties: Any) -> bytes:
    return json.dumps({"requestId": new_id(), **request(**properties)}).encode()


def _pointers(rejected: Heard) -> list[str]:
    return [violation["pointer"] for violation in rejected.data["violations"]]


@pytest.mark.parametrize(
    ("body", "properties", "code", "said"),
    [
        (b"{'not': json} \x00 \r\n", {}, "invalid_json", "line 1"),
        (b"", {}, "invalid_json", "empty"),
        (b'{"requestId": "a\xff"}', {}, "invalid_json", "0xff"),
        (b'{"requestId": "a", "requestId": "b"}', {}, "invalid_json", "twice"),
        (b'{"requestId": "a", "jobsCount": NaN}', {}, "invalid_json", "NaN"),
        (b"[" * 1000 + b"]" * 1000, {}, "invalid_json", "deeper"),
        (b'["a list"]', {}, "invalid_request", "object"),
        (json.dumps(request()).encode(), {}, "request_id_missing", "requestId"),
        (b'{"pad": "' + b"x" * 1_048_576 + b'"}', {}, "too_large", "1,048,576"),
        (_bytes(), {"content_type": "application/xml"}, "wrong_content_type", "application/xml"),
        (_bytes(), {"content_encoding": "gzip"}, "wrong_content_type", "gzip"),
        (
            _bytes(),
            {"content_type": "application/json; charset=utf-16"},
            "wrong_content_type",
            "utf-16",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_read_is_refused_and_kept(
    here: Station, body: bytes, properties: dict[str, Any], code: str, said: str
) -> None:
    """A body that is no request gets its reason and place, stays byte for byte, and stops nobody."""
    rejected, _ = await refused(here, body, **properties)
    assert rejected.data["code"] == code
    assert said in rejected.data["detail"]
    assert rejected.data["requestId"] is None


@pytest.mark.parametrize(
    ("asked", "code", "pointers"),
    [
        ({"requestId": "no spaces"}, "invalid_request", ["/requestId"]),
        ({"folder": None}, "folder_missing", ["/folder"]),
        ({"jobsCount": 0, "colour": "red"}, "invalid_request", ["/colour", "/jobsCount"]),
        ({"process": {"name": "A", "releaseKey": key_of("A")}}, "invalid_request", ["/process"]),
        ({"strategy": "Specific"}, "invalid_request", ["/robots"]),
        ({"strategy": "All", "jobsCount": 2}, "invalid_request", ["/jobsCount"]),
        ({"priority": 101}, "invalid_request", ["/priority"]),
        ({"expiresAt": "2026-11-21T18:00:00"}, "invalid_request", ["/expiresAt"]),
        ({"strategy": "Specific", "robots": ["clerk-1"]}, "strategy_not_offered", []),
        ({**_IN_CLASSIC, "strategy": "ModernJobsCount"}, "strategy_not_offered", []),
        ({**_IN_CLASSIC, "machines": ["office-template"]}, "invalid_request", ["/machines"]),
        ({"expiresAt": (_NOW - timedelta(hours=1)).isoformat()}, "expired", []),
        ({"inputArguments": {}}, "arguments_invalid", ["/inputArguments/IncidentId"]),
        (
            {"inputArguments": {"incidentId": "1", "IncidentId": 5}},
            "arguments_invalid",
            ["/inputArguments/IncidentId", "/inputArguments/incidentId"],
        ),
        (
            {
                **_TYPED,
                "inputArguments": {
                    "Text": None,
                    "Count": 2**31,
                    "Flag": "yes",
                    "When": "tomorrow",
                    "Rate": "fast",
                    "Names": ["a", 1],
                    "Table": {"a": 1, "b": "two"},
                    "Rows": {"any": "thing"},
                },
            },
            "arguments_invalid",
            [
                "/inputArguments/Count",
                "/inputArguments/Flag",
                "/inputArguments/Names/1",
                "/inputArguments/Rate",
                "/inputArguments/Table/b",
                "/inputArguments/When",
            ],
        ),
        ({**_IN_CLASSIC, "inputArguments": {"IncidentId": "x" * 10_000}}, "arguments_too_long", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_request_that_asks_wrongly_is_refused_with_every_place(
    relay: Relay, here: Station, asked: dict[str, Any], code: str, pointers: list[str]
) -> None:
    """Each thing wrong is named by its pointer, before a StartJobs call is spent on it."""
    document = {"requestId": new_id(), **request(**asked)}
    rejected, _ = await refused(here, json.dumps(document).encode())
    assert rejected.data["code"] == code, rejected
    assert sorted(_pointers(rejected)) == pointers
    assert relay.sent(document["requestId"]) == []


@pytest.mark.parametrize(
    ("asked", "code", "pointers"),
    [
        ({"process": {"name": "Retired"}}, "process_unknown", []),
        ({"folder": {"path": "Shared/Nowhere"}}, "folder_unknown", []),
        ({"robots": ["clerk-1", "nobody"]}, "robot_unknown", ["/robots/1"]),
        ({"machines": ["abacus"]}, "machine_unknown", ["/machines/0"]),
    ],
)
async def test_a_name_that_stays_unknown_is_refused_after_it_was_waited_for(
    relay: Relay, here: Station, asked: dict[str, Any], code: str, pointers: list[str]
) -> None:
    """An unknown name is deferred first, as it may not be visible yet; after three times it is refused."""
    first = await here.ask(request(**asked))
    (deferred,) = await here.outcome(first)
    assert_valid([deferred])
    assert (deferred.data["code"], deferred.data["delaySeconds"]) == ("not_yet_visible", 5)
    assert (deferred.data["attempt"], deferred.data["outcomeKnown"]) == (1, True)
    rejected, _ = await refused(here, _bytes(**asked), headers=dict(_GAVE_UP_WAITING))
    assert rejected.data["code"] == code
    assert _pointers(rejected) == pointers
    assert [attempt["code"] for attempt in rejected.data["attempts"]] == ["not_yet_visible"] * 3
    assert relay.sent(first) == []


async def test_an_ambiguous_process_is_refused_with_its_candidates(here: Station) -> None:
    """A package with several processes is not guessed at: all are listed with what tells them apart."""
    body = _bytes(folder={"path": CLASSIC}, process={"name": "SupportTriage"})
    rejected, _ = await refused(here, body)
    assert rejected.data["code"] == "process_ambiguous"
    assert rejected.data["candidates"] == [
        {
            "name": f"SupportTriage_{environment}",
            "releaseKey": key_of(f"{CLASSIC}/SupportTriage_{environment}"),
            "folder": CLASSIC,
            "environment": environment,
        }
        for environment in ("QuickstartDemo", "Production")
    ]


async def test_long_arguments_go_as_an_attachment_where_there_are_such(relay: Relay, here: Station) -> None:
    """Above 10,000 characters a server with API 20 gets the arguments as a file in a modern folder."""
    name = await here.ask(request(inputArguments={"IncidentId": "ü" * 10_000}))
    relay.assert_started_once(name, await here.outcome(name))
    (sent,) = relay.sent(name)
    assert sent["InputFile"]
    assert "InputArguments" not in sent


async def test_a_reply_to_that_names_a_queue_of_ours_is_refused(relay: Relay, here: Station) -> None:
    """Events must not be sent into Jobrelay's own queues as if they were requests."""
    rejected, letter = await refused(here, _bytes(), reply_to=f"{relay.prefix}.start")
    assert rejected.data["code"] == "invalid_request"
    assert "reply_to" in rejected.data["detail"]
    assert letter.message.reply_to == f"{relay.prefix}.start"


async def test_an_unknown_routing_key_is_seen_among_the_dead_letters(here: Station) -> None:
    """What no queue takes is not dropped: it is kept as it came."""
    mark, body = new_id(), _bytes()
    await here.send(body, key="job.begin", correlation_id=mark)
    letter = await here.letter(mark)
    assert (letter.key, letter.message.body) == ("job.begin", body)


@pytest.mark.parametrize("form", ["structured", "base64", "cloudEvents_", "cloudEvents:", "ce-"])
async def test_cloud_events_are_requests_too(relay: Relay, here: Station, form: str) -> None:
    """Structured and binary CloudEvents start jobs; the requestId is in the data, never the event's id."""
    name = new_id()
    data = {"requestId": name, **request(folder={"path": MODERN})}
    event: dict[str, Any] = {"specversion": "1.0", "id": "ce-1", "source": "urn:test", "type": "test.start"}
    if form in ("structured", "base64"):
        encoded = {"data_base64": base64.b64encode(json.dumps(data).encode()).decode()}
        body, headers = {**event, **({"data": data} if form == "structured" else encoded)}, {}
        content_type = "application/cloudevents+json; charset=utf-8"
    else:
        body, content_type = data, "application/json"
        headers = {f"{form}{attribute}": value for attribute, value in event.items()}
    sent = json.dumps(body).encode()
    await here.send(sent, content_type=content_type, headers=headers, correlation_id=name)
    relay.assert_started_once(name, await here.outcome(name))
