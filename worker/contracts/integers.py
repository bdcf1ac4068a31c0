"""Whole numbers of more than 64 bits: most readers of JSON round them without a word (RFC 8259, section 6).

orjson, by which all that is sent is written, takes none of them, so none is passed on.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from worker.contracts.words import at
from worker.domain.failures import Violation

_LEAST, _MOST = -(2**63), 2**64 - 1


def too_long(document: Any) -> Iterator[Violation]:
    """One violation for each such number in *document*, at its place; its digits are not repeated."""
    try:
        orjson.dumps(document)
    except TypeError:  # a hundred times as fast as a look at each number, and the rule is that there is none
        yield from _found(document, [])


def _found(value: Any, path: list[str | int]) -> Iterator[Violation]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _found(inner, [*path, name])
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _found(inner, [*path, index])
    elif isinstance(value, int) and not _LEAST <= value <= _MOST:
        yield at(path, "is a whole number of more than 64 bits, which would be rounded: send it as text")
