"""What a stop request asks for, and what is to be done for it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.domain.failures import Code, Rejected, Violation
from worker.domain.jobs import Job
from worker.domain.processes import Folder
from worker.domain.requests import Entry, FolderRef

SCHEMA = "stop-job.v1"
_SOFT = "SoftStop"


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A stop request that kept to its schema: of *target*, a request, or of *job_key*, one job."""

    request_id: str
    target: str | None
    job_key: str | None
    strategy: str
    folder: FolderRef

    @classmethod
    def of(cls, document: Mapping[str, Any], default_folder: FolderRef | None) -> "StopRequest":
        """Reads a document that was held to its schema, in *default_folder* where it names none."""
        folder, key = document.get("folder"), document.get("jobKey")
        where = FolderRef.of(folder) if folder else default_folder
        if where is None:
            raise ValueError("a request is read after its folder was settled")
        strategy = document.get("strategy", _SOFT)
        return cls(
            document["requestId"],
            document.get("targetRequestId"),
            key.lower() if key else None,
            strategy,
            where,
        )

    def __str__(self) -> str:
        """What is to stop, in a sentence."""
        return f"a job with key {self.job_key}" if self.job_key else f"jobs of request '{self.target}'"


@dataclass(frozen=True, slots=True)
class Ask:
    """Orchestrator is to stop these *jobs*; none of them where all are over."""

    jobs: Sequence[Job]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nothing was sent: it is not to be started. *over* owns a doubt that the look-up has disproved."""

    over: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A POST may be under way: what it starts is to be stopped then."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is no such job, and none will come."""


def next_step(found: Sequence[Job], stands: Entry | None, looked_at: float) -> Ask | Cancel | Wait | Nothing:
    """Decides for a request of whose jobs *found* were seen at *looked_at*, after the ledger said *stands*.

    What may have been sent is never cancelled: absence counts only after the last moment at which a POST of
    the entry's owner could commit.
    """
    if is_under_way(stands, looked_at):
        return Wait()
    if found:
        return ask(found)
    if stands is None or stands.cancelled:
        return Cancel()
    return Nothing() if stands.settled else Cancel(over=stands.owner)


def is_under_way(stands: Entry | None, now: float) -> bool:
    """True while a POST may commit."""
    return stands is not None and stands.in_doubt and now < stands.safe_at


def ask(found: Sequence[Job]) -> Ask:
    """Stops of what was found what is not over: one that is makes Orchestrator refuse them all."""
    return Ask([job for job in found if not job.terminal])


def request_of(job: Job, prefix: str) -> str | None:
    """The request that a job was started for, where its Reference is one of this deployment's."""
    own = job.reference.startswith(f"{prefix}:")
    return job.reference.removeprefix(f"{prefix}:") if own else None


def unknown(request: StopRequest, folder: Folder) -> Rejected:
    """The rejection of a request whose jobs are not there."""
    pointer = "/jobKey" if request.job_key else "/targetRequestId"
    return Rejected(
        Code.JOB_UNKNOWN,
        f"folder '{folder.path}' has no {request}",
        "check the id and the folder: the events job-created name both; a job may have been deleted since",
        violations=(Violation(pointer, "no such job in that folder"),),
    )
