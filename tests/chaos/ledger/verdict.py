"""The verdict on one request, out of all that is known of it. Pure: a table of examples is its test."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chaos.ledger.course import Amiss, Told, amiss

UNKNOWN = "outcome_unknown"
# What any request may be refused for, with everything around failing: Orchestrator itself said no, or it was
# tried too often. Any other refusal of a good request is untrue.
TRUTHFUL = frozenset({"orchestrator_refused", "attempts_exhausted"})


class Kind(StrEnum):
    """How a request can end. The last three are failures; what stands before them is said as it is."""

    STARTED = "started once"
    REJECTED = "rejected"
    PARKED = "outcome unknown"
    NOT_TAKEN = "never taken"
    DOUBLED_BY_COPIES = "doubled: copies, no shared ledger"
    DOUBLED_BY_FREEZE = "doubled: frozen beyond the window"
    LOST = "lost"
    DOUBLED = "doubled"
    UNEXPECTED = "unexpected"


FAILURES = frozenset({Kind.LOST, Kind.DOUBLED, Kind.UNEXPECTED})


@dataclass(frozen=True, slots=True)
class Batch:
    """One StartJobs or AddQueueItem that took effect: its jobs or its item, and when (epoch seconds)."""

    jobs: tuple[int, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one request when everything has come to rest.

    *copies* messages were sent for it. *guarded* is False where the shared ledger may have been away while
    they were about, *frozen* is True where a worker stood still for longer than the window meanwhile.
    *created* are the ids of the events that told of a job, *courses* what was told of its states, by job;
    *early* are jobs whose states were told before they were. *rejections* are the code and the moment of
    each rejection told; *letters* the codes of its dead letters; *surplus* the jobs told to be duplicates.
    Jobs are *followed* to their ends; of queue items it is only told that they are there.
    """

    name: str
    expects: str = ""
    copies: int = 1
    acknowledged: bool = True
    guarded: bool = True
    frozen: bool = False
    batches: tuple[Batch, ...] = ()
    created: Mapping[int, frozenset[str]] = field(default_factory=dict)
    courses: Mapping[int, tuple[Told, ...]] = field(default_factory=dict)
    early: frozenset[int] = frozenset()
    rejections: tuple[tuple[str, float], ...] = ()
    letters: tuple[str, ...] = ()
    surplus: frozenset[int] = frozenset()
    followed: bool = True

    @property
    def jobs(self) -> frozenset[int]:
        """All jobs that were started for it."""
        return frozenset(job for batch in self.batches for job in batch.jobs)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be said about a request beside how it ended."""

    kind: Kind
    text: str


def judge(story: Story) -> tuple[Kind, list[Finding]]:
    """How the request ended, and every finding: the worst of them, if there is one, is how it ended."""
    findings = [*_doubled(story), *_untold(story), *_untrue(story), *_silent(story)]
    order = list(Kind)
    worst = max((finding.kind for finding in findings), key=order.index, default=_end(story))
    return worst, findings


def _end(story: Story) -> Kind:
    if story.batches:
        return Kind.STARTED
    if story.rejections:
        return Kind.REJECTED
    return Kind.PARKED if UNKNOWN in story.letters else Kind.NOT_TAKEN


def _doubled(story: Story) -> Iterator[Finding]:
    """More than one start. Only a publisher's own copies, and only without a shared ledger, excuse one."""
    kind = _doubling(story)
    if kind:
        yield Finding(kind, f"{story.name} was started {len(story.batches)} times ({story.copies} messages)")


def _doubling(story: Story) -> Kind | None:
    starts = len(story.batches)
    if starts < 2:
        return None
    if starts <= story.copies and not story.guarded:
        return Kind.DOUBLED_BY_COPIES
    return Kind.DOUBLED_BY_FREEZE if story.frozen else Kind.DOUBLED


def _untold(story: Story) -> Iterator[Finding]:
    """Jobs that exist and were not told of, or whose end was not."""
    kind = _doubling(story) or Kind.LOST
    for job in sorted(story.jobs - story.created.keys() - story.surplus):
        yield Finding(kind, f"{story.name}: nobody was told of job {job}")
    for job in sorted(story.jobs & story.created.keys() - story.surplus):
        if story.followed and Amiss.LOST in amiss(story.courses.get(job, ())):
            yield Finding(kind, f"{story.name}: nobody was told of the end of job {job}")


def _untrue(story: Story) -> Iterator[Finding]:
    """What was told, and is not so."""
    for job in sorted(story.created.keys() - story.jobs):
        yield Finding(Kind.UNEXPECTED, f"{story.name}: job {job} was told of, and does not exist")
    if story.surplus and len(story.batches) < 2:
        yield Finding(Kind.UNEXPECTED, f"{story.name}: jobs of its only start were told to be duplicates")
    for job, ids in story.created.items():
        if len(ids) > 1:
            text = f"{story.name}: the start of job {job} was told under {len(ids)} ids"
            yield Finding(Kind.UNEXPECTED, text)
    yield from _untrue_course(story)
    for code, at in story.rejections:
        if code != story.expects and code not in TRUTHFUL:
            yield Finding(Kind.UNEXPECTED, f"{story.name} was refused as {code}")
        # Another copy may be started after this one was refused; not the other way round.
        if any(story.copies == 1 or batch.at < at for batch in story.batches) and story.guarded:
            yield Finding(Kind.UNEXPECTED, f"{story.name} was refused as {code} while its job exists")
    if story.expects and story.batches:
        yield Finding(Kind.UNEXPECTED, f"{story.name} was started, and should be {story.expects}")


def _untrue_course(story: Story) -> Iterator[Finding]:
    """States told before their job, out of order, with gaps, or twice."""
    for job in sorted(story.early):
        yield Finding(Kind.UNEXPECTED, f"{story.name}: a state of job {job} was told before the job was")
    for job, course in story.courses.items():
        for what in amiss(course):
            if what is not Amiss.LOST:
                states = ", ".join(told.state for told in course)
                yield Finding(Kind.UNEXPECTED, f"{story.name}: of job {job} {what}: {states}")


def _silent(story: Story) -> Iterator[Finding]:
    """A request that the broker had, and of which nothing was heard."""
    if story.batches or story.rejections or UNKNOWN in story.letters:
        return
    if story.letters:
        yield Finding(Kind.LOST, f"{story.name} is a dead letter ({story.letters[0]}), and nobody was told")
    elif story.acknowledged:
        yield Finding(Kind.LOST, f"{story.name} was taken by the broker, and nothing came of it")
