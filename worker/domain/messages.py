"""A message as it came, and what its headers say of its past."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ATTEMPT = "jobrelay-attempt"
FIRST_AT = "jobrelay-first-at"
HISTORY = "jobrelay-history"
WINDOW_UNTIL = "jobrelay-window-until"
REPLAYS = "jobrelay-replays"

_SIGNS_OF_A_PAST = (ATTEMPT, REPLAYS, "x-death", "x-delivery-count", "x-acquired-count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a work queue: the body byte for byte, and the properties that Jobrelay carries on."""

    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    content_type: str | None = None
    content_encoding: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    message_id: str | None = None
    user_id: str | None = None
    timestamp: datetime | None = None
    exchange: str = ""
    routing_key: str = ""
    redelivered: bool = False

    @property
    def fresh(self) -> bool:
        """True when nothing says that this message was ever in a worker's hands before.

        Only a fresh message may be started without a look-up (DESIGN invariant 3).
        """
        return not self.redelivered and not any(sign in self.headers for sign in _SIGNS_OF_A_PAST)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that did not settle the request: when (epoch seconds), and why."""

    at: float
    code: str
    detail: str
