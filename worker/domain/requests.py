"""A request, as its sender meant it: the kinds that there are, and what one to start jobs asks for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_NUMBER = re.compile(r"[0-9]{1,18}")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Kind(StrEnum):
    """What a request asks for: the routing key that it is sent with, and comes back to its queue by."""

    START = "job.start"
    STOP = "job.stop"
    QUEUE_ITEM = "queue-item.add"


class Strategy(StrEnum):
    """How Orchestrator spreads a start over robots. RobotCount is read as JobsCount, its newer name."""

    ALL = "All"
    SPECIFIC = "Specific"
    JOBS_COUNT = "JobsCount"
    MODERN_JOBS_COUNT = "ModernJobsCount"


@dataclass(frozen=True, slots=True)
class ProcessRef:
    """A process by release key, or by name (its Name, else its package id), narrowed by environment."""

    name: str | None = None
    environment: str | None = None
    release_key: str | None = None

    def __str__(self) -> str:
        """The reference in a sentence."""
        if self.release_key:
            return f"release key {self.release_key}"
        return f"'{self.name}'" + (f" in environment '{self.environment}'" if self.environment else "")


@dataclass(frozen=True, slots=True)
class FolderRef:
    """A folder by exactly one of path, id and key."""

    path: str | None = None
    id: int | None = None
    key: str | None = None

    @classmethod
    def parse(cls, text: str) -> "FolderRef":
        """Reads the setting's form: a path, `id:N` or `key:GUID`; a `ValueError` says what is none."""
        kind, colon, rest = text.partition(":")
        if not colon or kind not in ("id", "key"):
            return cls(path=text)
        if kind == "id" and _NUMBER.fullmatch(rest):
            return cls(id=int(rest))
        if kind == "key" and _GUID.fullmatch(rest):
            return cls(key=rest.lower())
        raise ValueError(f"'{text}' is none of a path, id:N with N a number, and key:GUID")

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "FolderRef":
        """Reads the request's form, `{path}`, `{id}` or `{key}`."""
        key = document.get("key")
        return cls(path=document.get("path"), id=document.get("id"), key=key.lower() if key else None)

    def __str__(self) -> str:
        """The reference in a sentence."""
        if self.path is not None:
            return f"'{self.path}'"
        return f"with id {self.id}" if self.id is not None else f"with key {self.key}"


@dataclass(slots=True, kw_only=True)
class StartRequest:
    """A request that kept to its schema. Names are not resolved yet; absent values are None.

    Nobody changes it; see `Message` for why it is not frozen.
    """

    request_id: str
    process: ProcessRef
    folder: FolderRef | None = None
    strategy: Strategy | None = None
    jobs_count: int = 1
    robots: tuple[str | int, ...] = ()
    machines: tuple[str | int, ...] = ()
    input_arguments: Mapping[str, Any] | None = None
    priority: str | int | None = None
    runtime_type: str | None = None
    entry_point: str | None = None
    source: str | None = None
    requires_user_interaction: bool | None = None
    run_as_me: bool | None = None
    stop_after_seconds: int | None = None
    kill_after_seconds: int | None = None
    stop_strategy: str | None = None
    expires_at: datetime | None = None
    metadata: Mapping[str, str]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "StartRequest":
        """Reads a document that the schema has accepted."""
        get = document.get
        process, folder, strategy = document["process"], get("folder"), get("strategy")
        expires = get("expiresAt")
        return cls(
            request_id=document["requestId"],
            process=ProcessRef(process.get("name"), process.get("environment"), process.get("releaseKey")),
            folder=FolderRef.of(folder) if folder else None,
            strategy=_strategy(strategy) if strategy else None,
            jobs_count=get("jobsCount", 1),
            robots=tuple(get("robots", ())),
            machines=tuple(get("machines", ())),
            input_arguments=get("inputArguments"),
            priority=get("priority"),
            runtime_type=get("runtimeType"),
            entry_point=get("entryPoint"),
            source=get("source"),
            requires_user_interaction=get("requiresUserInteraction"),
            run_as_me=get("runAsMe"),
            stop_after_seconds=get("stopAfterSeconds"),
            kill_after_seconds=get("killAfterSeconds"),
            stop_strategy=get("stopStrategy"),
            expires_at=datetime.fromisoformat(expires) if expires else None,
            metadata=get("metadata", {}),
        )


def jobs_asked(document: Mapping[str, Any]) -> int | None:
    """How many jobs a document asks for, also one that is not a valid request; None when it cannot tell."""
    strategy, count, robots = (document.get(name) for name in ("strategy", "jobsCount", "robots"))
    if isinstance(robots, list) and strategy in (None, Strategy.SPECIFIC):
        # In a modern folder robots only narrow the choice: what Specific starts there is not for them to say.
        return len(robots) if strategy else None
    if strategy == Strategy.ALL or (count is not None and not isinstance(count, int)):
        return None
    return 1 if count is None else count


def _strategy(name: str) -> Strategy:
    return Strategy.JOBS_COUNT if name == "RobotCount" else Strategy(name)


LIFE = "~life:"
"""Begins the name under which a ledger knows how one life of a message ended; no request has such an id."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a ledger knows of a request id: a POST may be under way, its jobs are told, or it is cancelled.

    *owner* names the attempt that entered it, *fingerprint* is the SHA-256 of its message's body, in hex.
    *safe_at* (epoch seconds) is the moment from which no POST of that attempt can commit any more; it means
    nothing once *settled*: then the jobs exist, and all that is to be said of them is confirmed. *folder_id*
    is the folder that the POST goes to: only there can it be looked for.

    A *cancelled* one is a tombstone. Its *owner* is the requestId of the stop request, which came before
    anything was sent, and *safe_at* is when it is forgotten. Once it has met its request it has that
    message's *fingerprint* (empty before) and id, and is in the way of nothing but copies of that.

    *refusal* is the reason, as JSON, of a rejection that is told, or being told, of one life of a message.
    """

    owner: str
    fingerprint: str
    message_id: str | None
    settled: bool
    safe_at: float
    folder_id: int | None = None
    cancelled: bool = False
    refusal: str | None = None

    @property
    def in_doubt(self) -> bool:
        """True while a POST may be under way."""
        return not (self.settled or self.cancelled)

    def gives_way_to(self, mine: "Entry", over: str | None) -> bool:
        """True where *mine* may take its place: the same owner's, or one who has disproved *over*'s."""
        return not self.settled and self.owner in (mine.owner, over)


def own_queue(name: str | None, prefix: str) -> bool:
    """True where *name* is a queue of Jobrelay itself: nobody may have his answers sent there."""
    return name is not None and name.startswith(f"{prefix}.")
