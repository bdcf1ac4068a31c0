"""A job, its states, and which changes of state are news."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.domain.words import JobState

__all__ = ["TERMINAL", "Changes", "Cursor", "Job", "JobState", "Sighting", "is_news"]


TERMINAL = frozenset({JobState.FAULTED, JobState.SUCCESSFUL, JobState.STOPPED})


@dataclass(slots=True)
class Job:
    """A job's row, as far as Jobrelay uses it. Times are the server's text (RFC 3339).

    Nobody changes it; see `Message` for why it is not frozen.
    """

    id: int
    key: str
    batch_execution_key: str
    state: str
    reference: str = ""
    created_at: str | None = None
    release_name: str | None = None
    folder_id: int | None = None
    folder_path: str | None = None
    robot_id: int | None = None
    robot_name: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    sub_state: str | None = None
    resume_version: int = 0
    host_machine: str | None = None
    info: str | None = None
    output: Any = None
    output_file: str | None = None
    error: Mapping[str, Any] | None = None

    @property
    def terminal(self) -> bool:
        """True when the job is over: no later state can follow."""
        return self.state in TERMINAL


@dataclass(frozen=True, slots=True)
class Sighting:
    """A job that a scan saw: reason to read it by id now, never the truth. *key* is in lower case."""

    key: str
    state: str
    resume_version: int


class Cursor:
    """How far a folder's changes are read: immutable, hashable, and opaque to all but its maker."""

    __slots__ = ()

    @property
    def word(self) -> str:
        """What `Orchestrator.cursor` makes a cursor of that skips nothing, in whatever process."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of a folder's changes. *more*: the round is not over, the next page may be asked for at once."""

    sightings: Sequence[Sighting]
    cursor: Cursor
    more: bool


def is_news(known_state: str, known_resume_version: int, seen: Job) -> bool:
    """True when *seen* tells a state that has not been announced: never one after a terminal state."""
    if known_state in TERMINAL or seen.resume_version < known_resume_version:
        return False
    if seen.state == JobState.PENDING and seen.resume_version == known_resume_version:
        return False  # every job begins so, and none comes back to it
    return (seen.state, seen.resume_version) != (known_state, known_resume_version)
