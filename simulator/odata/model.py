"""What a query may name: entities, their properties and the links between them.

A property has a *kind* that decides what it may be compared with, and a getter that yields a comparable
value: text as it is, GUIDs in lower case, dates as milliseconds since 1970 in UTC, enum members by name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Row = Any
Kind = Literal["text", "guid", "int", "number", "bool", "date", "enum", "json", "null"]
Get = Callable[[Row], Any]

EDM: dict[str, str] = {
    "text": "Edm.String",
    "guid": "Edm.Guid",
    "int": "Edm.Int64",
    "number": "Edm.Double",
    "bool": "Edm.Boolean",
    "date": "Edm.DateTimeOffset",
    "enum": "UiPath.Server.Configuration.OData.Enum",
    "json": "Edm.Untyped",
    "null": "Edm.Null",
}


class ODataError(ValueError):
    """A query that the server refuses with 400 and code 1000; the text is its message."""


@dataclass(frozen=True, slots=True)
class Property:
    """One column: its kind, how it is read from a row, and the names of an enum's members in order."""

    name: str
    kind: Kind
    get: Get
    members: tuple[str, ...] = ()
    filterable: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """A navigation property. `get` yields a row, None, or (when `many`) a list of rows."""

    name: str
    target: "Entity"
    get: Get
    many: bool = False


@dataclass(slots=True)
class Entity:
    """A set's element type: properties and links by lower-case name, and how a row becomes JSON."""

    name: str
    properties: dict[str, Property]
    render: Callable[[Row], dict[str, Any]]
    links: dict[str, Link] = field(default_factory=dict)

    def property(self, name: str) -> Property:
        """The property of that name, in any case; else refused with a message that names it."""
        found = self.properties.get(name.lower())
        if found is None:
            raise self.unknown(name)
        return found

    def link(self, name: str) -> Link:
        """The navigation property of that name, in any case; else refused with a message that names it."""
        found = self.links.get(name.lower())
        if found is None:
            raise self.unknown(name)
        return found

    def unknown(self, name: str) -> ODataError:
        """The refusal for a name that this type does not have."""
        return ODataError(
            f"Invalid OData query options. Could not find a property named '{name}' on type "
            f"'UiPath.Server.Configuration.OData.{self.name}'."
        )
