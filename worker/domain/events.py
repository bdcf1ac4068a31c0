"""What Jobrelay says: one function for each fact, each event's id derived from its fact.

An id is uuid5(uuid5(NAMESPACE_URL, "urn:jobrelay"), "TYPE|SOURCE|fact"): whoever repeats a step repeats the
event, and readers drop what they have seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from worker.domain.failures import Rejected
from worker.domain.jobs import Job, JobState
from worker.domain.requests import Kind
from worker.domain.trace import Trace, trace_of

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:jobrelay")
OURS = "jobrelay."
"""The CloudEvents type of each of our events begins so."""
SHARED = (
    "requestId", "correlationId", "metadata", "job", "process", "folder", "robot",
    "index", "count", "requested", "adopted",
)  # fmt: skip
"""What all events of one job carry, as its tracking document does."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What every event of one request carries: who asked, for what, and where the answers go."""

    request_id: str | None
    correlation_id: str | None = None
    reply_to: str | None = None
    trace: Trace | None = None
    metadata: Mapping[str, str] | None = None
    kind: Kind = Kind.START

    @property
    def trace_id(self) -> str | None:
        """The id of the trace that all of the request belongs to."""
        return self.trace.id if self.trace else None

    @property
    def trace_headers(self) -> dict[str, str]:
        """The headers that carry its trace on; none where it has none."""
        return self.trace.headers if self.trace else {}


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent before it is written. *schema* is its schema's name, such as `job-created.v1`."""

    schema: str
    routing_key: str
    id: str
    source: str
    subject: str | None
    time: str
    data: Mapping[str, Any]
    sender: Sender

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return f"{OURS}{self.schema}"

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
        return {**document, **self.sender.trace_headers}


def rfc3339(epoch: float) -> str:
    """Epoch seconds as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_id(schema: str, source: str, fact: str) -> str:
    """The id that everybody who states this fact arrives at."""
    return str(uuid5(_NAMESPACE, f"{OURS}{schema}|{source}|{fact}"))


def job_created(source: str, sender: Sender, tracking: Mapping[str, Any], seen: Job, now: float) -> Event:
    """A job exists. *tracking* is its tracking document, *seen* its row."""
    schema, key = "job-created.v1", seen.key
    data = {name: tracking[name] for name in (*SHARED, "reference", "strategy", "createdAt", "attempt")}
    data["state"] = seen.state
    time = seen.created_at or rfc3339(now)
    return Event(schema, "job.created", event_id(schema, source, key), source, key, time, data, sender)


def job_duplicate(source: str, kept: Mapping[str, Any], surplus: Job, now: float) -> Event:
    """A request has one job too many; *kept* is the tracking document of the first of its own."""
    schema, key = "job-duplicate.v1", surplus.key
    shared = ("requestId", "correlationId", "metadata", "process", "folder", "reference")
    data = {name: kept[name] for name in shared} | {
        "job": ids_of(surplus),
        "kept": kept["job"],
        "state": surplus.state,
        "createdAt": surplus.created_at or rfc3339(now),
    }
    identity, sender = event_id(schema, source, key), sender_of(kept)
    return Event(schema, "job.duplicate", identity, source, key, rfc3339(now), data, sender)


def job_stop_requested(source: str, sender: Sender, stop: Mapping[str, Any], found: Job, now: float) -> Event:
    """A job was to be stopped: Orchestrator was asked, unless it was over. *stop* says by whom and how."""
    schema, key, about = "job-stop-requested.v1", found.key, {**_request(sender), **stop}
    data = about | {"job": ids_of(found), "state": found.state, "terminal": found.terminal}
    identity = event_id(schema, source, f"{key}|{sender.request_id}")
    return Event(schema, "job.stop-requested", identity, source, key, rfc3339(now), data, sender)


def queue_item_added(source: str, sender: Sender, added: Mapping[str, Any], now: float) -> Event:
    """A request's queue item is there: `Added.document` and `attempt`."""
    schema = "queue-item-added.v1"
    identity = event_id(schema, source, str(sender.request_id))
    data = {**_request(sender), **added}
    time = added["createdAt"] or rfc3339(now)
    return Event(schema, "queue-item.added", identity, source, sender.request_id, time, data, sender)


