"""One delivery on its way to its settlement."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

from worker.domain.events import Sender
from worker.domain.failures import Rejected
from worker.domain.messages import Message, Past
from worker.domain.policy.custody import FINGERPRINT, USER_ID
from worker.domain.requests import LIFE, Entry, Kind, own_queue
from worker.domain.trace import Trace, trace_of
from worker.pipeline.ports import Delivery
from worker.pipeline.validate import request_id_of

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(slots=True, kw_only=True)
class Case:
    """A delivery: the message, its past, and who sent it.

    *event* names an application's event, by all that is known of it; it is empty for a request. *folder_id*
    is the folder that a POST went to of which it is not known what became of it. *refusal* is what was being
    told of it when its former owner was lost.
    """

    delivery: Delivery
    past: Past
    sender: Sender
    event: str = ""
    reference: str = ""
    expires_at: str | None = None
    owner: str = field(default_factory=lambda: uuid4().hex)
    folder_id: int | None = None
    refusal: Rejected | None = None

    @property
    def message(self) -> Message:
        """The message as it came."""
        return self.delivery.message

    @property
    def tries(self) -> int:
        """How often it has been in a worker's hands before: our attempts, and what the broker counts."""
        return self.past.attempt - 1 + self.past.deliveries

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the body: what tells two bodies of one request id apart.

        A template's request may say another one, without what is new in it each time that it is made.
        """
        said = self.message.headers.get(FINGERPRINT)
        if isinstance(said, str) and _SHA256.fullmatch(said):
            return said
        return sha256(self.message.body).hexdigest()

    @property
    def key(self) -> str:
        """Names the request in the ledger, where an item's may have the id of a start's."""
        request_id = str(self.sender.request_id)
        return f"~item:{request_id}" if self.sender.kind is Kind.QUEUE_ITEM else request_id

    @property
    def life(self) -> str:
        """Names this copy of the message until it is sent round, replayed, or sent anew (`Ends.met`).

        What is sent anew has a timestamp of its own, if its sender sets one.
        """
        message, past = self.message, self.past
        # Of an event's kind its templates decide, which may be others by now.
        kind, what = ("event", self.event) if self.event else (self.sender.kind, self.fingerprint)
        by = (kind, message.user_id, message.headers.get(USER_ID), message.message_id, message.timestamp)
        named = "|".join(map(str, (*by, what, past.replays, past.attempt)))
        return LIFE + sha256(named.encode(errors="surrogatepass")).hexdigest()

    @property
    def rejection(self) -> str:
        """The fact that it is rejected: a request, or an event by a template; each replay for itself."""
        by = (self.sender.metadata or {}).get("template")
        what = f"{self.event}|{by}" if self.event else self.sender.request_id or self.fingerprint
        return f"{what}|{self.past.replays}"

    def age(self, now: float) -> float | None:
        """Seconds since it was published; None where nobody has said when that was.

        A sender's timestamp has whole seconds; a broker that is told to set one adds milliseconds
        (rabbitmq.com/docs/message-interceptors).
        """
        sent, exactly = self.message.timestamp, self.message.headers.get("timestamp_in_ms")
        if isinstance(exactly, int):
            return now - exactly / 1000
        return now - sent.timestamp() if sent else None

    def in_hand(self) -> bool:
        """False once the broker has given the message to somebody else."""
        return self.delivery.is_open

    def entry(self, folder_id: int | None = None) -> Entry:
        """What the ledger is to know of this attempt, which sends its POST to *folder_id*."""
        message_id = self.message.message_id
        return Entry(
            self.owner, self.fingerprint, message_id, settled=False, safe_at=0.0, folder_id=folder_id
        )


def sender_of(
    message: Message,
    document: Mapping[str, Any],
    prefix: str,
    kind: Kind = Kind.START,
    trace: Trace | None = None,
) -> Sender:
    """Who sent *message* and where its answers go; what is not as it must be counts as absent.

    What is told of it belongs to *trace*, by default to the trace that the message names.
    """
    metadata = document.get("metadata")
    reply_to = message.reply_to
    return Sender(
        request_id=request_id_of(document),
        correlation_id=message.correlation_id,
        reply_to=None if own_queue(reply_to, prefix) else reply_to,
        trace=trace or trace_of(message.headers),
        metadata=metadata if isinstance(metadata, dict) and _all_text(metadata) else {},
        kind=kind,
    )


def _all_text(metadata: dict[Any, Any]) -> bool:
    return all(isinstance(value, str) for value in metadata.values())
