"""Custom resources, checked against the definitions (CRDs) in a folder: unknown fields fail as well."""

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import yaml

Schemas = dict[tuple[str, str], dict[str, Any]]


def schemas(folder: Path) -> Schemas:
    """The schema of each apiVersion and kind that *folder*'s YAML files define."""
    definitions = [
        one
        for path in sorted(folder.glob("*.y*ml"))
        for one in yaml.load_all(path.read_text(), yaml.CSafeLoader)
        if one
    ]
    return {
        (f"{one['spec']['group']}/{version['name']}", one["spec"]["names"]["kind"]): _closed(
            version["schema"]["openAPIV3Schema"]
        )
        for one in definitions
        if one["kind"] == "CustomResourceDefinition"
        for version in one["spec"]["versions"]
    }


def complaints(resource: dict[str, Any], known: Schemas) -> list[str]:
    """What is wrong with *resource*, each with its place."""
    schema = known[resource["apiVersion"], resource["kind"]]
    found = jsonschema.Draft7Validator(schema).iter_errors(resource)
    return [f"{one.json_path}: {one.message[:200]}" for one in found]


def _closed(schema: Any, top: bool = True) -> Any:
    """A schema as JSON Schema has it, which takes no property that it does not name; but any `metadata`."""
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    if closed.pop("x-kubernetes-int-or-string", False):
        closed = {"type": ["integer", "string"]}
    if closed.get("nullable"):
        closed["type"] = [closed["type"], "null"]
    if "properties" in closed:
        own = {name: _closed(one, top=False) for name, one in closed["properties"].items()}
        closed["properties"] = own | ({"metadata": {"type": "object"}} if top else {})
        if not closed.get("x-kubernetes-preserve-unknown-fields"):
            closed.setdefault("additionalProperties", False)
    for below in ("additionalProperties", "items"):
        if below in closed:
            closed[below] = _closed(closed[below], top=False)
    return closed