def request_rejected(
    source: str, sender: Sender, why: Rejected, burial: Mapping[str, Any], now: float
) -> Event:
    """A request will not be started. *burial* has `fact`, `attempts` and `deadLetterId`."""
    data = {
        **why.document(),
        "attempts": burial["attempts"],
        "deadLetterId": burial["deadLetterId"],
    }
    return _of_request("rejected", source, sender, burial["fact"], data, now)


def request_deferred(source: str, sender: Sender, deferral: Mapping[str, Any], now: float) -> Event:
    """A request comes back later by itself; *deferral* holds the event's own fields."""
    fact = f"{sender.request_id}|{deferral['attempt']}"
    return _of_request("deferred", source, sender, fact, deferral, now)


def request_duplicate(
    source: str, sender: Sender, message: str, known: Mapping[str, Any], now: float
) -> Event:
    """A started request's id came again, by *message*. *known* is the rest of the event: see its schema."""
    return _of_request("duplicate", source, sender, f"{sender.request_id}|{message}", known, now)


def request_replayed(source: str, sender: Sender, letter: Mapping[str, Any], now: float) -> Event:
    """A dead letter was sent again. *letter* has `kind`, `deadLetterId`, `code` and `replays`."""
    fact = f"{letter['deadLetterId']}|{letter['replays']}"
    return _of_request("replayed", source, sender, fact, letter, now)


def request_cancelled(source: str, sender: Sender, cancelled: Mapping[str, Any], now: float) -> Event:
    """The start-job request of *sender* is not started. *cancelled* says by which stop request."""
    fact = f"{sender.request_id}|{cancelled['stopRequestId']}"
    return _of_request("cancelled", source, sender, fact, cancelled, now)


def _of_request(
    what: str, source: str, sender: Sender, fact: str, data: Mapping[str, Any], now: float
) -> Event:
    """*what* became of a request, such as `rejected`; *data* is all that is said but who asked."""
    schema, whole = f"request-{what}.v1", {**_request(sender), **data}
    key, identity = f"request.{what}", event_id(schema, source, fact)
    return Event(schema, key, identity, source, sender.request_id, rfc3339(now), whole, sender)


def kept_of(sender: Sender) -> dict[str, Any]:
    """What a tracking document keeps of who asked; `sender_of` reads it."""
    return {
        "requestId": sender.request_id,
        "correlationId": sender.correlation_id,
        "metadata": sender.metadata or {},
        "replyTo": sender.reply_to,
        "traceparent": None,
        **sender.trace_headers,
    }


def sender_of(tracking: Mapping[str, Any], kind: Kind = Kind.START) -> Sender:
    """The sender of a request of that kind, out of a tracking document."""
    return Sender(
        tracking["requestId"],
        tracking["correlationId"],
        tracking["replyTo"],
        trace_of(tracking),
        tracking["metadata"],
        kind,
    )


def tracking_documents(
    sender: Sender, shared: Mapping[str, Any], jobs: Sequence[Job], now: float
) -> list[dict[str, Any]]:
    """One tracking document (`schemas/internal/tracking.v1.json`) for each job of a request.

    *shared* holds process, folder, requested, adopted, reference, strategy, attempt and doubted. The state
    announced so far is Pending, whatever an adopted row says: later states are announced like any other's.
    """
    head = {
        **kept_of(sender),
        "state": JobState.PENDING,
        "previousState": None,
        "resumeVersion": 0,
        "generation": 0,
        "trackedSince": rfc3339(now),
        "seenAt": None,
        "missingSince": None,
        "explained": False,
        "count": len(jobs),
        **shared,
    }
    return [head | _of_job(job, index, now) for index, job in enumerate(jobs, 1)]


def _of_job(job: Job, index: int, now: float) -> dict[str, Any]:
    return {
        "job": ids_of(job),
        "robot": {"id": job.robot_id, "name": job.robot_name},
        "index": index,
        "createdAt": job.created_at or rfc3339(now),
    }


def ids_of(job: Job) -> dict[str, Any]:
    """The ids that name a job in events."""
    return {"id": job.id, "key": job.key, "batchExecutionKey": job.batch_execution_key or None}


def _request(sender: Sender) -> dict[str, Any]:
    return {
        "requestId": sender.request_id,
        "correlationId": sender.correlation_id,
        "metadata": sender.metadata or {},
        "kind": sender.kind,
    }
