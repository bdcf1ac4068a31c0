"""The schemas in `schemas/`, compiled once: what a document breaks is told in words, each with its pointer.

A checkout has them beside the package, the wheel in `worker/_schemas`.
"""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from worker.contracts.integers import too_long
from worker.contracts.words import say
from worker.domain.failures import Violation

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (".", "requests", "events", "internal")
_MOST = 100  # a body of 1 MiB may break its schema a hundred thousand times, and an event lists them all


def violations(name: str, document: Any) -> list[Violation]:
    """Everything in *document* that breaks the schema *name* (`start-job.v1`); nothing where it keeps to it.

    A missing property is named at the place where it should be, each one too many at its own. Values are
    never repeated: they may be secret, or long. After 100 violations one more says that there are others.
    Beside what a schema can say, no whole number may have more than 64 bits.
    """
    validator, long = _validator(name), too_long(document)
    if validator.is_valid(document):
        return _bounded(long)
    its = schema(name)
    told = _told(validator.iter_errors(_within_limits(document, name)), its)
    return _bounded(_first_told(told, long))


@cache
def schema(name: str) -> dict[str, Any]:
    """The schema *name*, such as `job-created.v1`. Raises `KeyError` where there is none."""
    document: dict[str, Any] = orjson.loads(_files()[name].read_bytes())
    return document


def names() -> tuple[str, ...]:
    """The names of all schemas, in alphabetical order."""
    return tuple(sorted(_files()))


def root() -> Path:
    """The folder that holds the schemas."""
    packed = _PACKAGE / "_schemas"
    return packed if packed.is_dir() else _PACKAGE.parent / "schemas"


@cache
def _files() -> dict[str, Path]:
    return {file.stem: file for folder in _FOLDERS for file in (root() / folder).glob("*.json")}


@cache
def _validator(name: str) -> Draft202012Validator:
    return _compiled(schema(name))


def _compiled(of: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(of, validate_formats=True, pattern_options=RegexOptions())


@cache
def _map_of(name: str, map_name: str) -> Draft202012Validator | None:
    """Holds a map of *name* to its schema, where that says the same of each of its members; else None."""
    its = schema(name)["properties"][map_name]
    alike = "additionalProperties" in its and not its.keys() & {"properties", "required", "minProperties"}
    return _compiled(its) if alike else None


def _at_fault(members: dict[str, Any], held: Draft202012Validator) -> dict[str, Any]:
    """Those of *members* that break their schema, as far as they are listed; all, where none does."""
    wrong = ((name, value) for name, value in members.items() if not held.is_valid({name: value}))
    return dict(islice(wrong, _MOST + 1)) or members


def _within_limits(document: Any, of: str) -> Any:
    """Cuts a list or a map that is over its limit to one more than that: it still breaks the schema.

    The validator makes all errors before it gives the first, which takes seconds for a list of 1 MiB, and for
    a map with as many members that break their schema: of those as many are left as are listed.
    """
    if not isinstance(document, dict):
        return document
    cut = dict(document)
    for name, its in schema(of)["properties"].items():
        value = document.get(name)
        if isinstance(value, list) and len(value) > its.get("maxItems", len(value)):
            cut[name] = value[: its["maxItems"] + 1]
        elif isinstance(value, dict) and len(value) > its.get("maxProperties", len(value)):
            cut[name] = dict(islice(value.items(), its["maxProperties"] + 1))
        elif isinstance(value, dict) and len(value) > _MOST and (held := _map_of(of, name)):
            cut[name] = _at_fault(value, held)
    return cut


def _told(errors: Iterator[ValidationError], of: dict[str, Any]) -> Iterator[Violation]:
    """Drops what only follows from a wrong type, and what says the same twice."""
    wrong_types, seen = set(), set()
    for error in sorted(errors, key=lambda error: error.kind.name != "type"):
        place = tuple(error.instance_path)
        if error.kind.name == "type":
            wrong_types.add(place)
        elif place in wrong_types:
            continue
        for violation in say(error, of):
            if violation not in seen:
                seen.add(violation)
                yield violation


def _first_told(told: Iterator[Violation], long: Iterator[Violation]) -> Iterator[Violation]:
    """Where a number is wrong anyway, that it is too long as well helps nobody."""
    places = set()
    for violation in told:
        places.add(violation.pointer)
        yield violation
    yield from (violation for violation in long if violation.pointer not in places)


def _bounded(found: Iterator[Violation]) -> list[Violation]:
    listed = list(islice(found, _MOST))
    if next(found, None):
        listed.append(Violation("", f"there is more: only the first {_MOST} violations are listed"))
    return listed
