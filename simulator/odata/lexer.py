"""Splits an OData expression into tokens, each with its place, and refuses what cannot be one."""

import re
from typing import NamedTuple

from simulator.odata.model import ODataError

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<guid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)
  | (?P<date>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:[Zz]|[+-]\d\d:\d\d)?)?(?![\w-]))
  | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
  | (?P<string>'(?:[^']|'')*')
  | (?P<typed>[^\W\d][\w.]*'(?:[^']|'')*')
  | (?P<name>[^\W\d][\w.]*)
  | (?P<mark>[(),/])
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
    """A piece of the expression: its kind, its text as written, and where it starts."""

    kind: str
    text: str
    at: int


END = "end"


def tokens(text: str) -> list[Token]:
    """All tokens of `text` without white space, closed by one of kind `end`."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ODataError(
                f"Syntax error: character '{text[at]}' is not valid at position {at} in '{text}'."
            )
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup or "", match.group(), at))
        at = match.end()
    found.append(Token(END, "", len(text)))
    return found


def unquote(text: str) -> str:
    """The value of a quoted literal: outer quotes off, doubled quotes made single."""
    return text[1:-1].replace("''", "'")
