"""What a webhook notice says, and whether it is Orchestrator's. Pure: whatever comes in, nothing is raised.

Forms by UiPath's types of events and the event schemas of OpenAPI 20.0. A notice is a hint to look at its
jobs and never the truth: notices get lost, come twice and in any order.
"""

import re
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest, digest
from urllib.parse import urlsplit

PATH = "/webhooks/orchestrator"
SIGNATURE = "X-UiPath-Signature"
MOST_BYTES = 2**20
"""Of a notice; one may name a thousand jobs. What stands before a worker often takes no more either."""

_FIRST = ("job.created", "job.started", "job.completed", "job.faulted", "job.stopped", "job.suspended")
_YOUNGER = ("job.resumed", "job.stopping", "job.terminating")

_PREFIX = "sha256="
_LONGEST_ID = 128
_GUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Verdict(StrEnum):
    """What became of what was sent to the webhook. The words are public: a metric's label."""

    TAKEN = "taken"
    REPEATED = "repeated"
    IGNORED = "ignored"
    UNSIGNED = "unsigned"
    FORGED = "forged"
    UNREADABLE = "unreadable"
    OVERSIZED = "oversized"
    SLOW = "slow"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice: its own id, its type, and the keys of the jobs to look at, in lower case."""

    event_id: str
    kind: str
    jobs: tuple[str, ...]


class Recent:
    """The last *most* ids that it was asked about."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ids: OrderedDict[str, None] = OrderedDict()

    def has(self, event_id: str) -> bool:
        """Whether this id is among them; from now on it is."""
        if event_id in self._ids:
            return True
        self._ids[event_id] = None
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)
        return False


def is_signed(signature: str, body: bytes, secrets: Sequence[str]) -> bool:
    """Whether *signature* is that of *body* with one of *secrets*: base64 of its HMAC-SHA256.

    `sha256=` before it, or before the same in hex, is taken too. It takes as long wherever the signature is
    wrong, and whichever secret it was made with.
    """
    given = _digest_in(signature)
    if given is None:
        return False
    same = [compare_digest(digest(key.encode(), body, "sha256"), given) for key in secrets]
    return any(same)


def notice_of(document: object) -> Notice | None:
    """The notice that a JSON document is; None where it has no Type or no EventId, as all of them do."""
    if not isinstance(document, Mapping):
        return None
    event_id, kind = document.get("EventId"), document.get("Type")
    if not isinstance(event_id, str) or not isinstance(kind, str):
        return None
    if not kind or not 0 < len(event_id) <= _LONGEST_ID:
        return None
    jobs = _keys_in(document) if kind.lower().startswith("job.") else ()
    return Notice(event_id, kind, tuple(dict.fromkeys(jobs)))


def subscription(offered: Collection[str]) -> tuple[str, ...]:
    """The events of a job's change, of those that a server offers; the oldest where it names none of them."""
    return tuple(event for event in _FIRST + _YOUNGER if event in offered) or _FIRST


def same_address(one: str, other: str) -> bool:
    """Whether two URLs lead to the same place, however their hosts and default ports are written."""
    return one == other or _place(one) == _place(other) is not None


def _place(url: str) -> tuple[str, str | None, int | None, str, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port, parts.path or "/", parts.query


def _digest_in(signature: str) -> bytes | None:
    text = signature.strip()
    marked = text[: len(_PREFIX)].lower() == _PREFIX
    text = text[len(_PREFIX) :] if marked else text
    in_hex = marked and len(text) == 2 * sha256().digest_size
    try:
        return bytes.fromhex(text) if in_hex else b64decode(text, validate=True)
    except ValueError:
        return None


def _keys_in(document: Mapping[object, object]) -> Iterator[str]:
    """Most events have one Job; those of many at once, such as job.created, have Jobs."""
    several = document.get("Jobs")
    for job in (document.get("Job"), *(several if isinstance(several, list) else ())):
        key = job.get("Key") if isinstance(job, Mapping) else None
        if isinstance(key, str) and _GUID.fullmatch(key.lower()):
            yield key.lower()
