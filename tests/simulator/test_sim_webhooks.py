"""Webhooks: kept, delivered, signed, and cut off by the breaker."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from caller import MODERN, QUICK, Caller, F, until


class Receiver:
    """A server on this machine that keeps what it is sent and answers with `status`."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread.start()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    def types(self) -> list[str]:
        return [event["Type"] for event in self.events()]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join(5)
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    receiver = Receiver()
    yield receiver
    receiver.close()


def _hook(receiver: Receiver, *events: str, **changed: Any) -> dict[str, Any]:
    return {
        "Name": "mine",
        "Url": receiver.url,
        "Enabled": True,
        "Secret": "a secret ü",
        "SubscribeToAllEvents": not events,
        "AllowInsecureSsl": False,
        "Events": [{"EventType": name} for name in events],
        **changed,
    }


def test_a_webhook_tells_a_jobs_story_signed(api: Caller, receiver: Receiver) -> None:
    """base64 HMAC-SHA256 of the raw body; jobs in an array when created; output as an object."""
    api.behave({"jobs": {**QUICK["jobs"], "outcomes": {"Successful": 1}}})
    assert api.call("POST", "/odata/Webhooks", _hook(receiver)).status == 201
    key = api.start(Reference="P:r", InputArguments='{"IncidentId":"7"}').value[0]["Key"]
    until(receiver.types, lambda types: len(types) == 3)
    for headers, body in receiver.got:
        signature = base64.b64encode(hmac.new("a secret ü".encode(), body, hashlib.sha256).digest()).decode()
        assert headers["X-UiPath-Signature"] == signature
    told = {event["Type"]: event for event in receiver.events()}
    assert told.keys() == {"job.created", "job.started", "job.completed"}
    assert told["job.created"]["Jobs"][0]["Key"] == key
    assert told["job.created"]["Jobs"][0]["BatchExecutionKey"]
    assert told["job.completed"]["Job"]["OutputArguments"] == {"IncidentId": "7"}
    assert told["job.completed"]["OrganizationUnitId"] == MODERN
    assert len({event["EventId"] for event in told.values()}) == 3


def test_a_webhook_gets_only_what_it_subscribed_to(api: Caller, receiver: Receiver) -> None:
    """And no signature without a secret."""
    api.behave(QUICK)
    api.call("POST", "/odata/Webhooks", _hook(receiver, "job.faulted", Secret=None))
    api.start()
    api.start(ReleaseKey="b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7009")
    until(receiver.types, bool)
    assert set(receiver.types()) == {"job.faulted"}
    assert "X-UiPath-Signature" not in receiver.got[0][0]


def test_a_shared_process_tells_each_of_its_folders(api: Caller, receiver: Receiver) -> None:
    """The same event once for each folder."""
    release = {
        "Name": "a",
        "ProcessKey": "a",
        "folder": ["A", "B"],
        "Key": "b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7777",
    }
    folders = [{"FullyQualifiedName": "A", "Id": 1}, {"FullyQualifiedName": "B", "Id": 2}]
    hooks = [{"Name": "w", "Url": receiver.url, "events": ["job.created"]}]
    api.simulated.seed({"folders": folders, "releases": [release], "webhooks": hooks})
    assert api.start(1, ReleaseKey=release["Key"], Strategy="ModernJobsCount", JobsCount=1).status == 201
    until(receiver.events, lambda events: len(events) == 2)
    assert {event["OrganizationUnitId"] for event in receiver.events()} == {1, 2}


def test_a_failed_delivery_opens_the_breaker_and_is_not_repeated(api: Caller, receiver: Receiver) -> None:
    """Events are skipped while it is open; afterwards they come again."""
    api.behave({"webhookBreakerSeconds": 600})
    receiver.status = 500
    hook = api.call("POST", "/odata/Webhooks", _hook(receiver, "job.created")).json

    def counts() -> tuple[int, int, int]:
        (row,) = api.simulated.tell("GET", "webhooks")
        return row["delivered"], row["failed"], row["skipped"]

    api.start()
    until(counts, lambda found: found == (0, 1, 0))
    api.start()
    api.start()
    until(counts, lambda found: found == (0, 1, 2))
    assert len(receiver.got) == 1
    receiver.status = 200
    assert api.call("PATCH", f"/odata/Webhooks({hook['Id']})", {"Enabled": True}).status == 200
    api.start()
    until(counts, lambda found: found[0] == 1)


def test_webhooks_are_kept_changed_pinged_and_deleted(api: Caller, receiver: Receiver) -> None:
    """Secrets are shown, as the API guide shows them; addresses elsewhere are refused."""
    made = api.call("POST", "/odata/Webhooks", _hook(receiver, "job.completed"))
    path = f"/odata/Webhooks({made.json['Id']})"
    assert made.json["Secret"] == "a secret ü"
    assert api.call("PUT", path, _hook(receiver, Name="other", Enabled=False)).json["Name"] == "other"
    assert api.call("GET", "/odata/Webhooks").value[0]["Enabled"] is False
    assert api.call("PATCH", path, {"Enabled": True}).json["Enabled"] is True
    assert api.call("GET", path).json["SubscribeToAllEvents"] is True
    ping = api.call("POST", f"{path}/{F}Ping")
    assert (ping.status, ping.json["Type"]) == (202, "ping")
    until(receiver.types, lambda types: types == ["ping"])
    types = api.call("GET", f"/odata/Webhooks/{F}GetEventTypes").value
    assert {"Name": "job.completed", "Group": "job"} in types
    assert api.call("DELETE", path).status == 204
    assert api.call("GET", path).error == (404, 1002)
    elsewhere = _hook(receiver, Url="https://198.51.100.7/hook")
    for wrong in (
        elsewhere,
        _hook(receiver, "job.won"),
        _hook(receiver, Name=None),
        _hook(receiver, Url="x"),
    ):
        assert api.call("POST", "/odata/Webhooks", wrong).error == (400, 1009)
