"""What commands write: for a person on a terminal, JSON objects line by line for a program, errors in a line.

Results go to stdout, everything else to stderr.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.logs import without_secrets

AsJson = Annotated[
    bool, typer.Option("--json", help="Write JSON, one object a line. Piped output always is.")
]

_LONGEST_WORD = 36  # an id of a job: it is copied, so it is never broken
_NARROWEST = 20

OK, FAILED, USAGE, SETTINGS, UNREACHABLE, TIMED_OUT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
EXIT_CODES = {
    OK: "done as asked",
    FAILED: "failed, rejected, a duplicate, or not Successful",
    USAGE: "wrong usage",
    SETTINGS: "a setting is missing or wrong",
    UNREACHABLE: "no connection to the broker or to Orchestrator",
    TIMED_OUT: "not over within `--timeout`",
    INTERRUPTED: "interrupted",
}
"""What the end of a command tells the shell."""


class Failed(Exception):
    """A command did not do what was asked. The text says what is wrong and what to do next."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


@contextmanager
def writing() -> Iterator[None]:
    """Raises `Failed` where stdout takes no more; a reader that has left is a `BrokenPipeError`, as ever."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:  # of another file, not of what we write to
            raise
        # What is still buffered would be tried, and complained of, once more at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise Failed(f"the output could not be written: {error.strerror}") from None


class Output:
    """Where a command's results go: to a person, or as JSON to a program."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json or not sys.stdout.isatty()
        self.console = Console(highlight=False)

    def record(self, document: Mapping[str, Any]) -> None:
        """Writes one JSON object as one line, at once."""
        line = orjson.dumps(document, default=as_text, option=orjson.OPT_NON_STR_KEYS) + b"\n"
        with writing():
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def document(self, document: Any) -> None:
        """Writes one JSON document over many lines, for a person or a file."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
        text = orjson.dumps(document, default=as_text, option=options).decode()
        with writing():
            self.console.print(text, markup=False, soft_wrap=True)

    def line(self, text: str, style: str = "") -> None:
        """Writes a line to a person; square brackets in it are just that."""
        with writing():
            self.console.print(Text(text, style=style))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Writes a table to a person; a cell may be a `Text` of its own colour."""
        with writing():
            self.console.print(table_of(columns, rows, self.console.width))


def table_of(columns: Sequence[str], rows: Sequence[Sequence[object]], width: int) -> RenderableType:
    """A table of which only long texts wrap; where they would be too narrow for it, a list for each row."""
    cells = [list(map(_cell, row)) for row in rows]
    widths = [
        max(Text(name).cell_len, *(cell.cell_len for cell in column), 0)
        for name, *column in zip(columns, *cells, strict=True)
    ]
    texts = [wide > _LONGEST_WORD for wide in widths]
    room = width - sum(2 if text else wide + 2 for wide, text in zip(widths, texts, strict=True)) + 2
    if room < _NARROWEST * sum(texts):
        return Group(*(_listed(columns, row) for row in cells))
    table = Table(header_style="bold", box=None, pad_edge=False)
    for name, text in zip(columns, texts, strict=True):
        table.add_column(name, overflow="fold", no_wrap=not text)
    for row in cells:
        table.add_row(*row)
    return table


def _listed(columns: Sequence[str], row: Sequence[Text]) -> RenderableType:
    """A row as a list of its cells, each after its column's name."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, cell in zip(columns, row, strict=True):
        if cell.plain:
            cell.justify = "left"
            table.add_row(name, cell)
    table.add_row("")
    return table


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    return Text(str(value), justify="right" if isinstance(value, int) else "left")


def complain(text: str) -> None:
    """Writes an error to stderr; whatever it quotes, no secret is in it."""
    red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() and "NO_COLOR" not in os.environ else ("", "")
    sys.stderr.write(f"{red}error:{plain} {without_secrets(text)}\n")


def note(text: str) -> None:
    """Writes what is good to know, and no result, to stderr."""
    sys.stderr.write(f"{without_secrets(text)}\n")


def examples(*lines: str) -> str:
    """The end of a command's help: what one would type."""
    return "\n\n".join(("Examples:", *lines))


def as_text(value: Any) -> str:
    """A form in JSON for what has none: bytes as text, anything else by its own words."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
