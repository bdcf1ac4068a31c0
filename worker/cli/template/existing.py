"""Whether Orchestrator has what a template names: folder, process and its arguments, queue, robots, machines.

What an event decides is not looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from worker.contracts.words import pointer
from worker.domain import arguments
from worker.domain.failures import Rejected
from worker.domain.processes import (
    Folder,
    Machine,
    Process,
    Robot,
    choose_named,
    choose_process,
    choose_strategy,
    unknown_process,
)
from worker.domain.queues import Queue, unknown_queue
from worker.domain.requests import FolderRef, Kind, StartRequest
from worker.orchestrator.client import Client
from worker.templates.model import Slot, Template, slots_of

_ARGUMENTS = "inputArguments"
_FORBIDDEN = 403
_SCOPE = "for queues that scope is OR.Queues, which JOBRELAY_SCOPE has to ask for too"
_DECLARED = "the process declares its arguments in Orchestrator"


@dataclass(frozen=True, slots=True)
class Absent:
    """What Orchestrator does not have, at *pointer* in the template; *unknown*: the event decides it."""

    pointer: str
    reason: str
    remedy: str = ""
    unknown: bool = False


class _Found(Exception):
    """Nothing that builds on it can be looked at."""

    def __init__(self, absent: Absent) -> None:
        super().__init__(absent.reason)
        self.absent = absent


class Visit:
    """Compares templates with Orchestrator; *default* is the folder of those that name none."""

    def __init__(self, client: Client, default: FolderRef | None) -> None:
        self._client = client
        self._default = default

    async def absent(self, template: Template) -> list[Absent]:
        """What there is not; nothing where all of it is there. Raises `Unavailable`."""
        try:
            folder = await self._folder(template)
            if template.kind is Kind.QUEUE_ITEM:
                return await self._queue(template, folder)
            return await self._start(template, folder)
        except _Found as found:
            return [found.absent]

    async def _folder(self, template: Template) -> Folder:
        given = template.target.get("folder")
        place = f"/{template.part}/folder"
        if any(slots_of(given)):
            raise _Found(Absent(place, "is the event's to say: nothing in it is looked for", unknown=True))
        ref = FolderRef.of(given) if given else self._default
        if ref is None:
            said = "names no folder, and JOBRELAY_FOLDER is not set"
            raise _Found(Absent(f"/{template.part}", said, "give it a folder, such as {path: Shared}"))
        with _at(place):
            return await self._client.folder(ref)

    async def _queue(self, template: Template, folder: Folder) -> list[Absent]:
        name, place = template.target["queue"], f"/{template.part}/queue"
        if isinstance(name, Slot):
            return [Absent(place, "is the event's to say: it is not looked for", unknown=True)]
        with _at(place):
            await queue_of(self._client, folder, name)
        return []

    async def _start(self, template: Template, folder: Folder) -> list[Absent]:
        target = template.target
        literal = {name: value for name, value in target.items() if not any(slots_of(value))}
        asked = StartRequest.of({"requestId": "any", "process": {}, **literal})
        found = _strategy(asked, folder)
        if "process" not in literal:
            said = "is the event's to say: neither it nor its arguments are looked for"
            return [*found, Absent("/start/process", said, unknown=True)]
        try:
            process = await self._process(asked, folder)
        except _Found as missing:
            return [*found, missing.absent]
        found += _arguments(target.get(_ARGUMENTS, {}), process)
        return [*found, *await self._places(asked, folder, process)]

    async def _process(self, asked: StartRequest, folder: Folder) -> Process:
        with _at("/start/process"):
            processes = await self._client.processes(folder)
            process = choose_process(asked.process, processes, folder)
            if process is None:
                raise unknown_process(asked.process, processes, folder)
        return process

    async def _places(self, asked: StartRequest, folder: Folder, process: Process) -> list[Absent]:
        """The robots and the machines that are named and not there."""
        named: dict[str, tuple[Sequence[str | int], Sequence[Robot | Machine]]] = {}
        if asked.robots:
            with _at("/start/robots"):
                named["robot"] = (asked.robots, await self._client.robots(folder, process.environment))
        if asked.machines:
            with _at("/start/machines"):
                named["machine"] = (asked.machines, await self._client.machines(folder))
        return [
            Absent(f"/start/{kind}s/{i}", f"folder '{folder.path}' has no {kind} {one!r}", "check its name")
            for kind, (wanted, among) in named.items()
            for i, one in enumerate(wanted)
            if choose_named(one, among) is None
        ]


async def queue_of(client: Client, folder: Folder, name: str) -> Queue:
    """The queue of that name. Raises `Rejected`, with what is needed to see it, or `Unavailable`."""
    try:
        queues = await client.queues.queues(folder)
    except Rejected as why:
        refused = why.answer is not None and why.answer.status == _FORBIDDEN
        raise replace(why, remedy=f"{why.remedy}; {_SCOPE}") if refused else why from None
    found = choose_named(name, queues)
    if found is None:
        raise unknown_queue(name, queues, folder)
    return found


@contextmanager
def _at(place: str) -> Iterator[None]:
    """A refusal inside is about *place*."""
    try:
        yield
    except Rejected as why:
        raise _Found(Absent(place, why.detail, why.remedy)) from None


def _strategy(asked: StartRequest, folder: Folder) -> list[Absent]:
    """Where the folder does not offer it."""
    try:
        choose_strategy(asked.strategy, folder, robots=bool(asked.robots))
    except Rejected as why:
        return [Absent("/start/strategy", why.detail, why.remedy)]
    return []


def _arguments(given: Slot | Mapping[str, Any], process: Process) -> Iterator[Absent]:
    """Where the arguments do not fit the process, as far as it does not depend on the event."""
    if isinstance(given, Slot):
        said = "is the event's to say: it is not compared with what the process declares"
        yield Absent(f"/start/{_ARGUMENTS}", said, unknown=True)
        return
    filled = {name for name, value in given.items() if any(slots_of(value))}
    literal = {name: None if name in filled else value for name, value in given.items()}
    declared = process.arguments
    if declared is not None:
        declared = tuple(replace(one, type="") if one.name in filled else one for one in declared)
    for violation in arguments.check(literal, declared):
        yield Absent(f"/start{violation.pointer}", violation.message, _DECLARED)
    for one in declared or ():
        value = given.get(one.name)
        if one.must_be_given and isinstance(value, Slot) and value.optional:
            place = pointer(("start", _ARGUMENTS, one.name))
            yield Absent(
                place, "is required by the process and may be left out", "use $ instead of $optional"
            )
