"""What is told of a job in flight: its states, and that nobody can see it any more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from worker.domain.events import SHARED, Event, event_id, rfc3339, sender_of
from worker.domain.jobs import TERMINAL, Job, JobState

_STATES = frozenset(JobState)


def job_state(
    source: str,
    tracking: Mapping[str, Any],
    seen: Job,
    now: float,
    *,
    logs: Sequence[Mapping[str, Any]] = (),
    reasons: Sequence[str] = (),
) -> Event:
    """A job has come to another state; *tracking* tells the one announced before.

    *logs* are the last error lines of one that failed, *reasons* why one is still Pending.
    """
    schema, key, state = "job-state.v1", tracking["job"]["key"], seen.state
    data = {name: tracking[name] for name in SHARED} | {
        "state": state,
        "previousState": tracking["state"],
        "terminal": seen.terminal,
        "subState": seen.sub_state,
        "resumeVersion": seen.resume_version,
        "startedAt": seen.started_at,
        "endedAt": seen.ended_at,
        "hostMachine": seen.host_machine,
        "info": seen.info,
        "output": seen.output,
        "outputFile": seen.output_file,
        "error": dict(seen.error) if seen.error and state == JobState.FAULTED else None,
        "logs": [dict(line) for line in logs],
        "pendingReasons": list(reasons),
    }
    if seen.robot_id is not None or seen.robot_name is not None:
        data["robot"] = {"id": seen.robot_id, "name": seen.robot_name}
    word = state.lower() if state in _STATES else "unknown"
    fact = f"{key}|{state}|{seen.resume_version}"
    time = (seen.ended_at if state in TERMINAL else None) or rfc3339(now)
    return Event(
        schema,
        f"job.state.{word}",
        event_id(schema, source, fact),
        source,
        key,
        time,
        data,
        sender_of(tracking),
    )


def since(moment: str | None, now: float) -> float | None:
    """Seconds from *moment*, as the server writes it, to *now*; None where it is none."""
    try:
        return now - datetime.fromisoformat(moment or "").timestamp()
    except (ValueError, OverflowError):
        return None


def tracking_expired(source: str, tracking: Mapping[str, Any], now: float) -> Event:
    """A job was gone, or not to be read, for so long that it is followed no more; its end is not known."""
    schema, key = "job-tracking-expired.v1", tracking["job"]["key"]
    data = {name: tracking[name] for name in SHARED} | {
        "state": tracking["state"],
        "missingSince": rfc3339(tracking["missingSince"]),
    }
    identity, sender = event_id(schema, source, key), sender_of(tracking)
    return Event(schema, "job.tracking-expired", identity, source, key, rfc3339(now), data, sender)
