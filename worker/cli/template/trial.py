"""What `jobrelay template test` shows: what templates would make of an event that came to a worker now."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from worker.cli.output import Failed, Output
from worker.contracts import parse
from worker.domain.cloud_events import CONTENT_TYPE as CLOUD_EVENT
from worker.domain.failures import Rejected
from worker.domain.messages import Message
from worker.templates.event import Event, read, tells_of_a_template
from worker.templates.files import TemplateErrors, load
from worker.templates.make import Made, make_all
from worker.templates.model import Template

_PROPERTIES = {
    "messageId": "message_id",
    "correlationId": "correlation_id",
    "type": "type",
    "appId": "app_id",
    "contentType": "content_type",
    "timestamp": "timestamp",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as its application would publish it; exchange and key are the template's own unless given."""

    body: bytes
    exchange: str | None = None
    routing_key: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)

    def to(self, template: Template) -> Message:
        """The message as it comes by a binding of *template*."""
        binding = template.bindings[0]
        key = self.routing_key
        return Message(
            body=self.body,
            exchange=binding.exchange if self.exchange is None else self.exchange,
            routing_key=_matching(binding.keys[0]) if key is None else key,
            headers=self.headers,
            **self.properties,
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """What one template makes of an event.

    *result* is made, no_binding, left_alone, condition_not_met or failed.
    """

    template: str
    exchange: str
    routing_key: str
    result: str
    about: Mapping[str, Any]
    said: str

    def show(self, output: Output) -> None:
        """Writes it."""
        if output.as_json:
            came = {"exchange": self.exchange, "routingKey": self.routing_key}
            output.record({"template": self.template, "result": self.result, **came, **self.about})
            return
        output.line(self.said, {"made": "green", "failed": "red"}.get(self.result, "yellow"))
        if self.result == "made":
            output.document(self.about["request"])


def templates_of(named: str, folder: str | None) -> tuple[tuple[Template, ...], str | None]:
    """The templates of a file or a folder; or those of *folder*, and the name of the one that is meant."""
    path, only = Path(named), None
    if not path.exists():
        if not folder:
            how = "to try a template by its name, set JOBRELAY_TEMPLATES_DIR to its folder"
            raise Failed(f"there is no file {named}; {how}")
        path, only = Path(folder), named
    try:
        templates = load(path)
    except TemplateErrors as wrong:
        raise Failed("\n".join(map(str, wrong.faults))) from None
    if not any(only in (None, template.name) for template in templates):
        what = f"no template '{only}'" if only else "no template"
        raise Failed(f"there is {what} in {path}, and no such file")
    return templates, only


def body_of(event: str) -> bytes:
    """The bytes of the event's file, or of stdin."""
    if event == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(event).read_bytes()
    except OSError as error:
        raise Failed(f"the event {event} cannot be read: {error.strerror}") from None


def properties_of(given: Mapping[str, str]) -> dict[str, Any]:
    """The message's properties by the names that expressions know them by."""
    found: dict[str, Any] = {}
    for name, text in given.items():
        if name not in _PROPERTIES:
            raise typer.BadParameter(f"'{name}' is none of {', '.join(_PROPERTIES)}", param_hint="--property")
        found[_PROPERTIES[name]] = _moment(text) if name == "timestamp" else text
    return found


def doubt(sent: Sent) -> str | None:
    """What is to be said of a CloudEvent that would be sent as plain JSON; None of all else."""
    if "content_type" in sent.properties:
        return None
    try:
        document = parse(sent.body)
    except Rejected:
        return None
    if not (isinstance(document, dict) and "specversion" in document):
        return None
    return (
        "it has a specversion, but sent as application/json its body is the data; a CloudEvent is sent as "
        f"{CLOUD_EVENT}: --property contentType={CLOUD_EVENT}"
    )


def trials(templates: Sequence[Template], only: str | None, sent: Sent) -> Iterator[Trial]:
    """What comes of the event by each of *templates*, or by the one named *only*."""
    for template in templates:
        if only not in (None, template.name):
            continue
        message = sent.to(template)
        try:
            event = read(message, time.time())
        except Rejected as why:
            raise Failed(f"the event is rejected: {why.code}: {why.detail}; {why.remedy}") from None
        yield _trial(template, templates, message, event)


def as_expected(results: Iterable[str], expected: str | None) -> bool:
    """Whether each template that the event comes to has this result; by default a request, and no failure."""
    came = set(results) - {"no_binding"}
    if expected is None:
        return "made" in came and "failed" not in came
    return came == {expected}


def _trial(template: Template, among: Sequence[Template], message: Message, event: Event) -> Trial:
    name, exchange, key = template.name, message.exchange, message.routing_key
    if not template.listens_to(exchange, key):
        said = f"has no binding that brings '{key}' of the exchange '{exchange}'"
        return Trial(name, exchange, key, "no_binding", {"reason": said}, f"{name}: {said}")
    if tells_of_a_template(event):
        said = "the event tells of a template's request: no template makes another of it"
        return Trial(name, exchange, key, "left_alone", {"reason": said}, f"{name}: {said}")
    wanted = [other for other in among if other.listens_to(exchange, key)]
    made = next((one for one in make_all(wanted, event) if one.template == name), None)
    if made is None:
        condition = template.when.expression.text if template.when else ""
        said = f"{name}: the condition is not met: {condition}"
        return Trial(name, exchange, key, "condition_not_met", {"expression": condition}, said)
    if isinstance(made, Made):
        about = {"kind": str(made.kind), "request": made.document}
        return Trial(name, exchange, key, "made", about, f"{name}: {made.kind}")
    about = {"pointer": made.pointer, "expression": made.expression, "reason": made.reason}
    return Trial(name, exchange, key, "failed", about, str(made))


def _matching(pattern: str) -> str:
    """A routing key that the pattern takes."""
    return ".".join("any" if word == "*" else word for word in pattern.split(".") if word != "#")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        what = f"'{text}' is no moment such as 2026-01-31T08:00:00Z"
        raise typer.BadParameter(what, param_hint="--property timestamp")
    return moment
