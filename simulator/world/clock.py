"""The job clock: moves jobs through their states with one heap and one timer, however many there are."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import orjson

from simulator.moments import new_guid, stored
from simulator.world.jobs import FINAL, Job
from simulator.world.jobs.store import Jobs

_MOST_AT_ONCE = 2000  # steps taken before other work gets its turn
Settings = dict[str, Any]
Announce = Callable[[str, Job], None]
Outside = tuple[Announce, Callable[[str], str]]  # tells of an event; keeps a text as an attachment
_MOST_OUTPUT = 51_200  # characters; longer output becomes OutputFile
_EVENTS = {
    "Running": "job.started",
    "Successful": "job.completed",
    "Faulted": "job.faulted",
    "Stopped": "job.stopped",
    "Suspended": "job.suspended",
    "Resumed": "job.resumed",
    "Stopping": "job.stopping",
    "Terminating": "job.terminating",
}
# how long a state lasts
_LASTS = {
    "Pending": "pendingSeconds",
    "Running": "runningSeconds",
    "Suspended": "suspendedSeconds",
    "Resumed": "pendingSeconds",
    "Stopping": "stoppingSeconds",
    "Terminating": "stoppingSeconds",
}


def following(job: Job, settings: Settings) -> str | None:
    """The state that comes after the job's present one, by its plan; None if it stays until somebody acts."""
    match job.state:
        case "Pending":
            return {"Pending": None, "NotStarted": "Faulted"}.get(job.plan, "Running")
        case "Running":
            # A job that somebody nudged out of a plan to stay Pending goes on like any other.
            nudged = {"Pending": "Successful", "NotStarted": "Successful"}
            return ({"Running": None, "StaysSuspended": "Suspended"} | nudged).get(job.plan, job.plan)
        case "Suspended":
            return None if job.plan == "StaysSuspended" else "Resumed"
        case "Resumed":
            return "Running"
        case "Stopping":
            return job.plan if settings["ignoresSoftStop"] and job.plan in FINAL else "Stopped"
        case "Terminating":
            return "Stopped"
    return None


class Clock:
    """Steps every open job of a store when it is due and tells the world outside."""

    def __init__(
        self, jobs: Jobs, settings: Callable[[Job], Settings], random: Random, world: Outside
    ) -> None:
        self._jobs = jobs
        self._settings = settings
        self._random = random
        self._announce, self._keep_file = world
        self._heap: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._timer: asyncio.Handle | None = None
        self._armed_for = 0.0
        self.pending_of: dict[tuple[int, int], int] = {}
        self.pending = 0

    def begin(self, job: Job) -> None:
        """Takes in a job just committed."""
        self.pending += 1
        if job.robot is not None:
            place = (job.robot["Id"], job.batch.release["Id"])
            self.pending_of[place] = self.pending_of.get(place, 0) + 1
        self._schedule(job)

    def stop(self) -> None:
        """Ends the timer; no job moves any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._heap = None, []

    def end(self, jobs: Iterable[tuple[Job, str]], per_second: float) -> None:
        """Lets running jobs end one after the other, each in the state that stands beside it."""
        now = asyncio.get_running_loop().time()
        for index, (job, state) in enumerate(jobs):
            job.plan = job.next = state
            job.due = now + index / per_second
            heapq.heappush(self._heap, (job.due, next(self._order), job))
        if self._heap:
            self._arm()

    def enter(self, job: Job, state: str) -> None:
        """Puts a job into a state now, with all that goes with it, and schedules what follows."""
        if job.state == "Pending":
            self._leave_pending(job)
        self._jobs.move(job, state)
        if state == "Running":
            self._run(job)
        elif state == "Suspended":
            job.persistence = job.persistence or new_guid()
        elif state == "Resumed":
            job.resumes, job.resumed = (job.resumes or 0) + 1, job.modified
            job.plan = "Successful" if job.plan in ("Suspended", "StaysSuspended") else job.plan
        elif state in FINAL:
            self._end(job)
        self._announce(_EVENTS[state], job)
        if state not in FINAL:
            self._schedule(job)

    def _leave_pending(self, job: Job) -> None:
        self.pending -= 1
        if job.robot is not None:
            place = (job.robot["Id"], job.batch.release["Id"])
            self.pending_of[place] = self.pending_of.get(place, 1) - 1

    def _run(self, job: Job) -> None:
        folder = job.batch.folder
        if job.robot is None and folder["_robots"]:
            job.robot = folder["_robots"][job.id % len(folder["_robots"])]
        if job.machine is None and folder["_machines"]:
            job.machine = folder["_machines"][job.id % len(folder["_machines"])]
        job.host = job.robot["MachineName"] if job.robot else "HOST-1"

    def _end(self, job: Job) -> None:
        job.due = 0.0
        settings = self._settings(job)
        if job.state == "Successful":
            job.info = job.info or "Job completed"
            job.output = job.output or produced(job, settings["output"])
            if len(job.output) > _MOST_OUTPUT:
                job.output_file, job.output = self._keep_file(job.output), None
        elif job.state == "Stopped":
            job.info = job.info or "Job canceled"
        else:
            job.error = job.error or fault(job, settings["error"])
            job.info = job.info or f"{job.error['title']}\r\n{job.error['detail']}"

    def _schedule(self, job: Job) -> None:
        settings = self._settings(job)
        state = following(job, settings)
        if state is None:
            job.due = 0.0
            return
        seconds = self._random.uniform(*settings[_LASTS[job.state]])
        if job.state == "Running":
            state, seconds = _cut_short(job, state, seconds)
        job.next, job.due = state, asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._heap, (job.due, next(self._order), job))
        self._arm()

    def _arm(self) -> None:
        due = self._heap[0][0]
        if self._timer is not None:
            # Kept here: uvloop gives a handle without a time for what is due at once.
            if self._armed_for <= due:
                return
            self._timer.cancel()
        self._armed_for = due
        self._timer = asyncio.get_running_loop().call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for _ in range(_MOST_AT_ONCE):
            if not self._heap or self._heap[0][0] > now:
                break
            due, _, job = heapq.heappop(self._heap)
            if job.due == due:  # else it was moved by somebody meanwhile
                self.enter(job, job.next)
        if self._heap:
            self._arm()


def _cut_short(job: Job, state: str, seconds: float) -> tuple[str, float]:
    """StopProcessExpression: a job still running after that many seconds is stopped."""
    limit = job.batch.extra.get("StopProcessExpression")
    if not limit or not str(limit).isdecimal() or int(limit) >= seconds:
        return state, seconds
    return ("Terminating" if job.stop_strategy == "Kill" else "Stopping"), float(limit)


def produced(job: Job, output: dict[str, Any]) -> str:
    """OutputArguments: the input again if the settings echo, and the values that they name."""
    text = job.batch.input_text if output["echo"] else None
    values = output["values"]
    if not values:
        return text or "{}"
    return orjson.dumps({**(orjson.loads(text) if text else {}), **values}).decode()


def fault(job: Job, given: dict[str, Any]) -> dict[str, Any]:
    """JobError of a job that faults."""
    started = job.started is not None
    return {
        "code": "Robot.Faulted" if started else "Robot.CouldNotStart",
        "title": "System.Exception: The simulated process failed."
        if started
        else "Could not start executor.",
        "detail": "   at Main.xaml: Throw" if started else "Package not found.",
        "category": "User" if started else "Deployment",
        "status": None,
        "timestamp": stored(job.modified),
        **given,
    }
