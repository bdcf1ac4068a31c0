"""The AMQP headers of requests, events and dead letters, as JSON Schemas."""

from typing import Any

_TRACE = {
    "type": "string",
    "description": "W3C trace context. A request's is carried into its events.",
    "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
}
_STATE = {"type": "string", "description": "What tracing systems add to traceparent (W3C)."}


def _texts(**described: str) -> dict[str, Any]:
    return {name: {"type": "string", "description": text} for name, text in described.items()}


def _attributes(specversion: str, of: str) -> dict[str, Any]:
    texts = _texts(
        cloudEvents_id=f"The id of {of}.",
        cloudEvents_type=f"The type of {of}.",
        cloudEvents_source=f"The source of {of}.",
        cloudEvents_time=f"The time of {of}.",
        cloudEvents_subject=f"The subject of {of}.",
    )
    return {"cloudEvents_specversion": {"const": "1.0", "description": specversion}, **texts}


REQUEST: dict[str, Any] = {
    "type": "object",
    "description": "None is needed. A CloudEvent in binary form has the cloudEvents_ ones, a structured one none.",
    "properties": {
        "traceparent": _TRACE,
        "tracestate": _STATE,
        **_attributes(
            "Marks a CloudEvent in binary form; the prefixes cloudEvents: and ce- are read too.",
            "the CloudEvent; not looked at",
        ),
    },
}

EVENT: dict[str, Any] = {
    "type": "object",
    "description": "What the body says too, for readers who choose by headers; each attribute cut to 255 bytes.",
    "required": [
        "cloudEvents_specversion", "cloudEvents_id", "cloudEvents_type", "cloudEvents_source",
        "cloudEvents_time",
    ],
    "properties": {
        **_attributes("The version of CloudEvents.", "the event"),
        "traceparent": _TRACE | {"description": "As the event has it: in the trace of the request."},
        "tracestate": _STATE,
    },
}  # fmt: skip

_LETTER = _texts(
    **{
        "jobrelay-code": "Why it is here: a code of request-rejected, or outcome_unknown.",
        "jobrelay-detail": "The same in a sentence.",
        "jobrelay-first-at": "When Jobrelay first met it (RFC 3339).",
        "jobrelay-last-at": "When it was put here (RFC 3339).",
        "jobrelay-host": "The worker that put it here.",
        "jobrelay-exchange": "The exchange that it had been published to.",
        "jobrelay-routing-key": "The routing key that it had been published with.",
        "jobrelay-dead-letter-id": "Names the dead letter: deadLetterId of its request-rejected.",
        "jobrelay-violations": "A JSON array of what breaks the schema: pointer and message. Left out where nothing does.",
        "jobrelay-history": "A JSON array of the attempts: at, code, detail. Left out where it was never deferred.",
        "jobrelay-user-id": "The sender's user_id, which the broker had checked. Left out or empty where there was none.",
    }
)

DEAD_LETTER: dict[str, Any] = {
    "type": "object",
    "description": "None of them on a message that the broker itself put here, such as one with an unknown routing key.",
    "properties": {
        **_LETTER,
        "jobrelay-attempt": {"type": "integer", "minimum": 1, "description": "How many attempts were made."},
        "jobrelay-replays": {"type": "integer", "minimum": 0, "description": "How often it was replayed."},
    },
}
