"""What `jobrelay template check` looks at: the files, and then Orchestrator. Nothing is changed."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from worker.broker.bindings import closed
from worker.broker.topology import Topology
from worker.cli.template.existing import Absent, Visit
from worker.cli.template.finding import Finding
from worker.cli.template.scaffold import PLACEHOLDER
from worker.domain.failures import Failure, Rejected
from worker.domain.requests import FolderRef
from worker.orchestrator.client import Client
from worker.settings import Settings
from worker.templates.files import Fault, TemplateErrors, load
from worker.templates.model import Template

_PATIENCE_S = 2.0
_AWAY = "check JOBRELAY_ORCHESTRATOR_URL and that it runs, or leave it out: --offline"
_NOT_ASKED = "keeps to the schema; Orchestrator was not asked"
_NOT_YET_ASKED = "Orchestrator was not asked for folders, processes and queues: not every file could be read"
_PLACEHOLDER = "is what `template scaffold` has put there in place of a name"
_YOURS = "put the exchange of your application here"
_OURS = "is the exchange of Jobrelay's own events: those that tell of a template's request are left alone"
_NOT_A_LOOP = "what is to follow a template's job needs a request that no template made"
_THERE = "keeps to the schema, and Orchestrator has what it names"


def examine(place: Path, topology: Topology, settings: Settings | None) -> list[Finding]:
    """Everything that is wrong with the templates of *place*, and a line for each that is right.

    Without *settings* Orchestrator is not asked; nor is it while a file has a fault, and that is said.
    """
    try:
        templates = load(place, closed(topology))
    except TemplateErrors as wrong:
        return [_of_file(fault) for fault in wrong.faults] + ([_later(place)] if settings else [])
    if not templates:
        said = "holds no template: they are files that end in .yaml, .yml or .json"
        return [Finding("failed", None, str(place), None, "", said, "name the folder that has them")]
    own = [found for one in templates for found in _exchanges(one, topology.events)]
    if settings is None:
        return _without_doubt([_at(one, "ok", "", _NOT_ASKED) for one in templates] + own)
    return _without_doubt(asyncio.run(_compared(place, templates, settings)) + own)


def _of_file(one: Fault) -> Finding:
    remedy = f"{one.remedy}; the line is: {one.shown}" if one.shown else one.remedy
    return Finding("failed", None, one.file, one.line, one.pointer, one.reason, remedy)


def _later(place: Path) -> Finding:
    return Finding("skipped", None, str(place), None, "", _NOT_YET_ASKED, "mend what failed, and check again")


def _exchanges(template: Template, events: str) -> Iterator[Finding]:
    for number, binding in enumerate(template.bindings):
        place = f"/bindings/{number}/exchange"
        if binding.exchange == PLACEHOLDER:
            yield _at(template, "failed", place, _PLACEHOLDER, _YOURS)
        if binding.exchange == events:
            yield _at(template, "warning", place, _OURS, _NOT_A_LOOP)


def _without_doubt(findings: list[Finding]) -> list[Finding]:
    """No template is said to be right of which something else is wrong."""
    wrong = {one.template for one in findings if one.state == "failed"}
    return [one for one in findings if one.state != "ok" or one.template not in wrong]


async def _compared(place: Path, templates: Sequence[Template], settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    default = FolderRef.parse(settings.folder) if settings.folder else None
    left = list(templates)
    async with Client(settings) as client:
        visit = Visit(client, default)
        with _progress(len(templates)) as advance:
            try:
                await client.probe()
                while left:
                    absent = await visit.absent(left[0])
                    template = left.pop(0)
                    findings += [_of(template, one) for one in absent] or [_at(template, "ok", "", _THERE)]
                    advance()
            except Failure as why:
                remedy = why.remedy if isinstance(why, Rejected) else _AWAY
                said = f"Orchestrator cannot be asked: {why}"
                findings.append(Finding("failed", None, str(place), None, "", said, remedy))
    return findings + [_at(template, "skipped", "", _NOT_ASKED) for template in left]


def _of(template: Template, one: Absent) -> Finding:
    return _at(template, "skipped" if one.unknown else "failed", one.pointer, one.reason, one.remedy)


def _at(template: Template, state: str, place: str, reason: str, remedy: str = "") -> Finding:
    line = template.lines.of(place)
    return Finding(state, template.name, template.file, line, place, reason, remedy)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr where that is a terminal, once it takes longer than two seconds."""
    columns = (TextColumn("asking Orchestrator"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task("", total=total)
    timer = asyncio.get_running_loop().call_later(_PATIENCE_S, progress.start)
    try:
        yield lambda: progress.advance(task)
    finally:
        timer.cancel()
        if progress.live.is_started:
            progress.stop()
