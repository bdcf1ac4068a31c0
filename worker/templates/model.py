"""A template that was read: what it listens to, when it is for an event, and what it makes of one. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from worker.domain.requests import Kind
from worker.templates.expressions import Expression


@dataclass(frozen=True, slots=True)
class Binding:
    """Events that are published to *exchange* with one of these *keys*, which are a topic exchange's."""

    exchange: str
    keys: tuple[str, ...]

    def brings(self, exchange: str, routing_key: str) -> bool:
        """True for an event that was published so."""
        return exchange == self.exchange and any(_fits(key, routing_key) for key in self.keys)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a template, by its *pointer*, that an expression fills; *optional*: null leaves it out."""

    pointer: str
    expression: Expression
    optional: bool = False


class Lines(dict[str, int]):
    """The lines of a file, by the pointers of what stands there."""

    def of(self, place: str) -> int | None:
        """The line of *place*, or of what it would stand in."""
        while place and place not in self:
            place = place.rpartition("/")[0]
        return self.get(place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Makes requests of one *kind* of events.

    *target* is the request but what all kinds share: JSON, with a `Slot` where an event's value goes; *part*
    is where it stands in the template, `start` or `queueItem`. *file* and *lines* are where the template is.
    """

    name: str
    bindings: tuple[Binding, ...]
    when: Slot | None
    request_id: Slot
    kind: Kind
    target: Mapping[str, Any]
    expires_in: timedelta | None
    metadata: Mapping[str, Any]
    file: str
    lines: Lines

    @property
    def line(self) -> int | None:
        """The line that it begins in."""
        return self.lines.of("")

    @property
    def part(self) -> str:
        """Where *target* stands in the template."""
        return PARTS[self.kind]

    @property
    def schema(self) -> str:
        """The schema of the requests that it makes."""
        return SCHEMAS[self.kind]

    def listens_to(self, exchange: str, routing_key: str) -> bool:
        """True where one of its bindings brings what is published so."""
        return any(binding.brings(exchange, routing_key) for binding in self.bindings)


PARTS = {Kind.START: "start", Kind.QUEUE_ITEM: "queueItem"}
SCHEMAS = {Kind.START: "start-job.v1", Kind.QUEUE_ITEM: "add-queue-item.v1"}


def slots_of(node: Any) -> Iterator[Slot]:
    """Every slot in *node*, however deep."""
    if isinstance(node, Slot):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from slots_of(inner)


def within(inner: str, outer: str) -> bool:
    """True where *outer* is the place *inner* or around it; a violation's pointer is cut where it is long."""
    if outer.endswith("…"):
        return inner.startswith(outer[:-1])
    return inner == outer or inner.startswith(f"{outer}/")


def _fits(pattern: str, routing_key: str) -> bool:
    """As RabbitMQ's topic exchange has it: words between dots, `*` is one of them, `#` any number."""
    words = routing_key.split(".")
    ends = {0}
    for word in pattern.split("."):
        if word == "#":
            ends = set(range(min(ends), len(words) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(words) and word in ("*", words[end])}
        if not ends:
            return False
    return len(words) in ends
