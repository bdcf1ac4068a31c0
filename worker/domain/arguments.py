"""A process's input arguments, checked against what it declares before a call is spent on them.

A refusal here must be right: a type that is not known passes, and Orchestrator has the last word.
"""

import difflib
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from worker.domain.failures import Violation
from worker.domain.processes import Argument

LONGEST = 10_000

_MOST = 100  # a list of 1 MiB may hold a hundred thousand wrong elements
_WHOLE = {
    "System.SByte": (-(2**7), 2**7 - 1),
    "System.Byte": (0, 2**8 - 1),
    "System.Int16": (-(2**15), 2**15 - 1),
    "System.UInt16": (0, 2**16 - 1),
    "System.Int32": (-(2**31), 2**31 - 1),
    "System.UInt32": (0, 2**32 - 1),
    "System.Int64": (-(2**63), 2**63 - 1),
    "System.UInt64": (0, 2**64 - 1),
}
_LARGEST = {"System.Single": 3.5e38, "System.Double": 1.8e308, "System.Decimal": 7.93e28}
_MOMENTS = frozenset({"System.DateTime", "System.DateTimeOffset"})
_VALUE_TYPES = frozenset({*_WHOLE, *_LARGEST, *_MOMENTS, "System.Boolean", "System.Char", "System.Guid"})
_GENERIC = "System.Collections.Generic."
_LISTS = frozenset(
    _GENERIC + name
    for name in (
        "List",
        "IList",
        "ICollection",
        "IEnumerable",
        "IReadOnlyList",
        "IReadOnlyCollection",
        "HashSet",
    )
)
_MAPS = frozenset(_GENERIC + name for name in ("Dictionary", "IDictionary", "IReadOnlyDictionary"))
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ].+)?", re.ASCII)
_GUID = re.compile(r"[{(]?[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}[)}]?", re.ASCII | re.IGNORECASE)
_TOKEN = re.compile(r"[^\[\],<>]+|[\[\],<>]")


@dataclass(frozen=True, slots=True)
class NetType:
    """A .NET type without its assembly; *rank* counts the pairs of array brackets after it."""

    name: str
    parameters: tuple["NetType", ...] = ()
    rank: int = 0

    @property
    def element(self) -> "NetType":
        """What an array of this type holds."""
        return NetType(self.name, self.parameters, self.rank - 1)

    def __str__(self) -> str:
        """The type as C# writes it, without its assembly."""
        parameters = f"<{', '.join(map(str, self.parameters))}>" if self.parameters else ""
        return self.name + parameters + "[]" * self.rank


_ROOT = "/inputArguments"
_BYTE, _ANY = NetType("System.Byte"), NetType("")


def check(arguments: Mapping[str, Any], declared: tuple[Argument, ...] | None) -> tuple[Violation, ...]:
    """Everything in *arguments* that the process does not take; nothing when *declared* is None.

    Names are compared as they are written. Required are those that have no default. A whole number is one
    without a decimal point (1.0 is none for Int32), and neither true nor text is a number. null passes for
    everything but .NET's value types. Values are not repeated in the messages.
    """
    if declared is None:
        return ()
    known = {argument.name: argument for argument in declared}
    missing = (name for name, its in known.items() if its.must_be_given and name not in arguments)
    found = chain(map(_missing, missing), *(_judge(name, value, known) for name, value in arguments.items()))
    return tuple(islice(found, _MOST))


def length(text: str) -> int:
    """The length of the JSON *text* in UTF-16 code units, which are never fewer than its characters.

    Which of the two Orchestrator counts is not known, so the larger is held to `LONGEST`.
    """
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def kind_of(value: Any) -> str:
    """What JSON calls *value*, with its article; the value itself is not told."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true or false"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "text", int: "a whole number"}
    return names.get(type(value), "a decimal number")


@lru_cache(maxsize=1024)
def read_type(text: str) -> NetType:
    """Reads a .NET type: assembly-qualified, with generic parameters in brackets or in C#'s angles."""
    tokens = deque(token.strip() for token in _TOKEN.findall(text) if token.strip())
    try:
        return _type(tokens)
    except (IndexError, RecursionError):
        return NetType(text)


def _type(tokens: deque[str]) -> NetType:
    name, rank = tokens.popleft().partition("`")[0], 0
    parameters: tuple[NetType, ...] = ()
    while tokens and tokens[0] in "[<":
        opened = tokens.popleft()
        if opened == "[" and tokens[0] in "],":
            rank += 1 + _skip(tokens).count(",")  # a [,] is written as lists in a list
        else:
            parameters = _parameters(tokens, "]" if opened == "[" else ">")
    return NetType(name, parameters, rank)


