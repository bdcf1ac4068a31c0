"""What Jobrelay says: one function for each fact, each event's id derived from its fact.

An id is uuid5(uuid5(NAMESPACE_URL, "urn:jobrelay"), "TYPE|SOURCE|fact"): whoever repeats a step repeats the
event.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:jobrelay")


@dataclass(frozen=True, slots=True)
class Sender:
    """What every event of one request carries: who asked, and where the answers go."""

    request_id: str | None
    correlation_id: str | None = None
    reply_to: str | None = None
    traceparent: str | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent before it is written: *schema* is its schema's name, such as `job-created.v1`."""

    schema: str
    routing_key: str
    id: str
    source: str
    subject: str | None
    time: str
    data: Mapping[str, Any]
    correlation_id: str | None = None
    reply_to: str | None = None
    traceparent: str | None = None

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return f"jobrelay.{self.schema}"

    def document(self) -> dict[str, Any]:
        """The event in CloudEvents' structured JSON form."""
        document = {
            "specversion": "1.0",
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "subject": self.subject,
            "time": self.time,
            "datacontenttype": "application/json",
            "dataschema": f"urn:jobrelay:schema:{self.schema}",
            "data": self.data,
        }
        if self.traceparent:
            document["traceparent"] = self.traceparent
        return document


def rfc3339(epoch: float) -> str:
    """Epoch seconds as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
