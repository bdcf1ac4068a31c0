"""Bytes to JSON, strictly: what two readers could read differently is refused, with its place.

RFC 8259 leaves open what a duplicate key means, and how deep a text may nest; here neither passes.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from worker.contracts.words import pointer
from worker.domain.failures import Code, Rejected, Violation

DEEPEST = 64
_MOST = 100
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_NOT_NUMBERS = ("NaN", "Infinity")
_DIGITS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 19  # the digits of 2^63


def parse(body: bytes, asked: str = "the request as one JSON object") -> Any:
    """Reads *body*, or raises `Rejected(INVALID_JSON)` with the line and column, byte or pointer.

    Refused beside bad JSON: bad UTF-8, NaN and Infinity, numbers that no double can hold, nesting deeper
    than 64, an object with the same key twice. Whole numbers are kept to the digit; *violations* refuses
    those that others would not keep so. *asked* is what to send instead, where it is no JSON at all.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _refused(body, error, asked) from None
    if body.count(b"{") + body.count(b"[") > DEEPEST and _too_deep(body):
        raise _nested()
    if _may_repeat_keys(body, document):
        _refuse_repeated_keys(body)
    # orjson makes a double of a whole number of more than 64 bits.
    return json.loads(body) if _LONG_NUMBER in body.translate(_DIGITS) else document


def _may_repeat_keys(body: bytes, document: Any) -> bool:
    """False is a proof: orjson kept one of each key, so a dropped one leaves fewer colons than came.

    A colon written as an escape would hide that, so such a body is looked at closely.
    """
    return b"\\u003" in body or body.count(b":") != orjson.dumps(document).count(b":")


def _too_deep(body: bytes) -> bool:
    """Takes the innermost brackets away until none is left, 64 times. *body* is known to be JSON."""
    left = _STRING.sub(b"", body).translate(_ONE_KIND, _OTHERS)
    for _ in range(DEEPEST):
        if not left:
            return False
        left = left.replace(b"[]", b"")
    return bool(left)


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: every key, the repeated ones too."""


def _refuse_repeated_keys(body: bytes) -> None:
    written = json.JSONDecoder(object_pairs_hook=_Pairs).decode(body.decode())
    places = islice(_repeated(written, ()), _MOST)
    found = tuple(Violation(place[:200], "is there twice: keep one") for place in places)
    if found:
        raise Rejected(
            Code.INVALID_JSON,
            f"the key {found[0].pointer} is there twice: which one is meant cannot be known",
            "send each key of an object once",
            violations=found,
        )


def _repeated(value: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, inner in value:
            if key in seen:
                yield pointer((*path, key))
            seen.add(key)
            yield from _repeated(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _repeated(inner, (*path, index))


def _nested() -> Rejected:
    return Rejected(
        Code.INVALID_JSON,
        f"the body nests deeper than {DEEPEST} objects and arrays",
        "send a flatter document; deep data can be sent as text",
    )


def _refused(body: bytes, error: orjson.JSONDecodeError, asked: str) -> Rejected:
    try:
        text = body.decode()
    except UnicodeDecodeError as wrong:
        return _not_utf8(body, wrong.start)
    if "depth limit" in error.msg:
        return _nested()
    place = f"at line {error.lineno}, column {error.colno}"
    if text.startswith(_NOT_NUMBERS, error.pos):
        detail, remedy = f"NaN or Infinity {place}: JSON has no such number", "send null or text instead"
    elif not body.strip():
        detail, remedy = "the body is empty", f"send {asked}"
    else:
        detail, remedy = f"the body is not JSON: {error.msg} {place}", f"send {asked}"
    return Rejected(Code.INVALID_JSON, detail, remedy)


def _not_utf8(body: bytes, offset: int) -> Rejected:
    return Rejected(
        Code.INVALID_JSON,
        f"the body is not UTF-8: byte {offset} is 0x{body[offset]:02x}",
        "encode the JSON text as UTF-8, without a byte order mark",
    )
