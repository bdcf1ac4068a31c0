"""A message as it came, and what its headers say of its past."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from worker.domain.events import rfc3339
from worker.domain.failures import Violation

ATTEMPT = "jobrelay-attempt"
FIRST_AT = "jobrelay-first-at"
HISTORY = "jobrelay-history"
WINDOW_UNTIL = "jobrelay-window-until"
WINDOW_FOLDER = "jobrelay-window-folder"
REPLAYS = "jobrelay-replays"
LETTER_ID = "jobrelay-dead-letter-id"
VIOLATIONS = "jobrelay-violations"
LEFT_OUT = "left_out"  # the code of the entry that stands in a history for those that do not fit

_HISTORY_MOST = 48_000  # bytes: all of the history travels in one header, and all headers in one frame
_DETAIL_MOST = 2000
_REMEMBERED_MOST = 300  # of each detail: so a hundred attempts and more fit
_VIOLATIONS_MOST = 8_000  # characters, of at most four bytes: a frame has room for 120,000 bytes of headers
_COUNTED_TO = 1_000_000  # anybody may write into headers, and a number must fit into one again
_DOUBT_MOST_S = 3600.0  # and a doubt that never ends would never let a request end
LAST_DAY = 253_402_214_400  # 9999-12-31, in epoch seconds
DELIVERY_COUNTS = ("x-delivery-count", "x-acquired-count")
_SIGNS_OF_A_PAST = (ATTEMPT, REPLAYS, "x-death", *DELIVERY_COUNTS)
_DEATH = ("attempt", "code", "detail", "violations", "last-at", "host", "exchange", "routing-key")
_OF_ONE_DEATH = frozenset(f"jobrelay-{name}" for name in _DEATH)


@dataclass(slots=True, kw_only=True)
class Message:
    """A message of a work queue: the body byte for byte, and the properties that Jobrelay carries on.

    Nobody changes it. It is not frozen because that would make it three times as dear, for every request.
    """

    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    content_type: str | None = None
    content_encoding: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    message_id: str | None = None
    user_id: str | None = None
    type: str | None = None
    app_id: str | None = None
    priority: int | None = None
    timestamp: datetime | None = None
    exchange: str = ""
    routing_key: str = ""
    redelivered: bool = False

    @property
    def fresh(self) -> bool:
        """True when nothing says that this message was ever in a worker's hands before.

        Only a fresh message may be started without a look-up (invariant 3).
        """
        return not self.redelivered and not any(sign in self.headers for sign in _SIGNS_OF_A_PAST)

    @property
    def comes_again(self) -> bool:
        """True when the broker or our delay queues bring again what was published once. A replay is new."""
        return (self.redelivered or ATTEMPT in self.headers) and REPLAYS not in self.headers


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that did not settle the request: when (epoch seconds), and why."""

    at: float
    code: str
    detail: str

    def document(self) -> dict[str, str]:
        """The attempt as events and headers write it."""
        return {"at": rfc3339(self.at), "code": self.code, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Past:
    """What a message's headers say of earlier attempts at its request.

    *attempt* numbers this one, from 1. *safe_at* is the moment (epoch seconds) from which a POST of an
    earlier attempt can no longer commit; None when no earlier attempt can have sent one.
    """

    attempt: int
    deliveries: int
    replays: int
    first_at: float
    safe_at: float | None
    history: tuple[Attempt, ...]
    folder_id: int | None = None

    def after(
        self, made: Attempt | None, safe_at: float | None, where: int | None = None, *, counts: bool = True
    ) -> dict[str, Any]:
        """The headers that the next attempt will read; it has the same number if this one does not count."""
        return {
            ATTEMPT: self.attempt if counts else self.attempt - 1,
            FIRST_AT: rfc3339(self.first_at),
            HISTORY: _written((*self.history, made) if made else self.history),
        } | doubt(safe_at, where)


def doubt(safe_at: float | None, folder_id: int | None) -> dict[str, Any]:
    """The headers that say until when, and as far as known in which folder, a POST may still commit."""
    until = {} if safe_at is None else {WINDOW_UNTIL: rfc3339(safe_at)}
    return until if folder_id is None else until | {WINDOW_FOLDER: folder_id}


def _written(history: Sequence[Attempt]) -> str:
    """A history as its header has it: what does not fit is left out after the first, and that is said."""
    rows = [_row(replace(past, detail=past.detail[:_REMEMBERED_MOST])) for past in history]
    over = sum(len(row.encode()) + 2 for row in rows) + 2 - _HISTORY_MOST
    if over <= 0:
        return f"[{', '.join(rows)}]"
    end, before = 1, _left_out(history[1])
    while over > -_HISTORY_MOST // 10:  # a tenth more, so that this is not done each time
        over -= len(rows[end].encode()) + 2
        end += 1
    gap = Attempt(history[end - 1].at, LEFT_OUT, f"{before + end - 1} attempts are left out here")
    return f"[{', '.join([rows[0], _row(gap), *rows[end:]])}]"


def _left_out(attempt: Attempt) -> int:
    """How many attempts this entry stands for, beside itself."""
    count = attempt.detail.partition(" ")[0]
    return _count(int(count)) - 1 if attempt.code == LEFT_OUT and count.isdecimal() else 0


def _row(attempt: Attempt) -> str:
    return json.dumps(attempt.document(), ensure_ascii=False)


def letter(
    message: Message,
    past: Past,
    reason: tuple[str, str],
    host: str,
    now: float,
    violations: Sequence[Violation] = (),
) -> dict[str, Any]:
    """The headers that tell, in the dead letters, why *message* is there: *reason* is its code and detail."""
    code, detail = reason
    headers: dict[str, Any] = {
        "jobrelay-code": code,
        "jobrelay-detail": detail[:_DETAIL_MOST],
        ATTEMPT: past.attempt,
        FIRST_AT: rfc3339(past.first_at),
        "jobrelay-last-at": rfc3339(now),
        "jobrelay-host": host,
        "jobrelay-exchange": message.exchange,
        "jobrelay-routing-key": message.routing_key,
        REPLAYS: past.replays,
        LETTER_ID: str(uuid4()),
    }
    return headers | {VIOLATIONS: _listed(violations)} if violations else headers


def replayed(message: Message, now: float) -> Message:
    """A dead letter as it is sent again: its attempts begin anew, and how it died is one more of its history.

    What may have been sent for it is known as before: as a replay it is looked up before anything is sent.
    """
    past, of_death = past_of(message, now, 0), message.headers.get
    died_at = epoch_of(of_death("jobrelay-last-at"))
    kept = {name: value for name, value in message.headers.items() if name not in _OF_ONE_DEATH}
    kept[REPLAYS] = past.replays + 1
    sent_at = message.timestamp.isoformat() if message.timestamp else None
    first_at = epoch_of(of_death(FIRST_AT)) or epoch_of(sent_at)
    if first_at is not None:
        kept[FIRST_AT] = rfc3339(min(first_at, now))
    if died_at is not None:
        death = Attempt(died_at, _text(of_death("jobrelay-code")), _text(of_death("jobrelay-detail")))
        kept[HISTORY] = _written((*past.history, death))
    return replace(message, headers=kept)


def past_of(message: Message, now: float, window: float) -> Past:
    """Reads a message's past. Foreign values in our headers count as absent.

    A message that the broker delivers again may have been sent by its former owner up to *window* seconds
    from now on: that owner may not have noticed yet that it lost the message.
    """
    headers = message.headers
    first_at, safe_at = epoch_of(headers.get(FIRST_AT)), epoch_of(headers.get(WINDOW_UNTIL))
    if safe_at is not None and safe_at > now + window + _DOUBT_MOST_S:
        safe_at = now + window
    if message.redelivered or any(_count(headers.get(name)) for name in DELIVERY_COUNTS):
        safe_at = max(safe_at or 0.0, now + window)
    return Past(
        attempt=_count(headers.get(ATTEMPT)) + 1,
        # RabbitMQ 4.3 also counts acquisitions: those of a polite stop, or of a wait in an outage, too.
        deliveries=_count(headers.get("x-delivery-count")),
        replays=_count(headers.get(REPLAYS)),
        first_at=now if first_at is None else first_at,
        safe_at=safe_at,
        history=_history(headers.get(HISTORY)),
        folder_id=_count(headers.get(WINDOW_FOLDER), 2**63 - 1) or None,
    )


def _count(value: Any, most: int = _COUNTED_TO) -> int:
    return min(value, most) if isinstance(value, int) and value > 0 else 0


def epoch_of(value: Any) -> float | None:
    """A moment that can be written again: not one at the ends of the calendar."""
    try:
        epoch = datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return epoch if 0 <= epoch < LAST_DAY else None


def _listed(violations: Sequence[Violation]) -> str:
    """As many as a header has room for, as JSON; the last one then says that there are more."""
    listed: list[dict[str, str]] = []
    room = _VIOLATIONS_MOST
    for index, violation in enumerate(violations):
        row = violation.document()
        room -= len(json.dumps(row, ensure_ascii=False)) + 2
        if room < 0:
            listed.append({"pointer": "", "message": f"and {len(violations) - index} more"})
            break
        listed.append(row)
    return json.dumps(listed, ensure_ascii=False)


def _history(value: Any) -> tuple[Attempt, ...]:
    try:
        rows = json.loads(value)
        return tuple(
            Attempt(epoch_of(row["at"]) or 0.0, _text(row["code"]), _text(row["detail"])) for row in rows
        )
    except (TypeError, ValueError, KeyError, RecursionError):
        return ()


def _text(value: Any) -> str:
    """Text that can be encoded: JSON may hold half a character."""
    return str(value)[:_DETAIL_MOST].encode(errors="replace").decode()
