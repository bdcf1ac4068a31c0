"""A run's results for people, and the line that shows how far it is."""

import sys
import time
from typing import TextIO

from rich.console import Console
from rich.table import Table

from chaos.ledger.verdict import FAILURES, Kind
from chaos.report.results import Results

_FINDINGS_SHOWN = 25
_EVERY_S = 10.0
_SHORT = {
    Kind.STARTED: "once",
    Kind.REJECTED: "rejected",
    Kind.PARKED: "unknown",
    Kind.NOT_TAKEN: "not taken",
    Kind.DOUBLED_BY_COPIES: "(copies)",
    Kind.DOUBLED_BY_FREEZE: "(frozen)",
    Kind.LOST: "lost",
    Kind.DOUBLED: "doubled",
    Kind.UNEXPECTED: "unexpected",
}


class Progress:
    """One line that is written over on a terminal; elsewhere one every ten seconds."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out, self._last = out, ""
        self._terminal, self._told_at = out.isatty(), 0.0

    def tell(self, text: str) -> None:
        """Shows *text* now, or not, if something was shown just before."""
        now = time.monotonic()
        if self._terminal:
            self._out.write(f"\r\x1b[K{text}")
        elif now - self._told_at >= _EVERY_S:
            self._out.write(f"{text}\n")
            self._told_at = now
        self._out.flush()

    def end(self) -> None:
        """What comes next begins on a line of its own."""
        if self._terminal:
            self._out.write("\r\x1b[K")


def show(results: Results, console: Console) -> None:
    """The table by phase, what was found, and the sum."""
    console.print(_table(results))
    for finding in list(results.findings)[:_FINDINGS_SHOWN]:
        console.print(f"  {finding.kind}: {finding.text}", markup=False, highlight=False)
    if len(results.findings) > _FINDINGS_SHOWN:
        console.print(f"  … and {len(results.findings) - _FINDINGS_SHOWN} more")
    for trouble in results.troubles[:_FINDINGS_SHOWN]:
        console.print(f"  unexpected: {trouble}", markup=False, highlight=False)
    console.print(_sum(results), style="bold green" if results.good else "bold red")


def _table(results: Results) -> Table:
    table = Table(title=f"By phase (seed {results.about['seed']})", title_justify="left")
    for heading in ("phase", "s", "asked", "messages", "taken", *_SHORT.values(), "what was done"):
        table.add_column(heading, justify="left" if heading in ("phase", "what was done") else "right")
    for phase in results.phases:
        done = ", ".join(f"{count} {what}" for what, count in phase.done.items())
        counts = (phase.asked, phase.copies, phase.acknowledged, *(phase.ends[kind] for kind in _SHORT))
        table.add_row(phase.name, f"{phase.seconds:.0f}", *(str(count or "") for count in counts), done)
    return table


def _sum(results: Results) -> str:
    found = results.document()
    failures = ", ".join(f"{kind} {found[kind]}" for kind in Kind if kind in FAILURES)
    return (
        f"{found['attempted']} requests in {found['messages']} messages, {found['acknowledged']} taken; "
        f"{found['worker kills']} worker kills, {found['broker kills']} broker kills; {failures}; "
        f"beside it: {found[Kind.DOUBLED_BY_COPIES]} doubled by copies without a shared ledger, "
        f"{found[Kind.DOUBLED_BY_FREEZE]} by a freeze beyond the window, {found[Kind.PARKED]} outcome unknown"
    )
