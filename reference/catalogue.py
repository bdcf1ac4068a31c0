"""Each kind of message as a reader wants it: when, where, its fields in a table, examples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reference.contract import TOPOLOGY, examples, routing_key, schemas, told
from worker.contracts import schema

Row = tuple[str, ...]
ASKED: Row = ("field", "type", "", "meaning")
TOLD: Row = ("field", "type", "meaning")


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind of message. Texts have Markdown's `code` and **bold**, nothing else."""

    name: str
    title: str
    says: str
    exchange: str
    key: str
    rows: tuple[Row, ...]
    examples: Mapping[str, str]


def requests() -> list[Entry]:
    """What may be asked."""
    return [_entry(name, TOPOLOGY.requests, schema(name)) for name in schemas("requests")]


def events() -> list[Entry]:
    """What is told, without the attributes that all events share (`envelope`)."""
    return [_entry(name, TOPOLOGY.events, schema(name)["properties"]["data"]) for name in schemas("events")]


def envelope() -> tuple[Row, ...]:
    """The attributes of every event. The texts are those of the first one, as only constants differ."""
    name = schemas("events")[0]
    its = {**schema(name), "properties": {**schema(name)["properties"]}}
    for attribute in ("type", "dataschema"):
        words = its["properties"][attribute]["const"].replace(name, "NAME")
        its["properties"][attribute] = {
            "description": f"Such as {words}, with the event's NAME.",
            "type": "string",
        }
    its["properties"]["subject"] = {
        "type": ["string", "null"],
        "description": "The job's key; for an event of a request its requestId.",
    }
    its["properties"]["data"] = {"type": "object", "description": its["properties"]["data"]["description"]}
    return always(rows(its))


def always(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows without whether a property must be there: an event has all of them."""
    return tuple((name, kind, meaning) for name, kind, _, meaning in rows)


def head_of(rows: Sequence[Row]) -> Row:
    """The head of a table of fields."""
    return TOLD if len(rows[0]) == len(TOLD) else ASKED


def rows(node: Mapping[str, Any], within: str = "") -> Iterator[Row]:
    """A row for each property, those of objects and of arrays of objects after their own."""
    needed = node.get("required", ())
    for name, its in node.get("properties", {}).items():
        yield f"`{within}{name}`", form(its), _need(name in needed, its), _meaning(its)
        yield from rows(its, f"{within}{name}.")
        yield from rows(its.get("items", {}), f"{within}{name}[].")


def form(node: Mapping[str, Any]) -> str:
    """The type of a value in a few words."""
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return " ".join(f"`{value}`" if value is not None else "or null" for value in node["enum"])
    if "type" not in node:
        return " or ".join(form(one) for one in node.get("oneOf", ())) or "any JSON"
    kinds = [node["type"]] if isinstance(node["type"], str) else node["type"]
    return " or ".join(_kind(kind, node) for kind in kinds)


def _kind(kind: str, node: Mapping[str, Any]) -> str:
    if kind == "array":
        return f"array of {form(node['items'])}"
    if kind == "string" and "format" in node:
        return str(node["format"])
    if kind == "integer" and "maximum" in node and node["maximum"] <= 100:
        return f"{node['minimum']} to {node['maximum']}"
    return kind


def _need(needed: bool, node: Mapping[str, Any]) -> str:
    """Whether a property must be there, and its value where it is not."""
    return "required" if needed else f"default `{node['default']}`" if "default" in node else ""


def _meaning(node: Mapping[str, Any]) -> str:
    choices = [one.get("required") for one in node.get("oneOf", ())]
    if choices and None not in choices:
        return f"{node['description']} Exactly one of {', '.join(f'`{name}`' for (name,) in choices)}."
    if "pattern" in node and "x-mend" in node:
        return f"{node['description']} To be valid, {node['x-mend']}."
    return str(node["description"])


def _entry(name: str, exchange: str, of: Mapping[str, Any]) -> Entry:
    says = told(name)
    if "oneOf" in schema(name):
        says = _meaning({**schema(name), "description": says})
    fields = always(rows(of)) if exchange == TOPOLOGY.events else tuple(rows(of))
    return Entry(name, schema(name)["title"], says, exchange, routing_key(name), fields, examples(name))
