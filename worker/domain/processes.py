"""What requests' names are resolved to: folders, processes, robots, machines; and which one a name means."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar

from worker.domain.failures import Candidate, Code, Rejected
from worker.domain.requests import ProcessRef, Strategy

_CANDIDATES_SHOWN, _NEAREST_SHOWN = 20, 3
_LIKE = 0.7
_COMPARED_MOST = 1000  # names, a hundred a millisecond: meanwhile nothing else happens


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder. Its id may change (a licence plan does that), its key does not."""

    id: int
    key: str | None
    path: str
    modern: bool

    def document(self) -> dict[str, Any]:
        """The folder as events write it."""
        return {"id": self.id, "key": self.key, "path": self.path}


@dataclass(frozen=True, slots=True)
class Argument:
    """An input argument that a process declares; *type* is the .NET name, as Orchestrator gives it."""

    name: str
    type: str
    required: bool
    has_default: bool

    @property
    def must_be_given(self) -> bool:
        """True where a start without it is refused."""
        return self.required and not self.has_default


@dataclass(frozen=True, slots=True)
class Process:
    """A process (Orchestrator's API says release). *arguments* is None where it declares nothing to check."""

    id: int
    name: str
    package_id: str
    version: str
    release_key: str
    environment: str | None = None
    arguments: tuple[Argument, ...] | None = None

    def document(self) -> dict[str, Any]:
        """The process as events write it."""
        return {
            "name": self.name,
            "packageId": self.package_id or None,
            "version": self.version or None,
            "releaseKey": self.release_key or None,
            "environment": self.environment,
        }


@dataclass(frozen=True, slots=True)
class Robot:
    """A robot that jobs may be started on. *id* is what StartJobs takes, never a session's id."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Session:
    """A robot on a machine, and its state there (`RobotState`, or a word we do not know).

    *responsive* is false where it has not reported for two minutes: its state is what it was then.
    """

    robot: Robot
    state: str
    machine: str | None = None
    responsive: bool = True


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine template of a modern folder."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Target:
    """Everything a StartJobs call needs: where, what, how.

    *start_info* holds Orchestrator's own property names, but for the Reference and the arguments; *arguments*
    is their JSON text. *asked* is the number of jobs asked for, None where only the server knows it.
    """

    folder: Folder
    process: Process
    strategy: Strategy
    start_info: Mapping[str, Any]
    arguments: str | None
    asked: int | None

    @property
    def name(self) -> str:
        """What a policy knows it by."""
        return self.process.name


def choose_process(ref: ProcessRef, processes: Sequence[Process], folder: Folder) -> Process | None:
    """The one process that *ref* means, None when there is none; `Rejected` with all when there are several.

    A release key is exact. A name is compared with the processes' names, then with their package ids, first
    to the letter, then in any case; the first of these that finds something decides.
    """
    if ref.release_key:
        key = ref.release_key.lower()
        return next((p for p in processes if p.release_key.lower() == key), None)
    wanted = ref.name or ""
    within = [p for p in processes if _in_environment(p, ref.environment)]
    for named in _readings(wanted):
        found = [p for p in within if named(p)]
        if len(found) > 1:
            raise _ambiguous(ref, found, folder)
        if found:
            return found[0]
    return None


def nearest(ref: ProcessRef, processes: Sequence[Process], folder: Folder) -> tuple[Candidate, ...]:
    """The processes of which *ref*'s name may be a slip of the pen, the likeliest first; at most three.

    One of the very name in another environment is the likeliest of all.
    """
    wanted = (ref.name or "").casefold()
    by_name: dict[str, list[Process]] = {}
    for process in processes:
        for name in {process.name.casefold(), process.package_id.casefold()} - {""}:
            by_name.setdefault(name, []).append(process)
    found = {
        process.release_key: Candidate(process.name, process.release_key, folder.path, process.environment)
        for name in get_close_matches(wanted, list(by_name)[:_COMPARED_MOST], n=_NEAREST_SHOWN, cutoff=_LIKE)
        for process in by_name[name]
    }
    return tuple(found.values())[:_NEAREST_SHOWN]


def unknown_process(ref: ProcessRef, processes: Sequence[Process], folder: Folder) -> Rejected:
    """The rejection of a request for a process that its folder does not show."""
    near = nearest(ref, processes, folder)
    places = f" in environment '{near[0].environment}'" if near and near[0].environment else ""
    return Rejected(
        Code.PROCESS_UNKNOWN,
        f"folder '{folder.path}' has no process {ref} (it shows {len(processes)})"
        + (f"; did you mean '{near[0].name}'{places}?" if near else ""),
        "check the name, the environment and the folder, and that Jobrelay's account may see it",
        candidates=near,
    )


class _Named(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


_T = TypeVar("_T", bound=_Named)


def choose_named(wanted: str | int, among: Iterable[_T]) -> _T | None:
    """The robot or machine with this id, or this name: to the letter, else the only one in any case."""
    among = list(among)
    if isinstance(wanted, int):
        return next((one for one in among if one.id == wanted), None)
    exact = [one for one in among if one.name == wanted]
    alike = exact or [one for one in among if one.name.casefold() == wanted.casefold()]
    return alike[0] if len(alike) == 1 else None


def choose_strategy(asked: Strategy | None, folder: Folder, *, robots: bool) -> Strategy:
    """The strategy asked for if this kind of folder offers it, or the one that follows from the request."""
    if asked is None:
        if folder.modern:
            return Strategy.MODERN_JOBS_COUNT
        return Strategy.SPECIFIC if robots else Strategy.JOBS_COUNT
    if (asked is Strategy.MODERN_JOBS_COUNT) is folder.modern:
        return asked
    kind, offered = (
        ("modern", "ModernJobsCount") if folder.modern else ("classic", "All, Specific, JobsCount")
    )
    raise Rejected(
        Code.STRATEGY_NOT_OFFERED,
        f"strategy {asked} is not offered by folder '{folder.path}', which is a {kind} one",
        f"use {offered}, or leave the strategy out and it follows from the folder",
    )


def _in_environment(process: Process, environment: str | None) -> bool:
    if environment is None:
        return True
    if process.environment is not None:
        return process.environment.casefold() == environment.casefold()
    # Servers since API 20 have no environments left, but the names made from them stay.
    return process.name.casefold() == f"{process.package_id}_{environment}".casefold()


def _readings(wanted: str) -> tuple[Callable[[Process], bool], ...]:
    folded = wanted.casefold()
    return (
        lambda p: p.name == wanted,
        lambda p: p.package_id == wanted,
        lambda p: p.name.casefold() == folded,
        lambda p: p.package_id.casefold() == folded,
    )


def _ambiguous(ref: ProcessRef, found: Sequence[Process], folder: Folder) -> Rejected:
    return Rejected(
        Code.PROCESS_AMBIGUOUS,
        f"{ref} means {len(found)} processes in folder '{folder.path}'",
        "name one of the candidates by its own name, by its environment or by its release key",
        candidates=tuple(
            Candidate(p.name, p.release_key, folder.path, p.environment) for p in found[:_CANDIDATES_SHOWN]
        ),
    )
