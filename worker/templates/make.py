"""An event and a template make a request that keeps to its schema, or a failure that says where. Pure.

Whatever the event, nothing is raised.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from worker.contracts import parse, violations
from worker.domain.failures import Rejected
from worker.domain.requests import Kind
from worker.pipeline.validate import LARGEST
from worker.templates.event import Event, tells_of_a_template
from worker.templates.expressions import NoValue
from worker.templates.model import Slot, Template, slots_of, within

_LEFT_OUT = object()
_EXPIRY = "/expiresIn"


@dataclass(frozen=True, slots=True)
class Made:
    """A request that *template* made; *body* is its JSON, and *document* what that says.

    *dated* is true where its expiresAt counts from when the event was read: each time it may be another.
    """

    template: str
    kind: Kind
    document: Mapping[str, Any]
    body: bytes
    dated: bool = False

    @property
    def request_id(self) -> str:
        """Names the request."""
        return str(self.document["requestId"])


@dataclass(frozen=True, slots=True)
class Failed:
    """*template* could make nothing of an event: *pointer* is the place in the template.

    *expression* is the one there, or that the value at fault came from; empty where none had a part in it.
    """

    template: str
    pointer: str
    expression: str
    reason: str

    def __str__(self) -> str:
        """In a sentence."""
        by = f" ({self.expression})" if self.expression else ""
        return f"template '{self.template}': {self.pointer}{by} {self.reason}"


class _Wrong(Exception):
    def __init__(self, slot: Slot | None, pointer: str, reason: str) -> None:
        self.slot, self.pointer, self.reason = slot, pointer, reason


def make(template: Template, event: Event) -> Made | Failed | None:
    """What *template* makes of *event*; None where its condition is not met."""
    try:
        if template.when is not None and not _holds(template.when, event.scope):
            return None
        body = _Filling(event.scope).body(template, event.moment)
        document = orjson.loads(body)
        _check(template, document)
    except _Wrong as wrong:
        expression = wrong.slot.expression.text if wrong.slot else ""
        return Failed(template.name, wrong.pointer, expression, wrong.reason)
    dated = template.expires_in is not None and not event.timed
    return Made(template.name, template.kind, document, body, dated)


def make_all(templates: Iterable[Template], event: Event) -> list[Made | Failed]:
    """What those of *templates* make of *event* whose conditions are met.

    Of two that make requests of one kind with one requestId, the second has failed: it would be taken for
    the first one sent again, and do nothing. Of what tells of a template's request they make nothing.
    """
    if tells_of_a_template(event):
        return []
    made: dict[tuple[Kind, str], str] = {}
    results: list[Made | Failed] = []
    for template in templates:
        one = make(template, event)
        if isinstance(one, Made):
            first = made.setdefault((one.kind, one.request_id), template.name)
            if first != template.name:
                said = f"gives the requestId that template '{first}' has made of this event"
                one = Failed(template.name, "/requestId", template.request_id.expression.text, said)
        if one is not None:
            results.append(one)
    return results


def _holds(when: Slot, scope: Mapping[str, Any]) -> bool:
    try:
        return when.expression.holds(scope)
    except NoValue as why:
        raise _Wrong(when, when.pointer, str(why)) from None


class _Filling:
    """Puts an event's values into a template's slots, as far as one request has room for them."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope
        self._room = LARGEST
        self._sizes: list[tuple[int, Slot]] = []

    def body(self, template: Template, moment: datetime) -> bytes:
        """The request's JSON, not held to its schema yet."""
        request = {"requestId": self._value(template.request_id), **self._filled(template.target)}
        if template.expires_in is not None:
            request["expiresAt"] = _after(moment, template.expires_in)
        request["metadata"] = {**self._filled(template.metadata), "template": template.name}
        body = orjson.dumps(request)
        if len(body) > LARGEST:
            raise _too_much(max(self._sizes, key=lambda sized: sized[0])[1])
        return body

    def _filled(self, node: Any) -> Any:
        match node:
            case Slot():
                return self._value(node)
            case dict():
                filled = {name: self._filled(inner) for name, inner in node.items()}
                return {name: value for name, value in filled.items() if value is not _LEFT_OUT}
            case list():
                return [value for inner in node if (value := self._filled(inner)) is not _LEFT_OUT]
            case _:
                return node

    def _value(self, slot: Slot) -> Any:
        value = _given(slot, self._scope)
        if value is None and slot.optional:
            return _LEFT_OUT
        if value is None:
            said = "gives nothing for this event: have another value with ||"
            raise _Wrong(slot, slot.pointer, f"{said}, or leave the place out with $optional instead of $")
        written = _written(value, slot)
        self._sizes.append((len(written), slot))
        self._room -= len(written)
        if self._room < 0:
            raise _too_much(slot)
        _check_depth(written, slot)
        return value


def _written(value: Any, slot: Slot) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # of all that JSON can say, it writes all but this
        said = "gives a whole number of more than 64 bits, which others would round: send it as text"
        raise _Wrong(slot, slot.pointer, f"{said}, with to_string()") from None


def _too_much(slot: Slot) -> _Wrong:
    return _Wrong(slot, slot.pointer, f"gives too much: a request has at most {LARGEST:,} bytes")


def _check_depth(written: bytes, slot: Slot) -> None:
    """Together with what stands around it, it must be no deeper than what is read of a request."""
    around = slot.pointer.count("/") - 1
    if written[:1] not in (b"{", b"["):
        return
    try:
        parse(b"[" * around + written + b"]" * around)
    except Rejected:
        said = "gives what nests too deep: a request has at most 64 levels"
        raise _Wrong(slot, slot.pointer, said) from None


def _given(slot: Slot, scope: Mapping[str, Any]) -> Any:
    try:
        return slot.expression.value(scope)
    except NoValue as why:
        raise _Wrong(slot, slot.pointer, str(why)) from None


def _after(moment: datetime, duration: timedelta) -> str:
    try:
        return (moment + duration).astimezone(UTC).isoformat()
    except OverflowError:
        raise _Wrong(None, _EXPIRY, "cannot be added to the event's time: no calendar has it") from None


def _check(template: Template, document: Mapping[str, Any]) -> None:
    for violation in violations(template.schema, document):
        pointer = _in_template(template, violation.pointer)
        slot = _at_fault(template, pointer)
        place = slot.pointer if slot else pointer
        at = "" if pointer == place else f" at {violation.pointer}"
        raise _Wrong(slot, place, f"gives what breaks {template.schema}{at}: {violation.message}")


def _in_template(template: Template, pointer: str) -> str:
    """Where in the template that stands which the request has at *pointer*."""
    first = pointer[1:].partition("/")[0]
    if first in ("requestId", "metadata"):
        return pointer
    if first == "expiresAt" and template.expires_in is not None:
        return _EXPIRY
    return f"/{template.part}{pointer}"


def _at_fault(template: Template, pointer: str) -> Slot | None:
    """The slot that the value at *pointer* came from, or was to come from; else the first one within it.

    Else the strategy's, as it decides what may stand beside it, or one in the same property.
    """
    if pointer == _EXPIRY:
        return None
    slots = list(slots_of([template.request_id, template.target, template.metadata]))
    its_property = "/".join(pointer.split("/")[:3])
    nearest = (
        [slot for slot in slots if within(pointer, slot.pointer)],
        [slot for slot in slots if within(slot.pointer, pointer)],
        [slot for slot in slots if slot.pointer == f"/{template.part}/strategy"],
        [slot for slot in slots if within(slot.pointer, its_property)],
    )
    return next((found[0] for found in nearest if found), None)
