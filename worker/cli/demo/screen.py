"""What a demonstration shows: bars while it goes on, and what came of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from worker.cli.demo.verdict import Tally, Verdict, by_template
from worker.cli.output import Output, complain

_FINDINGS_SHOWN = 10
_LOOKUPS = "JobsList"


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a demonstration. *left* messages wait in queues where none should."""

    about: Mapping[str, Any]
    tally: Tally
    verdict: Verdict
    calls: Mapping[str, int]
    faults: Mapping[str, int]
    left: int

    @property
    def good(self) -> bool:
        """True when everything went as it must."""
        return self.verdict.good and self.left == 0

    def document(self) -> dict[str, Any]:
        """The report for programs."""
        verdict = self.verdict
        return {
            **self.about,
            "requests": len(self.tally.load),
            "jobs": len(self.tally.states),
            "items": len(self.tally.added),
            "templates": by_template(self.tally),
            "outcomes": verdict.outcomes,
            "events": dict(self.tally.events),
            "repeated": self.tally.repeated,
            "lookups": self.calls.get(_LOOKUPS, 0),
            "calls": self.calls,
            "faults": self.faults,
            "lost": len(verdict.lost),
            "doubled": len(verdict.doubled),
            "wrong": len(verdict.wrong),
            "left": self.left,
            "findings": [*verdict.lost, *verdict.doubled, *verdict.wrong],
        }


class Screen:
    """The bars. Nothing is shown where a program reads."""

    def __init__(self, output: Output) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=output.console,
            disable=output.as_json,
            transient=True,
        )
        self._output = output
        self._requests = self._progress.add_task("requests settled", total=None)
        self._jobs = self._progress.add_task("jobs over", total=None)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the bars for the time of the block."""
        with self._progress:
            yield

    def say(self, text: str) -> None:
        """A line above the bars."""
        if not self._output.as_json:
            self._progress.console.print(Text(text, style="dim"))

    def update(self, tally: Tally) -> None:
        """Draws how far it is."""
        total, jobs = len(tally.load), len(tally.states)
        self._progress.update(self._requests, total=total, completed=total - tally.requests_open)
        self._progress.update(self._jobs, total=max(jobs, 1), completed=jobs - tally.jobs_open)


def tell(report: Report, output: Output) -> None:
    """Writes the report."""
    document = report.document()
    if output.as_json:
        output.record(document)
    else:
        _tables(document, output)
        colour = "bold green" if report.good else "bold red"
        output.line(_sum(document), colour)
    for finding in document["findings"][:_FINDINGS_SHOWN]:
        complain(finding)
    if len(document["findings"]) > _FINDINGS_SHOWN:
        complain(f"and {len(document['findings']) - _FINDINGS_SHOWN} more")
    if report.left:
        complain(f"{report.left} messages are left in the queues")


def _tables(document: Mapping[str, Any], output: Output) -> None:
    templates = document["templates"]
    if templates:
        columns = ("events", "requests", "jobs", "items", "refused")
        found = [[name, *(counts[column] for column in columns)] for name, counts in templates.items()]
        output.table([f"{'templates':<26}", *columns], found)
        output.line("")
    for what, count, rows in (
        (f"{document['load']} by outcome", document["load"], document["outcomes"]),
        ("events", "events", {**document["events"], "(repeated, same id)": document["repeated"]}),
        ("calls to Orchestrator", "calls", {_named(name): n for name, n in document["calls"].items()}),
        ("faults of Orchestrator", "times", document["faults"]),
    ):
        output.table([f"{what:<26}", count], [[name, n] for name, n in rows.items()])
        output.line("")


def _named(operation: str) -> str:
    return f"{operation} (look-ups)" if operation == _LOOKUPS else operation


def _sum(document: Mapping[str, Any]) -> str:
    killed = ", its worker killed once" if document["killed"] else ""
    what = f"{document['requests']} {document['load']}, {document['jobs']} jobs"
    items = f", {document['items']} queue items" if document["templates"] else ""
    head = f"{what}{items} in {document['seconds']} s{killed}:"
    return f"{head} lost {document['lost']}, doubled {document['doubled']}, wrong {document['wrong']}"
