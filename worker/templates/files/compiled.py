"""A document becomes a template, or everything that is wrong with it is told. Pure."""

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import orjson

from worker.contracts import schema, violations
from worker.contracts.words import STRANGER, pointer
from worker.domain.failures import Violation
from worker.domain.requests import Kind
from worker.templates.event import SEEN
from worker.templates.expressions import Expression, NotAnExpression
from worker.templates.files.documents import Document, Fault, TemplateErrors
from worker.templates.model import PARTS, SCHEMAS, Binding, Slot, Template, slots_of, within

SCHEMA = "template.v1"
_MARKS = ("$", "$optional")
_LONGEST_KEY = 255  # AMQP writes a routing key's length in one byte
_PART_OF_DURATION = re.compile(r"(\d+)([DHMS])", re.ASCII)
_BY_SCHEMA = f"docs/templates.md has whole templates, and the schema {SCHEMA} describes every field"
_AT_TOP = f"write data. before a field of the event's body; beside it there are {', '.join(SEEN[1:])}"
_UNITS = {"D": "days", "H": "hours", "M": "minutes", "S": "seconds"}


def template_of(document: Document) -> Template:
    """The template that *document* is. Raises `TemplateErrors` with every fault."""
    value = document.value
    found = violations(SCHEMA, value)
    if found or not isinstance(value, dict):
        raise TemplateErrors(*(document.fault(one.pointer, _elsewhere(one), _BY_SCHEMA) for one in found))
    reading = _Reading(document)
    template = reading.template(value)
    if reading.faults:
        raise TemplateErrors(*sorted(reading.faults, key=lambda fault: fault.line or 0))
    return template


