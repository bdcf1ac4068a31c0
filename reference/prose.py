"""What no code says of the contracts: whom they are for, and how the parts are used."""

from typing import Any

ABOUT = """\
Jobrelay starts UiPath jobs by message, each request once, and tells what came of it.

**The view is Jobrelay's**: it *receives* requests and *sends* events. A client does the opposite: it publishes
requests, and reads events from a queue of its own.

**Names** begin with the deployment's prefix (the setting PREFIX). Here it is the default one, `jobrelay`: with the
prefix `billing` the exchanges are `billing.requests` and `billing.events`.

**To ask**, publish to `jobrelay.requests` with a publisher confirm and the mandatory flag, persistent
(`delivery_mode` 2), `content_type` `application/json`, at most 1 MiB of UTF-8; a whole number of more than 64 bits only as
text. A CloudEvent that carries the request is taken too: structured (`application/cloudevents+json`) or binary (headers
`cloudEvents_…`). `correlation_id`, `traceparent` and `metadata` come back in every event. A deployment with a policy wants
your broker user as `user_id`. No confirm? Publish the same request with the same `requestId` again: a duplicate starts
nothing (with several workers: where they share a ledger, see REDIS_URL).

**To hear**, bind a queue of your own to `jobrelay.events`: `#` is everything, `job.#` jobs, `queue-item.#` items of queues,
`request.#` what becomes of requests themselves. Or name a queue in `reply_to`: a copy of each event of that request
goes there, tried once. Events may come twice with the same `id`; drop the second. What has no value is null; ignore
properties that you do not know.
"""

_PORTS = {"amqp": "5672", "amqps": "5671"}
_PROTECTED = {
    "amqp": [{"$ref": "#/components/securitySchemes/user"}],
    "amqps": [
        {"$ref": "#/components/securitySchemes/user"},
        {"$ref": "#/components/securitySchemes/certificate"},
    ],
}
_OVER = {"amqp": "RabbitMQ 3.10 to 4.3.", "amqps": "The same over TLS."}

SERVERS: dict[str, Any] = {
    protocol: {
        "host": "{host}",
        "protocol": protocol,
        "protocolVersion": "0.9.1",
        "description": _OVER[protocol],
        "variables": {"host": {"default": f"localhost:{port}", "description": "The broker's host and port."}},
        "security": _PROTECTED[protocol],
        "bindings": {"amqp": {}},
    }
    for protocol, port in _PORTS.items()
}

WHERE = {
    "replies": {
        "title": "Replies",
        "description": (
            "The queue that the request's reply_to names, by way of the default exchange. Copies of that request's "
            "events come here; each is tried once, so that the exchange of events stays the truth."
        ),
    },
    "deadLetters": {
        "title": "Dead letters",
        "description": (
            "What could not be processed, byte for byte as it came, with the reason in headers. For operators: "
            "the command jobrelay dead lists, shows, replays and drops them; nothing else should consume here."
        ),
    },
    "audit": {
        "title": "Audit",
        "description": (
            "A stream of all requests, events and dead letters, limited by age and size. Read it with a prefetch and "
            "x-stream-offset, or with the command jobrelay audit tail; reading takes nothing away."
        ),
    },
}

HOW: dict[str, Any] = {
    "reply": {
        "location": "$message.header#/replyTo",
        "description": "The AMQP property reply_to of the request, which is no header: optional.",
    },
    "bury": {
        "title": "Dead letter",
        "summary": "A message that cannot be processed is put aside with its reason.",
    },
    "audit": {"title": "Audit", "summary": "The broker keeps a copy of everything that is said."},
}

RAW: dict[str, Any] = {
    "name": "dead-letter",
    "title": "Dead letter",
    "summary": "A message as it came, body and properties, with the reason in headers.",
    "contentType": "application/octet-stream",
    "payload": {"description": "Whatever was sent: it may be no JSON at all."},
}
