"""What was asked, what a look at one thing found, and how to mend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from worker.domain.requests import FolderRef

STATES = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("-", "dim")}
"""How what was found stands: its sign in a table, and the colour."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked beyond the settings."""

    process: str | None
    environment: str | None
    folder: FolderRef | None
    robots: Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it stands (ok, warning, failed, skipped), and how to mend it."""

    what: str
    state: str
    detail: str
    remedy: str = ""
    about: Mapping[str, Any] | None = None
    """For programs: what was found, in parts."""

    def row(self) -> list[object]:
        """The finding as a row of a table."""
        sign, style = STATES[self.state]
        return [Text(sign, style=style), self.what, self.detail, Text(self.remedy, style=style)]
