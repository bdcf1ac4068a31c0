"""A template to begin with, as text: for a process, with its arguments and their types, or for a queue."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from worker.cli.output import FAILED, UNREACHABLE, Failed
from worker.cli.start.request import folder_fields, folder_ref, process_fields, process_ref
from worker.cli.template.existing import queue_of
from worker.domain.arguments import read_type
from worker.domain.failures import Failure, Rejected
from worker.domain.processes import Argument, Folder, Process, choose_process, unknown_process
from worker.domain.queues import Queue
from worker.orchestrator.client import Client
from worker.settings import Settings, SettingsError

PLACEHOLDER = "the-exchange-of-your-application"
"""Stands for a name that Orchestrator does not know. `template check` refuses it."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_TEXT = ("true", "false", "null")
_UNPRINTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_HEAD = """\
# {what} in folder {folder}. Yours to put in: bindings, requestId, and where each {value} comes from.
# Expressions are JMESPath, over {{data, headers, exchange, routingKey, ...}}; data is the event's body.
# {{$: ...}} must give something; {{$optional: ...}} leaves its place out where the event has nothing there.
name: {written}
bindings:
  - exchange: {exchange}  # yours to put in; it must be there
    routingKeys: ["{name}.#"]  # as a topic exchange takes them: * is one word, # any number
# when: "data.priority == 'P1'"  # only for these events
# The same event must give the same requestId, which starts one thing; sha256(...) shortens a text.
requestId: "join('-', ['{name}', to_string(data.id)])"
{part}:
"""
_CONTENT = """\
  specificContent:  # the item's data by name: text, numbers, true or false
    Id: {$: "data.id"}
"""
_TAIL = """\
  # priority: High
# expiresIn: PT1H  # not started later than this after the event
# metadata: {system: tickets}  # every event of the request has it
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, as it was typed: a *process*, or else a *queue*."""

    process: str | None
    folder: str | None
    environment: str | None
    queue: str | None = None


async def scaffolded(settings: Settings, order: Order) -> str:
    """The template's text. Raises `Failed` where Orchestrator does not have the process or the queue."""
    where = order.folder or settings.folder
    if where is None:
        raise SettingsError("JOBRELAY_FOLDER is missing: name the folder with it, or with --folder")
    try:
        async with Client(settings) as client:
            folder = await client.folder(folder_ref(where))
            if order.process is None:
                queue = await queue_of(client, folder, order.queue or "")
                return text_of_queue(order, folder, queue)
            return text_of(order, folder, await _process(client, folder, order))
    except Rejected as why:
        raise Failed(f"{why}: {why.remedy}", FAILED) from None
    except Failure as why:
        raise Failed(str(why), UNREACHABLE) from None


async def _process(client: Client, folder: Folder, order: Order) -> Process:
    ref = process_ref(order.process or "", order.environment)
    processes = await client.processes(folder)
    process = choose_process(ref, processes, folder)
    if process is None:
        raise unknown_process(ref, processes, folder)
    return process


def text_of(order: Order, folder: Folder, process: Process) -> str:
    """A template for *process*, which keeps to the schema whatever its names are. Pure."""
    typed = order.process or process.name
    lines = [
        f"  process: {_flow(process_fields(typed, order.environment))}",
        f"  folder: {_folder(order, folder)}",
        *_arguments(process.arguments),
    ]
    name = _name(process.name if process_ref(typed, None).release_key else typed)
    head = _head(name, f"{process.name} {process.version}", folder, part="start", value="argument")
    return head + "\n".join(lines) + "\n" + _TAIL


def text_of_queue(order: Order, folder: Folder, queue: Queue) -> str:
    """A template for items of *queue*, likewise. Pure."""
    place = f"  queue: {_quoted(queue.name)}\n  folder: {_folder(order, folder)}\n"
    head = _head(_name(queue.name), f"Queue {queue.name}", folder, part="queueItem", value="value")
    return head + place + _CONTENT + _TAIL


def _head(name: str, what: str, folder: Folder, *, part: str, value: str) -> str:
    about = {"what": _said(what), "folder": _said(folder.path), "part": part, "value": value}
    return _HEAD.format(name=name, written=_plain(name), exchange=PLACEHOLDER, **about)


def _folder(order: Order, folder: Folder) -> str:
    return _flow(folder_fields(order.folder) or {"path": folder.path})


def _arguments(declared: tuple[Argument, ...] | None) -> Iterator[str]:
    if declared is None:
        yield "  # inputArguments: {}  # the process does not tell which it takes"
        return
    if not declared:
        yield "  # the process takes no arguments"
        return
    yield "  inputArguments:"
    for argument in sorted(declared, key=lambda one: not one.must_be_given):
        if argument.name.startswith("$"):
            yield f"    # {argument.name} cannot be named here: put {{$: ...}} in place of all arguments"
            continue
        mark, kind = ("$", "required") if argument.must_be_given else ("$optional", "optional")
        also = ", has a default" if argument.has_default else ""
        source = _quoted(f"data.{_field(argument.name)}")
        said = f"{_said(str(read_type(argument.type)))}, {kind}{also}"
        yield f"    {_plain(argument.name)}: {{{mark}: {source}}}  # {said}"


def _name(text: str) -> str:
    """As a template may be called: `support-triage` for SupportTriage."""
    plain = re.sub(r"[^a-z0-9]+", "-", _HUMP.sub("-", text).lower()).strip("-")
    return plain[:40].strip("-") or "template"


def _field(name: str) -> str:
    """A name in an expression: as it stands, or in JMESPath's quotes."""
    return name if _WORD.fullmatch(name) else _quoted(name)


def _plain(text: str) -> str:
    """As YAML takes a text: in quotes only where it needs them."""
    is_plain = _WORD.fullmatch(text.replace("-", "_")) and text not in _NOT_TEXT
    return text if is_plain and text[0] != "-" else _quoted(text)


def _flow(fields: dict[str, Any]) -> str:
    inner = ", ".join(f"{name}: {_quoted(value)}" for name, value in fields.items())
    return f"{{{inner}}}"


def _quoted(value: str | int) -> str:
    """As JSON and YAML both write it in quotes."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _said(text: str) -> str:
    """In a comment: on one line."""
    return _UNPRINTED.sub("?", text)
