"""One call as its handler sees it, and the answers that a handler gives."""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from simulator.errors import Refusal
from simulator.odata.model import Entity, Row
from simulator.odata.query import Query, read_query
from simulator.world.entities import Entities, entities
from simulator.world.tables import World
from simulator.world.tokens import Grant

MOST_ROWS = 1000


class Reply(NamedTuple):
    """A status, a body and headers beside the usual ones."""

    status: int
    body: bytes
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


@dataclass(slots=True)
class Call:
    """A request that found its route. `folder` is None where none was sent and none is needed."""

    world: World
    origin: str
    base: str
    args: tuple[str, ...]
    params: dict[str, str]
    headers: Mapping[str, str]
    content: bytes
    cloud: bool
    version: int
    grant: Grant
    folder: Row | None = None
    half: bool = False

    @property
    def entities(self) -> Entities:
        """The entity types of the version that answers."""
        return entities(self.version)

    def json(self) -> dict[str, Any]:
        """The body, a JSON object; single quotes are taken too, as the server's reader does."""
        try:
            found = read_json(self.content)
        except ValueError:
            raise Refusal("InvalidRequest", "The request body is not valid JSON.") from None
        if not isinstance(found, dict):
            raise Refusal("InvalidRequest", "The request body is not a JSON object.")
        return found

    @property
    def argument(self) -> str:
        """The first argument in the path."""
        if not self.args:
            raise Refusal("NotFound")
        return self.args[0]

    def number(self) -> int:
        """The key in the path, a whole number."""
        if not self.argument.isdecimal():
            raise Refusal("NotFound")
        return int(self.argument)

    def context(self, name: str) -> str:
        """`@odata.context` for that set."""
        return f"{self.base}/odata/$metadata#{name}"

    def query(self, entity: Entity, most: int = MOST_ROWS) -> Query:
        """The OData options of this call."""
        return read_query(self.params, entity, most)

    def listing(self, name: str, entity: Entity, rows: Iterable[Row], most: int = MOST_ROWS) -> Reply:
        """The page of `rows` that the call asks for."""
        query = self.query(entity, most)
        total, page = query.page(rows, most)
        return self.page(name, query, total, [query.render(row, entity) for row in page])

    def page(self, name: str, query: Query, total: int, shown: list[dict[str, Any]]) -> Reply:
        """A page already rendered, with its count."""
        context = name + (f"({','.join(query.select)})" if query.select else "")
        answer: dict[str, Any] = {"@odata.context": self.context(context)}
        if query.count:
            answer["@odata.count"] = total
        return reply({**answer, "value": shown})

    def one(self, name: str, entity: Entity, row: Row, status: int = 200) -> Reply:
        """One row by itself, with $expand and $select."""
        shown = self.query(entity).render(row, entity)
        return reply({"@odata.context": self.context(f"{name}/$entity"), **shown}, status)


def reply(value: Any, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, orjson.dumps(value))


def local(rows: Iterable[Row], folder: Row | None) -> list[Row]:
    """The rows of that folder; all, if it is None."""
    if folder is None:
        return list(rows)
    return [row for row in rows if folder["Id"] in row["_folders"]]


def found(row: Row | None, name: str = "ItemNotFound") -> Row:
    """The row, or the refusal for one that is not there."""
    if row is None:
        raise Refusal(name)
    return row


_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)


def read_json(content: bytes) -> Any:
    """Parses JSON, strings in single quotes included."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        text = content.decode()
        if "'" not in text:
            raise
        return orjson.loads(_QUOTED.sub(_double, text))


def _double(match: re.Match[str]) -> str:
    inner = match.group(1)
    if inner is None:
        return match.group()
    return '"' + inner.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"') + '"'


def folder_named(headers: Mapping[str, str], world: World, *, needed: bool) -> Row | None:
    """The folder that the headers name: by path, encoded path, key, id. None if none is named nor needed."""
    path = headers.get("X-UIPATH-FolderPath") or _decoded(headers.get("X-UIPATH-FolderPath-Encoded"))
    key, number = headers.get("X-UIPATH-FolderKey"), headers.get("X-UIPATH-OrganizationUnitId", "")
    if path:
        row = world.folder(path=path.strip("/"))
    elif key:
        row = world.folder(key=key)
    elif number.isdecimal():
        row = world.folder(number=int(number))
    elif needed:  # an id that is no number counts as none
        raise Refusal("RequiredOrganizationUnit")
    else:
        return None
    return found(row, "InvalidOrganizationUnit")


def _decoded(text: str | None) -> str | None:
    """An encoded path is base64 of UTF-16LE; anything else names no folder."""
    if not text:
        return None
    try:
        return b64decode(text, validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError):
        return f"?{unquote(text)}"
