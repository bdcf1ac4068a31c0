"""Jobs in flight, decided: what follows from a look at one, and who has too many of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from worker.domain.jobs import Job, JobState, is_news

_FEW = 50


class Step(Enum):
    """What to do after a look at a job."""

    KEEP = auto()  # nothing new
    TELL = auto()  # it has come to another state
    EXPLAIN = auto()  # it is Pending for long: ask why, and tell
    MISS = auto()  # it is not to be seen: from now on its time runs
    FIND = auto()  # it is there again
    EXPIRE = auto()  # it was not to be seen for too long


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may last, in seconds: see the settings of the same names."""

    poll_interval_s: float = 10.0
    pending_reasons_s: float = 300.0
    expire_after_s: float = 600.0
    consumer_timeout_s: float = 1800.0
    commit_s: float = 70.0
    """How long after a request's jobs were there an earlier StartJobs of it may still make others."""


@dataclass(frozen=True, slots=True)
class Known:
    """What has been announced of a job, and since when (epoch seconds) it is Pending or not to be seen."""

    state: str
    resume_version: int
    pending_since: float | None = None
    missing_since: float | None = None


def next_step(known: Known, seen: Job | None, now: float, patience: Patience) -> Step:
    """What follows from *seen*, the job's row as read by id; None where it is gone or not to be read."""
    if seen is None:
        if known.missing_since is None:
            return Step.MISS
        return Step.EXPIRE if now - known.missing_since >= patience.expire_after_s else Step.KEEP
    if is_news(known.state, known.resume_version, seen):
        return Step.TELL
    if known.missing_since is not None:
        return Step.FIND
    waits = known.pending_since is not None and seen.state == JobState.PENDING
    if waits and now - float(known.pending_since or now) >= patience.pending_reasons_s:
        return Step.EXPLAIN
    return Step.KEEP


def told(document: Mapping[str, Any], seen: Job, seen_at: float) -> dict[str, Any]:
    """The tracking document after *seen*, read at *seen_at* (epoch seconds), was announced."""
    changed = {
        "state": seen.state,
        "previousState": document["state"],
        "resumeVersion": seen.resume_version,
        "generation": document["generation"] + 1,
        "seenAt": seen_at,
        "missingSince": None,
    }
    return {**document, **changed}


def anew(document: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    """The tracking document as it is published again with *changed*: the next generation."""
    return {**document, **changed, "generation": document["generation"] + 1}


def excess(mine: int, all_held: int, trackers: int) -> int:
    """How many jobs a tracker holds beyond its fair share; 0 where it is not worth while to move any."""
    fair = all_held / max(1, trackers)
    return int(mine - fair) if mine > 1.1 * fair + _FEW else 0
