"""What requests' names are resolved to: folders, processes, robots, machines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.domain.requests import Strategy


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder. Its id may change (a licence plan does that), its key does not."""

    id: int
    key: str | None
    path: str
    modern: bool


@dataclass(frozen=True, slots=True)
class Argument:
    """An input argument that a process declares; *type* is the .NET name, as Orchestrator gives it."""

    name: str
    type: str
    required: bool
    has_default: bool


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


@dataclass(frozen=True, slots=True)
class Robot:
    """A robot that jobs may be started on. *id* is what StartJobs takes, never a session's id."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine template of a modern folder."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Target:
    """Everything a StartJobs call needs: where, what, how, and its body but for the Reference.

    *start_info* holds Orchestrator's own property names; *asked* is the number of jobs asked for, None with
    strategy All, where the environment decides.
    """

    folder: Folder
    process: Process
    strategy: Strategy
    start_info: Mapping[str, Any]
    asked: int | None