def _parameters(tokens: deque[str], closing: str) -> tuple[NetType, ...]:
    found = []
    while True:
        qualified = tokens[0] == "["
        if qualified:
            tokens.popleft()
        found.append(_type(tokens))
        if qualified:
            _skip(tokens)  # the assembly
        if tokens.popleft() == closing:
            return tuple(found)


def _skip(tokens: deque[str]) -> list[str]:
    """Takes everything up to the next closing bracket."""
    return list(iter(tokens.popleft, "]"))


def _below(place: str, name: str) -> str:
    return f"{place}/{name[:200].replace('~', '~0').replace('/', '~1')}"


def _missing(name: str) -> Violation:
    return Violation(_below(_ROOT, name), "is required by the process and missing")


def _judge(name: str, value: Any, known: Mapping[str, Argument]) -> Iterator[Violation]:
    place = _below(_ROOT, name)
    if name in known:
        yield from _wrong(value, read_type(known[name].type), place)
    else:
        yield Violation(place, _stranger(name, list(known)))


def _stranger(name: str, known: list[str]) -> str:
    by_case = {it.lower(): it for it in known}
    near = difflib.get_close_matches(name[:200].lower(), by_case, n=1)
    if near:
        return f"is not an argument of the process; did you mean {by_case[near[0]]}?"
    if not known:
        return "is not an argument of the process, which takes none"
    return (
        f"is not an argument of the process, which takes {', '.join(known[:8])}{', …' if known[8:] else ''}"
    )


def _wrong(value: Any, its: NetType, place: str) -> Iterator[Violation]:
    if its.rank or its.name in _LISTS:
        yield from _wrong_list(value, its, place)
    elif its.name in _MAPS:
        yield from _wrong_map(value, its, place)
    elif its.name == "System.Nullable" and its.parameters:
        if value is not None:
            yield from _wrong(value, its.parameters[0], place)
    elif problem := _problem(value, its.name):
        yield Violation(place, problem)


def _wrong_list(value: Any, its: NetType, place: str) -> Iterator[Violation]:
    of = its.element if its.rank else next(iter(its.parameters), _ANY)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _wrong(item, of, f"{place}/{index}")
    elif value is not None and not (isinstance(value, str) and of == _BYTE):  # bytes may come as base64
        yield Violation(place, f"must be an array ({its}), not {kind_of(value)}")


def _wrong_map(value: Any, its: NetType, place: str) -> Iterator[Violation]:
    if isinstance(value, dict):
        of = its.parameters[1] if len(its.parameters) == 2 else _ANY
        for key, item in value.items():
            yield from _wrong(item, of, _below(place, key))
    elif value is not None:
        yield Violation(place, f"must be an object ({its}), not {kind_of(value)}")


def _problem(value: Any, name: str) -> str | None:
    """What is wrong with a single value of the type *name*; None for a type that is not known."""
    if value is None:
        return f"must not be null ({name} has no null)" if name in _VALUE_TYPES else None
    expected = _expected(value, name)
    if expected is None:
        return None
    came = kind_of(value)
    return f"must be {expected} ({name})" + ("" if expected.startswith(came) else f", not {came}")


def _expected(value: Any, name: str) -> str | None:
    """What *value* should be, where it is something else."""
    text = value if isinstance(value, str) else ""
    if name in _WHOLE:
        low, high = _WHOLE[name]
        fits, expected = type(value) is int and low <= value <= high, f"a whole number from {low} to {high}"
    elif name in _LARGEST:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits, expected = number and abs(value) <= _LARGEST[name], "a number that fits"
    elif name in _MOMENTS:
        fits, expected = _is_moment(text), "text such as 2026-11-21T18:00:00+01:00"
    elif name == "System.Guid":
        fits, expected = bool(_GUID.fullmatch(text)), "text such as 99587436-4ce5-480d-988c-6d7f43787a2c"
    elif name == "System.Char":
        fits, expected = len(text) == 1, "text of one character"
    elif name == "System.Boolean":
        fits, expected = isinstance(value, bool), "true or false"
    else:
        fits, expected = name != "System.String" or isinstance(value, str), "text"
    return None if fits else expected


def _is_moment(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text)) and bool(datetime.fromisoformat(text.upper()))
    except ValueError:
        return False
