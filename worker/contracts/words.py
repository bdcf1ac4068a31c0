"""A validator's errors in words that help: what is wrong, where, and what to write instead.

A schema may say how to mend a value, in its annotation `x-mend`, beside the rule that the value breaks.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jsonschema_rs import ValidationError

from worker.domain.arguments import kind_of
from worker.domain.failures import Violation

STRANGER = "is not known here"
"""How a violation begins that names a property too many."""
_LONGEST = 200
_TYPES = {
    "object": "an object",
    "array": "an array",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
# The keyword's own words would not say more than x-mend does.
_MENDED = frozenset({"oneOf", "anyOf", "not", "pattern", "format", "maxItems"})


def say(error: ValidationError, schema: Mapping[str, Any]) -> Iterator[Violation]:
    """Tells *error* of *schema*; one error for several properties too many becomes one violation for each."""
    place, node = list(error.instance_path), _node(schema, error.schema_path)
    facts = error.kind.as_dict()
    match error.kind.name:
        case "additionalProperties":
            yield from (at([*place, name], _stranger(name, node)) for name in facts["unexpected"])
        case "required":
            yield at([*place, facts["property"]], "is required and missing")
        case "type":
            yield at(place, _wrong_type(error, node, schema))
        case kind if kind in _MENDED and "x-mend" in node:
            yield at(place, node["x-mend"])
        case kind:
            yield at(place, _WORDS.get(kind, _unnamed)(error, facts))


def pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901) of *path*."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def at(path: Iterable[str | int], message: str) -> Violation:
    """The violation at *path*; what is too long of either is cut."""
    return Violation(_cut(pointer(path)), _cut(message))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _node(schema: Mapping[str, Any], path: list[str | int]) -> Any:
    """The schema around the keyword that *path* ends in."""
    node: Any = schema
    for step in path[:-1]:
        node = node[step]
    return node if isinstance(node, dict) else {}


def _wrong_type(error: ValidationError, node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    expected = node["type"] if isinstance(node["type"], list) else [node["type"]]
    said = f"must be {' or '.join(_TYPES[name] for name in expected)}, not {kind_of(error.instance)}"
    if error.instance is None and _optional(schema, error.schema_path):
        return f"{said}: leave it out where it has no value"
    return f"{said}: {node['x-mend']}" if "x-mend" in node else said


def _optional(schema: Mapping[str, Any], path: list[str | int]) -> bool:
    owner = _node(schema, path[:-2])
    return path[-3:-2] == ["properties"] and path[-2] not in owner.get("required", ())


def _stranger(name: str, node: Mapping[str, Any]) -> str:
    known = {known.lower(): known for known in node.get("properties", ())}
    near = difflib.get_close_matches(name[:_LONGEST].lower(), known, n=1)
    return STRANGER + (f"; did you mean {known[near[0]]}?" if near else "")


def _one_of(error: ValidationError, facts: Mapping[str, Any]) -> str:
    options = facts["options"]
    known = {str(option).lower(): str(option) for option in options}
    given = error.instance[:_LONGEST].lower() if isinstance(error.instance, str) else ""
    near = difflib.get_close_matches(given, known, n=1)
    said = (
        f"must be one of {', '.join(map(str, options))}"
        if len(options) <= 10
        else "is not one of the known values"
    )
    return said + (f"; did you mean {known[near[0]]}?" if near else "")


def _unnamed(error: ValidationError, _: Mapping[str, Any]) -> str:
    return f"breaks the schema's rule '{error.kind.name}'"


def _limit(text: str) -> Callable[[ValidationError, Mapping[str, Any]], str]:
    return lambda _, facts: text.format(facts["limit"])


def _least(things: str) -> Callable[[ValidationError, Mapping[str, Any]], str]:
    """The least size: 1 is worth a word of its own."""
    return lambda _, facts: (
        "must not be empty" if facts["limit"] == 1 else f"must have at least {facts['limit']} {things}"
    )


_WORDS: Mapping[str, Callable[[ValidationError, Mapping[str, Any]], str]] = {
    "const": lambda _, facts: f"must be {facts['expected_value']}",
    "enum": _one_of,
    "format": lambda _, facts: f"is not a {facts['format']}",
    "pattern": lambda _, facts: f"does not match {facts['pattern']}",
    "propertyNames": lambda _, __: "has a key that is empty or too long",
    "uniqueItems": lambda _, __: "has the same item twice",
    "minimum": _limit("must be at least {}"),
    "maximum": _limit("must be at most {}"),
    "minLength": _least("characters"),
    "maxLength": _limit("must have at most {} characters"),
    "minItems": _least("items"),
    "maxItems": _limit("must have at most {} items"),
    "minProperties": _least("properties"),
    "maxProperties": _limit("must have at most {} properties"),
}
