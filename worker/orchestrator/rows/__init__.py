"""What rows hold beside what they must: it is kept where it fits, and None where it does not.

A row is also what a process has put into it: no output and no text of its may harm those who pass it on.
"""

import re
from datetime import datetime
from typing import Any

import orjson

LONGEST_NAME = 1_000
LONGEST_TEXT = 32_768
"""Characters of a message or a stack that are passed on."""
LONGEST_WORD = 64
"""Characters of a state, and of whatever else is one of a few words; some are newer than this worker."""
DEEPEST = 64
"""How deep an output may nest, to be passed on as JSON: readers and writers of JSON have limits of theirs."""
_LARGEST_ID = 2**63 - 1
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)


def text_of(value: Any, longest: int = LONGEST_NAME) -> str | None:
    """The text, cut to so many characters; None for what is none."""
    return value[:longest] if isinstance(value, str) else None


def number_of(value: Any) -> int | None:
    """The number, if it is whole, not negative, and fits 64 bits."""
    return value if type(value) is int and 0 <= value <= _LARGEST_ID else None


def moment_of(value: Any) -> str | None:
    """RFC 3339, as our events promise it; with more it could be anything, and of any length."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return None
    return value


def output_of(text: Any) -> Any:
    """A job's output is JSON inside a string; what is none, or nests too deep, is given as it came.

    An item's is no text, and is given as it is; nothing where it nests too deep.
    """
    if not isinstance(text, str):
        return text or None if _nests_within(text, DEEPEST) else None
    try:
        value = orjson.loads(text) if text else None
    except ValueError:
        return text
    shallow = text.count("[") + text.count("{") <= DEEPEST
    return value if shallow or _nests_within(value, DEEPEST) else text


def _nests_within(value: Any, room: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return room > 0 and all(_nests_within(each, room - 1) for each in value)
