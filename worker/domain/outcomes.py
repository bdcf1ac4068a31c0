"""How a request can end, and the decisions that lead there. Everything here is pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.domain.events import rfc3339
from worker.domain.failures import Answer, Code, Later, Rejected
from worker.domain.jobs import Job
from worker.domain.processes import Folder, Process
from worker.domain.queues import Added
from worker.domain.requests import Entry

DELAYS = (5, 30, 120, 600, 1800)
HOLD_S = 5.0
_VISIBLE_AFTER = 3


@dataclass(frozen=True, slots=True)
class Started:
    """The request's jobs exist. *adopted* ones were found by their Reference instead of being answered.

    *surplus* jobs exist as well, of a second start that should not have happened. *doubted* is true where it
    was sent because an earlier POST could not be found: if that one was only late, it will show.
    """

    folder: Folder
    process: Process
    strategy: str
    jobs: Sequence[Job]
    requested: int
    adopted: bool
    surplus: Sequence[Job] = ()
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Orchestrator was to stop those *jobs* that were not over, of *request_id* where that is known."""

    folder: Folder
    jobs: Sequence[Job]
    strategy: str
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The request will never work as asked."""

    why: Rejected


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: the request comes back by itself after *seconds*.

    *safe_at* is set while a POST of this attempt may still commit. What happens in an outage is no attempt
    that *counts*.
    """

    code: Later
    detail: str
    seconds: int
    safe_at: float | None = None
    answer: Answer | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Its request id has been started already, by another message: *first* is that one's id, where known."""

    body_differs: bool
    first: str | None = None


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What became of it could not be found out within bounds: a dead letter, announced to nobody."""

    detail: str
    safe_at: float | None = None


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same message again, after its settlement was confirmed: the ack alone had been lost."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The request is not started: *tombstone* says by which stop request, and until when that is remembered.

    *request_id* names it where a stop request tells of it, which came first; None where it is the message's
    own. *certain* is false where only this worker knows of it.
    """

    tombstone: Entry
    request_id: str | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Returned:
    """This worker stops, or lost the message: somebody else gets it.

    *safe_at* is set while a POST of this attempt, or of an earlier one, may still commit.
    """

    safe_at: float | None = None


Told = Duplicate | Repeated | Cancelled
"""What a message is that starts nothing, because of another one."""

Done = Started | Added
"""What an attempt ends in that did what was asked."""

Said = Done | StopAsked | Refused | Deferred | Unsettled | Told
"""What is said before the message is acknowledged."""

Outcome = Said | Returned


@dataclass(frozen=True, slots=True)
class Adopt:
    """The jobs found are this request's."""


@dataclass(frozen=True, slots=True)
class Post:
    """No POST can have happened that is not known: send one."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A POST may still commit: look again after *seconds*."""

    seconds: float


def told_before(stands: Entry | None, mine: Entry, *, copy: bool) -> Told | None:
    """What a message is of which the ledger says *stands*; None where it is to be started.

    *copy* is true for what the broker delivers again or our own delay queues bring back: with the body and
    the message id that were settled it is that same message. All else is a publisher's duplicate, or, after
    another message of its id was cancelled, new.
    """
    if stands is None or stands.in_doubt:
        return None
    same_body = stands.fingerprint == mine.fingerprint
    same = copy and same_body and stands.message_id == mine.message_id
    if stands.cancelled:
        return Cancelled(stands) if same or not stands.fingerprint else None
    if same:
        return Repeated()
    return Duplicate(body_differs=not same_body, first=stands.message_id)


def own_and_surplus(jobs: Sequence[Job]) -> tuple[Sequence[Job], Sequence[Job]]:
    """Parts the jobs of one Reference, oldest first, into the first start's and those of any later one.

    One StartJobs gives all its jobs one BatchExecutionKey; a second key is a second start.
    """
    own = [job for job in jobs if job.batch_execution_key == jobs[0].batch_execution_key]
    return own, [job for job in jobs if job not in own] if len(own) < len(jobs) else ()


def next_step(found: int, asked: int | None, now: float, safe_at: float | None) -> Adopt | Post | Wait:
    """Decides after a look-up that found *found* jobs of the *asked* ones (None: not known).

    While an earlier POST may still commit (before *safe_at*), absence proves nothing, and fewer jobs than
    asked, or any number where that is not known, may become more. After that they are adopted as they are,
    never topped up.
    """
    unsafe = safe_at is not None and now < safe_at
    if found and not (unsafe and (asked is None or found < asked)):
        return Adopt()
    if unsafe and safe_at is not None:
        return Wait(safe_at - now)
    return Post()


def delay_within(seconds: float) -> int:
    """The longest delay of the ladder that hardly overshoots *seconds*, or the shortest.

    A quarter: to come a little late is better than to come round for each of the last seconds.
    """
    return max((step for step in DELAYS if step <= seconds * 1.25), default=DELAYS[0])


def delay_beyond(seconds: float) -> int:
    """The shortest delay of the ladder that covers *seconds*, or the longest."""
    return min((step for step in DELAYS if step >= seconds), default=DELAYS[-1])


def delay_of(code: Later, attempt: int, retry_after: float | None) -> int:
    """How long a request waits after its *attempt*-th attempt failed so: at least *retry_after*.

    A folder's pending jobs take minutes to go; everything else climbs the ladder from its foot.
    """
    foot = DELAYS.index(120) if code is Later.BUSY else 0
    step = DELAYS[min(foot + attempt - 1, len(DELAYS) - 1)]
    return max(step, delay_beyond(retry_after or 0))


def may_still_appear(deferrals: int) -> bool:
    """True while an unknown name may be one that is not visible yet: three *deferrals* long."""
    return deferrals < _VISIBLE_AFTER


def last_straw(deferred: Deferred, attempts: int, most: int, now: float) -> Refused | Deferred | Unsettled:
    """Ends a request whose *attempts* (ours and the broker's) exceed *most*, instead of deferring it.

    What may have been sent is never rejected: it ends unsettled, and not before the next look-up can tell.
    """
    if attempts <= most or (deferred.safe_at is not None and now < deferred.safe_at):
        return deferred
    if deferred.safe_at is not None or deferred.code is Later.OUTCOME_UNKNOWN:
        return Unsettled(f"the outcome could not be found out: {deferred.detail}", deferred.safe_at)
    return Refused(exhausted(attempts, deferred.detail, deferred.answer))


def exhausted(attempts: int, last: str, answer: Answer | None = None) -> Rejected:
    """The rejection of a request that was tried too often."""
    return Rejected(
        Code.ATTEMPTS_EXHAUSTED,
        f"gave up after {attempts} attempts; the last one: {last}",
        "see the attempts for what stood in the way each time, mend it and send the request again",
        answer=answer,
    )


def expired(expires_at: float) -> Rejected:
    """The rejection of a request whose time has passed: *expires_at*, in epoch seconds."""
    return Rejected(
        Code.EXPIRED,
        f"the request expired at {rfc3339(expires_at)} before it could be carried out",
        "send it again with a later expiresAt; the same requestId may be used",
    )
