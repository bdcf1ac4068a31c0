"""What a look at a template found: where, how it stands, and how to mend it."""

from dataclasses import dataclass

from rich.text import Text

from worker.cli.check.finding import STATES


@dataclass(frozen=True, slots=True)
class Finding:
    """How a place of a template stands (ok, warning, failed, skipped), and the *reason*."""

    state: str
    template: str | None
    file: str
    line: int | None
    pointer: str
    reason: str
    remedy: str = ""

    def row(self) -> list[object]:
        """The finding as a row of a table."""
        sign, style = STATES[self.state]
        where = f"{self.file}:{self.line}" if self.line else self.file
        found = f"{self.pointer} {self.reason}".strip()
        return [Text(sign, style=style), self.template or "", where, found, Text(self.remedy, style=style)]


COLUMNS = ("", "template", "where", "found", "how to mend it")
