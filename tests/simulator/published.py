"""Reads the published API definitions, and turns their types into JSON Schemas that an answer must fit.

The 2.0 document is JSON. The 3.0 documents are YAML as one writer writes it; the few forms that it uses in
`components` are read here, so that no YAML library is needed.
"""

import json
import re
from pathlib import Path
from typing import Any

_LINE = re.compile(r"^( *)(- )?(?:([\w$.@{}=()/'\-]+):(?: |$))?(.*)$")


def definitions(folder: Path, version: int) -> dict[str, Any]:
    """The named types of that API version: 11 (2020.10), 17 or 20."""
    if version == 11:
        text = (folder / "orchestrator-2020.10.swagger.json").read_text()
        return dict(json.loads(text)["definitions"])
    (path,) = folder.glob(f"orchestrator-v{version}.0-*.yaml")
    lines = path.read_text().split("\ncomponents:\n", 1)[1].splitlines()
    return dict(_Reader(lines).block(2)["schemas"])


class _Reader:
    """Block mappings, block lists and scalars; block texts are skipped."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0

    def block(self, indent: int) -> Any:
        """The mapping or list whose lines begin at that column."""
        if self.lines[self.at].startswith(" " * indent + "- "):
            return self._list(indent)
        found: dict[str, Any] = {}
        while (match := self._here(indent)) is not None and match.group(3):
            self.at += 1
            found[match.group(3)] = self._value(match.group(4), indent)
        return found

    def _list(self, indent: int) -> list[Any]:
        found = []
        while (match := self._here(indent)) is not None and match.group(2):
            if match.group(3):
                self.lines[self.at] = " " * (indent + 2) + self.lines[self.at][indent + 2 :]
                found.append(self.block(indent + 2))
            else:
                self.at += 1
                found.append(_scalar(match.group(4)))
        return found

    def _here(self, indent: int) -> re.Match[str] | None:
        """The current line, if it begins at that column."""
        if self.at >= len(self.lines):
            return None
        match = _LINE.match(self.lines[self.at])
        return match if match and len(match.group(1)) == indent else None

    def _value(self, text: str, indent: int) -> Any:
        if text[:1] in ("|", ">"):
            while self.at < len(self.lines) and not self._ends(indent):
                self.at += 1
            return ""
        if text:
            return _scalar(text)
        line = self.lines[self.at] if self.at < len(self.lines) else ""
        deeper = len(line) - len(line.lstrip())
        return self.block(deeper) if deeper > indent else None

    def _ends(self, indent: int) -> bool:
        line = self.lines[self.at]
        return bool(line.strip()) and len(line) - len(line.lstrip()) <= indent


def _scalar(text: str) -> Any:
    if text[:1] == '"':
        return json.loads(text)
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    words: dict[str, Any] = {"true": True, "false": False, "null": None, "{}": {}, "[]": []}
    return words.get(text, int(text) if re.fullmatch(r"-?\d+", text) else text)


def schema(types: dict[str, Any], name: str, *, many: bool = False) -> dict[str, Any]:
    """A JSON Schema for one row of that type, or for a list of them.

    Any property may be null, as captured answers show; properties that are not published are refused, except
    the annotations of OData. References are followed as far as they go.
    """
    row = {"$ref": f"#/$defs/{name}"}
    rows = {"type": "array", "items": row}
    listed = {"type": "object", "required": ["value"], "properties": {"value": rows}}
    known = {key: _closed(value, types) for key, value in types.items()}
    return {"$defs": known, **(listed if many else row)}


def _closed(given: Any, types: dict[str, Any]) -> Any:
    """The type in JSON Schema's words: nullable, closed, without what only documentation uses."""
    if "$ref" in given:
        return {"anyOf": [{"$ref": "#/$defs/" + given["$ref"].rsplit("/", 1)[1]}, {"type": "null"}]}
    found: dict[str, Any] = {}
    for key in ("enum", "maxLength", "minLength", "format"):
        if key in given and given[key] not in ("byte", "int32", "int64", "double", "float", "uri", "email"):
            found[key] = [*given[key], None] if key == "enum" else given[key]
    if "type" in given:
        found["type"] = [given["type"], "null"]
    if "items" in given:
        found["items"] = _closed(given["items"], types)
    if "properties" in given:
        found["properties"] = {key: _closed(value, types) for key, value in given["properties"].items()}
        found["patternProperties"] = {"^@odata": {}}
        found["additionalProperties"] = False
    if "allOf" in given and "type" not in given:
        return {"anyOf": [*(_closed(one, types) for one in given["allOf"]), {"type": "null"}]}
    return found
