"""JMESPath: what is wrong with an expression is said before it meets an event.

What an event makes of it is a value that JSON can write, or a reason that repeats no value.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jmespath
from jmespath import functions
from jmespath.exceptions import (
    IncompleteExpressionError,
    JMESPathError,
    JMESPathTypeError,
    LexerError,
    ParseError,
)
from jmespath.parser import ParsedResult

_KINDS = {
    "null": "null",
    "string": "text",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "array-string": "an array of texts",
    "array-number": "an array of numbers",
    "NoneType": "null",
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "list": "an array",
    "dict": "an object",
}

_SHOWN = 200
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
# Kinds of nodes: those whose first part sees what they see, and those of which every part does.
_INTO = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection"}
    | {"flatten", "pipe"}
)
_BESIDE = frozenset(
    {"comparator", "and_expression", "or_expression", "not_expression", "function_expression"}
    | {"multi_select_list", "multi_select_dict", "key_val_pair"}
)


class NotAnExpression(Exception):
    """The text is none; the message says why, and *remedy* where to look."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


class NoValue(Exception):
    """The expression gives nothing that could be used; the message says why."""


class _Functions(functions.Functions):
    """JMESPath's own, and one that makes a short name of any text.

    Nothing is no text: where a field is missing, a requestId would be the same for different events.
    """

    @functions.signature({"types": ["string"]})
    def _func_sha256(self, text: str) -> str:
        return sha256(text.encode(errors="surrogatepass")).hexdigest()

    @functions.signature({"types": []})
    def _func_to_string(self, value: Any) -> Any:
        if value is None:
            raise JMESPathTypeError("to_string", value, "null", ["anything but null"])
        return super()._func_to_string(value)  # type: ignore[misc] # its stub leaves it out


_OPTIONS = jmespath.Options(custom_functions=_Functions())


@dataclass(frozen=True, slots=True)
class Expression:
    """A JMESPath expression that is well-formed, and calls only functions that there are."""

    text: str
    _parsed: ParsedResult

    @classmethod
    def of(cls, text: str) -> "Expression":
        """Reads *text*, or raises `NotAnExpression`."""
        try:
            parsed = jmespath.compile(text)
        except (JMESPathError, ValueError, Warning) as error:
            raise NotAnExpression(f"{text[:_SHOWN]}: {_plainly(text, error)}", _hint(text, error)) from None
        except RecursionError:
            raise NotAnExpression("it nests too deep", "make it simpler") from None
        for node in _calls(parsed.parsed):
            _check_call(node)
        return cls(text, parsed)

    @property
    def names(self) -> tuple[str, ...]:
        """What it looks up in the scope itself, each once, in its order."""
        return tuple(dict.fromkeys(_at_top(self._parsed.parsed)))

    def value(self, scope: Mapping[str, Any]) -> Any:
        """What it gives of *scope*, as JSON has it. Raises `NoValue`; the value may be None."""
        try:
            found = self._parsed.search(scope, options=_OPTIONS)
            return json.loads(json.dumps(found, ensure_ascii=False, allow_nan=False).encode())
        except JMESPathTypeError as error:
            takes = " or ".join(map(_kind, error.expected_types))
            came = _kind(error.actual_type)
            raise NoValue(f"{error.function_name}() takes {takes}, and {came} came") from None
        except RecursionError:
            raise NoValue("what it gives nests too deep") from None
        except Exception as error:  # noqa: BLE001 - the library lets through whatever Python says of odd types
            raise NoValue(f"cannot be worked out for this event ({type(error).__name__})") from None

    def holds(self, scope: Mapping[str, Any]) -> bool:
        """True unless it gives what JMESPath counts as false: false, null, or something empty."""
        found = self.value(scope)
        return found is not None and found is not False and found not in ("", [], {})


def _plainly(text: str, error: Exception) -> str:
    """What the parser found, in a sentence for whoever wrote *text*."""
    if not isinstance(error, ParseError):
        return str(error).partition("\n")[0].removesuffix(", for expression:") or type(error).__name__
    sign, place = str(error.token_value), error.lex_position
    if isinstance(error, IncompleteExpressionError) or place >= len(text):
        return "it ends too soon"
    if isinstance(error, LexerError):
        if "Unclosed" in str(error):
            return f"a {sign[:1]} is opened and not closed"
        return f"'{sign}' is no sign of JMESPath{': equal is ==' if sign == '=' else ''}"
    number = _NUMBER.match(text, place)
    if number and "invalid token" in str(error):
        return f"write a number in backticks: `{number.group()}`"
    return f"'{sign}' cannot stand where it does, as character {place + 1}"


def _hint(text: str, error: Exception) -> str:
    """How far the text is read."""
    place = error.lex_position if isinstance(error, ParseError) else len(text)
    read = text[max(0, place - _SHOWN) : place].strip()
    where = (
        f"it is understood up to: {read}"
        if read and place < len(text)
        else "look at its end, and its brackets"
    )
    return f"{where}; texts stand in single quotes, numbers in backticks"


def _at_top(node: Any) -> Iterator[str]:
    """The fields that are looked up in what the whole expression sees: no deeper, in no list."""
    match node["type"]:
        case "field":
            yield node["value"]
        case kind if kind in _INTO:
            yield from _at_top(node["children"][0])
        case kind if kind in _BESIDE:
            for child in node["children"]:
                yield from _at_top(child)


def _calls(node: Any) -> Iterator[dict[str, Any]]:
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            waiting += at.get("children", ())
            if at["type"] == "function_expression":
                yield at


def _check_call(node: Mapping[str, Any]) -> None:
    name, given = node["value"], len(node["children"])
    known = _Functions.FUNCTION_TABLE.get(name)
    if known is None:
        near = difflib.get_close_matches(name, _Functions.FUNCTION_TABLE, n=1)
        hint = f"did you mean {near[0]}()? " if near else ""
        raise NotAnExpression(f"there is no function {name}()", f"{hint}there are JMESPath's, and sha256()")
    takes = known["signature"]
    variadic = bool(takes) and takes[-1].get("variadic", False)
    if given < len(takes) or (given > len(takes) and not variadic):
        raise NotAnExpression(
            f"{name}() takes {len(takes)}{' or more' if variadic else ''} arguments, not {given}",
            "its arguments stand in its brackets, with commas between: join('-', ['a', data.id])",
        )


def _kind(name: object) -> str:
    """A type's name of JMESPath's or Python's, in a sentence."""
    return _KINDS.get(str(name), str(name))