class _Reading:
    """Reads a document that its schema has accepted, and gathers what is wrong with it all the same."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.faults: list[Fault] = []

    def template(self, value: Mapping[str, Any]) -> Template:
        """The template, if there are no faults."""
        kind = next(kind for kind, part in PARTS.items() if part in value)
        target = self._filled(value[PARTS[kind]], (PARTS[kind],))
        self._check_literals(kind, target)
        self._check_keys(value["bindings"])
        return Template(
            name=value["name"],
            bindings=tuple(map(_binding, value["bindings"])),
            when=self._slot(value["when"], "/when") if "when" in value else None,
            request_id=self._slot(value["requestId"], "/requestId"),
            kind=kind,
            target=target,
            expires_in=self._duration(value, target),
            metadata=self._metadata(value.get("metadata", {})),
            file=self._document.file,
            lines=self._document.lines,
        )

    def _says(self, place: str, reason: str, remedy: str) -> None:
        self.faults.append(self._document.fault(place, reason, remedy))

    def _slot(self, text: str, place: str, *, optional: bool = False) -> Slot:
        try:
            expression = Expression.of(text)
        except NotAnExpression as why:
            self._says(place, f"is not an expression: {why}", why.remedy)
            return _nothing(place)
        for name in expression.names:
            if name not in SEEN:
                self._says(place, _stranger(name, text), _AT_TOP)
        return Slot(place, expression, optional)

    def _filled(self, node: Any, path: tuple[str | int, ...]) -> Any:
        """*node* with slots in place of its expressions."""
        match node:
            case dict() if any(mark in node for mark in _MARKS):
                return self._marked(node, pointer(path))
            case dict() if len(node) == 1 and next(iter(node)).startswith("$"):
                return self._mistyped(next(iter(node)), pointer(path))
            case dict():
                return {name: self._filled(inner, (*path, name)) for name, inner in node.items()}
            case list():
                return [self._filled(inner, (*path, index)) for index, inner in enumerate(node)]
            case _:
                return node

    def _marked(self, node: Mapping[str, Any], place: str) -> Slot:
        ((mark, text), *others) = node.items()
        if others or not isinstance(text, str):
            reason = "must be {$: EXPRESSION} or {$optional: EXPRESSION} and nothing beside"
            self._says(place, reason, "put the expression in quotes, and take out what is beside it")
            return _nothing(place)
        return self._slot(text, place, optional=mark == "$optional")

    def _mistyped(self, mark: str, place: str) -> Slot:
        near = difflib.get_close_matches(mark.lower(), _MARKS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        remedy = "write $ for what must be there, $optional for what may be left out"
        self._says(place, f"has {mark}, which is neither $ nor $optional{hint}", remedy)
        return _nothing(place)

    def _metadata(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        metadata = {name: self._filled(value, ("metadata", name)) for name, value in given.items()}
        for name, value in metadata.items():
            if isinstance(value, dict):
                place = pointer(("metadata", name))
                self._says(
                    place, "must be a text or {$: EXPRESSION}", "give each word of it a name of its own"
                )
        return metadata

    def _duration(self, value: Mapping[str, Any], target: Mapping[str, Any]) -> timedelta | None:
        text = value.get("expiresIn")
        if text is None:
            return None
        if "expiresAt" in target:
            self._says("/expiresIn", "is there beside expiresAt", "take one of them out")
        parts = _PART_OF_DURATION.findall(text)
        duration = timedelta(**{_UNITS[unit]: int(number) for number, unit in parts})
        if not duration:
            self._says(
                "/expiresIn", "must be longer than no time at all", "write PT1H for an hour, or leave it out"
            )
        return duration

    def _check_keys(self, bindings: Iterable[Mapping[str, Any]]) -> None:
        for at, binding in enumerate(bindings):
            for number, key in enumerate(binding.get("routingKeys", ())):
                if (size := len(key.encode())) > _LONGEST_KEY:
                    said = f"has {size} bytes; at most {_LONGEST_KEY} fit into a routing key"
                    place = pointer(("bindings", at, "routingKeys", number))
                    self._says(place, said, "use * or # in place of words")

    def _check_literals(self, kind: Kind, target: Mapping[str, Any]) -> None:
        """What is wrong whatever the event; what an expression has a part in, the event decides."""
        filled = [slot.pointer for slot in slots_of(target)]
        for one in violations(SCHEMAS[kind], {"requestId": "any", **_literals(target)}):
            place = f"/{PARTS[kind]}{one.pointer}"
            if not any(within(place, slot) or within(slot, place) for slot in filled):
                self._says(
                    place, one.message, f"a request's schema, {SCHEMAS[kind]}, says what may stand there"
                )


def _literals(node: Mapping[str, Any]) -> dict[str, Any]:
    """*node* without its slots, and without lists that have some: what is left has its place as before."""
    literals = {}
    for name, value in node.items():
        if isinstance(value, dict):
            literals[name] = _literals(value)
        elif not any(slots_of(value)):
            literals[name] = value
    return literals


def _elsewhere(one: Violation) -> str:
    """The violation's message; of a request's word at the top it says where that belongs."""
    parts = schema(SCHEMA)["properties"]
    found = [part for part in PARTS.values() if one.pointer[1:] in parts[part]["properties"]]
    if not found or not one.message.startswith(STRANGER):
        return one.message
    return f"{STRANGER}: it belongs in {' or '.join(found)}"


def _nothing(place: str) -> Slot:
    """Stands for what could not be read, so that no more is said of it."""
    return Slot(place, Expression.of("@"), optional=False)


def _stranger(name: str, text: str) -> str:
    """Of a name that there is not at the top of what the expression *text* sees."""
    name = name.encode(errors="replace").decode()  # half a character is none that could be shown
    known = {seen.lower(): seen for seen in SEEN}
    quoted = orjson.dumps(name).decode()
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.9)
    meant = known[near[0]] if near else f"data.{name if name.isascii() and name.isidentifier() else quoted}"
    also = " text stands in single quotes" if quoted in text else ""
    return f"there is no '{name}' here: did you mean {meant}?{also}"


def _binding(given: Mapping[str, Any]) -> Binding:
    return Binding(given["exchange"], tuple(given.get("routingKeys", ["#"])))
