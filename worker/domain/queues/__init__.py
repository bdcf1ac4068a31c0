"""Queues and their items: what a request to add one asks for, and which of those found is its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from worker.domain import arguments
from worker.domain.failures import Code, Rejected, Violation
from worker.domain.processes import Folder
from worker.domain.requests import FolderRef

LONGEST_CONTENT = 256_000
"""UTF-16 code units that Orchestrator takes as an item's specific content, as the JSON that it keeps."""
LONGEST_REFERENCE = 128
DUPLICATE_REFERENCE = 1016
_COMPARED_MOST = 1000
_DETAILS = {
    "Priority": "priority",
    "DeferDate": "deferDate",
    "DueDate": "dueDate",
    "RiskSlaDate": "riskSlaDate",
    "Progress": "progress",
}


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of a folder."""

    id: int
    name: str

    def document(self) -> dict[str, Any]:
        """The queue as events write it."""
        return {"id": self.id, "name": self.name or None}


@dataclass(frozen=True, slots=True)
class Item:
    """A queue item's row, as far as Jobrelay uses it. Each retry is a row with an id of its own.

    All tries have one *key*. *parent* is its ParentOperationId, which API 20 brought. *created_at* is the
    server's text (RFC 3339).
    """

    id: int
    key: str
    reference: str
    queue_id: int
    created_at: str | None = None
    parent: str | None = None
    content: Mapping[str, Any] | None = None

    def bears(self, mark: str) -> bool:
        """True where it was added with *mark* (`PREFIX:requestId`), which one request alone has.

        A sender may have given another request's mark for a Reference; the parent tells his own.
        """
        prefix = mark.partition(":")[0]
        anothers = self.parent is not None and self.parent.startswith(f"{prefix}:")
        return mark == self.parent or (mark == self.reference and not anothers)


@dataclass(frozen=True, slots=True)
class Given:
    """What tells a request's item beside its mark: the Reference that its sender gave, and the content.

    None is what it does not have, or has in a form that Orchestrator was never sent.
    """

    reference: str | None
    content: Mapping[str, Any] | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Given":
        """Reads a document, however little else in it is right."""
        reference, content = document.get("reference"), document.get("specificContent", {})
        sent = isinstance(reference, str) and 0 < arguments.length(reference) <= LONGEST_REFERENCE
        return cls(reference if sent else None, content if isinstance(content, Mapping) else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRequest:
    """A request to add a queue item that kept to its schema. *details* has Orchestrator's own names."""

    request_id: str
    queue: str
    folder: FolderRef | None
    content: Mapping[str, Any]
    details: Mapping[str, Any]
    reference: str | None
    expires_at: datetime | None
    track: bool = False

    @property
    def given(self) -> Given:
        """What tells its item beside its mark."""
        return Given(self.reference, self.content)

    @classmethod
    def of(cls, document: Mapping[str, Any], default_folder: FolderRef | None) -> "ItemRequest":
        """Reads a document that was held to its schema, in *default_folder* where it names none."""
        get = document.get
        folder, expires = get("folder"), get("expiresAt")
        return cls(
            request_id=document["requestId"],
            queue=document["queue"],
            folder=FolderRef.of(folder) if folder else default_folder,
            content=get("specificContent", {}),
            details={theirs: document[ours] for theirs, ours in _DETAILS.items() if ours in document},
            reference=get("reference"),
            expires_at=datetime.fromisoformat(expires) if expires else None,
            track=get("track", False),
        )


@dataclass(frozen=True, slots=True)
class Added:
    """The request's queue item is there. *item* is None where Orchestrator does not tell it.

    An *adopted* one was found by its Reference, or its Reference was taken. *surplus* items exist as well,
    one for each second addition that should not have happened. *followed*: its states are to be told.
    """

    folder: Folder
    queue: Queue
    reference: str
    item: Item | None
    adopted: bool
    surplus: Sequence[Item] = ()
    followed: bool = False

    def document(self) -> dict[str, Any]:
        """What is there, as events write it."""
        item = self.item
        ids = {"id": item.id, "key": item.key} if item else {"id": None, "key": None}
        return {
            "item": {**ids, "reference": self.reference},
            "queue": self.queue.document(),
            "folder": self.folder.document(),
            "adopted": self.adopted,
            "createdAt": item.created_at if item else None,
        }


@dataclass(frozen=True, slots=True)
class Place:
    """Everything an AddQueueItem call needs but what names the request: where, and what."""

    folder: Folder
    queue: Queue
    request: ItemRequest

    @property
    def name(self) -> str:
        """What a policy knows it by."""
        return self.queue.name


def unknown_queue(name: str, queues: Sequence[Queue], folder: Folder) -> Rejected:
    """The rejection of a request for a queue that its folder does not show."""
    near = ", ".join(get_close_matches(name, [queue.name for queue in queues][:_COMPARED_MOST]))
    return Rejected(
        Code.QUEUE_UNKNOWN,
        f"folder '{folder.path}' shows the worker no queue '{name}'" + (f"; near it: {near}" if near else ""),
        "check the queue's name and its folder, and that the worker's account may view queues there",
        violations=(Violation("/queue", "no such queue in that folder"),),
    )


def own_and_surplus(
    found: Sequence[Item], mark: str, given: Given, since: float, *, marked: bool
) -> tuple[Sequence[Item], Sequence[Item]]:
    """Parts the items of one Reference: the request's own, its first try first, and one of each beside it.

    The Reference is *mark*, which no other request has, unless one was *given*. Then its own is told
    by its ParentOperationId where the server keeps one (*marked*); else it is what holds the same content
    and was made *since* (epoch seconds).
    """
    mine = [item for item in found if _is_own(item, mark, given, since, marked=marked)]
    tries: dict[str, list[Item]] = {}
    for item in sorted(mine, key=lambda item: item.id):
        tries.setdefault(item.key, []).append(item)
    first, *others = tries.values() or [[]]
    return first, [other[0] for other in others]


def _is_own(item: Item, mark: str, given: Given, since: float, *, marked: bool) -> bool:
    if item.bears(mark):
        return True
    if marked or given.content is None or item.reference != given.reference:
        return False
    return _bare(item.content) == _bare(given.content) and _at(item.created_at) >= since


def _bare(content: Mapping[str, Any] | None) -> dict[str, Any]:
    """What of a content is kept by all servers: one that is null may be left out. To Python true equals 1."""
    bare = {name: value for name, value in (content or {}).items() if value is not None}
    return {name: (isinstance(value, bool), value) for name, value in bare.items()}


def _at(moment: str | None) -> float:
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0
