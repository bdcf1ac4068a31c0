"""Orchestrator's JSON and URLs, to and from the domain. Pure: whatever does not fit raises a `ValueError`.

Sources of names and forms: Orchestrator's OpenAPI 20.0 and the Swagger files back to 2018.1.
"""

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from yarl import URL

from worker.domain.processes import Argument, Folder, Machine, Process, Robot, Session
from worker.domain.queues import Queue
from worker.domain.words import RobotState, read

T = TypeVar("T")
ODATA = "UiPath.Server.Configuration.OData"
PAGE = 1000
"""Rows of a page; the API refuses a larger `$top`."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of the server. *operation* is the name in metrics and messages."""

    operation: str
    method: str
    url: URL


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from one exchange. *headers* are looked up without regard to case.

    *conceal* masks our secrets: no text of an answer is shown without it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    conceal: Callable[[str], str] = field(default=str, repr=False)

    @property
    def ok(self) -> bool:
        """True for a status of the 2xx class."""
        return 200 <= self.status < 300

    @property
    def is_page(self) -> bool:
        """True when a page for people came instead of JSON."""
        if "html" in self.headers.get("Content-Type", "").lower():
            return True
        return self.body[:64].lstrip().lower().startswith((b"<!doctype", b"<html"))


Send = Callable[[Call, Mapping[str, str], bytes | None], Awaitable[Reply]]
"""Does a call with headers and body."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and what its server says of the number of all rows (None: nothing)."""

    rows: list[dict[str, Any]]
    count: int | None


@dataclass(frozen=True, slots=True)
class Upload:
    """Where an attachment's content goes, often to a storage that is not Orchestrator's."""

    id: str
    url: URL
    verb: str
    headers: Mapping[str, str]
    requires_auth: bool


def literal(text: str) -> str:
    """An OData string literal: in single quotes, those inside doubled. It is encoded by `url`."""
    return "'" + text.replace("'", "''") + "'"


def url(base: str, path: str, **options: str | int) -> URL:
    """An address with OData's *options* (`$` is added to their names), percent-encoded once and for all."""
    query = "&".join(f"${name}={escaped(str(value))}" for name, value in options.items())
    return URL(f"{base}{path}{'?' if query else ''}{query}", encoded=True)


def escaped(text: str) -> str:
    """Percent-encoded for a query; what needs no encoding there stays readable and short."""
    return quote(text, safe="'(),:/")


def encoded_path(path: str) -> str:
    """A folder's path for X-UIPATH-FolderPath-Encoded: base64 of its UTF-16LE (not percent-encoding)."""
    return base64.b64encode(path.encode("utf-16-le")).decode()


def mapping(document: Any) -> dict[str, Any]:
    """The document, known to be an object."""
    if not isinstance(document, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004 - all that does not fit is a ValueError
    return document


def page_of(document: Any) -> Page:
    """A page of an OData list; `value` must be there."""
    rows, count = mapping(document).get("value"), document.get("@odata.count")
    if not isinstance(rows, list):
        raise ValueError("the list has no 'value'")  # noqa: TRY004
    return Page([mapping(row) for row in rows], count if isinstance(count, int) else None)


def each(parse: Callable[[Mapping[str, Any]], T], rows: Iterable[Mapping[str, Any]]) -> tuple[T, ...]:
    """Every row, parsed; a row that lacks what it must have is a `ValueError`."""
    try:
        return tuple([parse(row) for row in rows])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a row does not fit: {type(error).__name__} {error}") from error


def folder_of(row: Mapping[str, Any]) -> Folder:
    """A FolderDto. ProvisionType tells modern (Automatic) from classic (Manual)."""
    path = row.get("FullyQualifiedName") or row["DisplayName"]
    return Folder(int(row["Id"]), row.get("Key"), path, modern=row.get("ProvisionType") != "Manual")


def process_of(row: Mapping[str, Any]) -> Process:
    """A ReleaseDto. API 20 has no EnvironmentName any more: None then."""
    return Process(
        id=int(row["Id"]),
        name=row["Name"],
        package_id=row.get("ProcessKey") or "",
        version=row.get("ProcessVersion") or "",
        release_key=row["Key"],
        environment=row.get("EnvironmentName") or None,
        arguments=arguments_of((row.get("Arguments") or {}).get("Input")),
    )


def arguments_of(text: str | None) -> tuple[Argument, ...] | None:
    """The declared input arguments, which come as JSON text; None when there is nothing to check against."""
    try:
        declared = orjson.loads(text or "null")
        return tuple(_argument(each) for each in declared) if isinstance(declared, list) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # some other notation: then the server checks alone, as it does for clients without us


def _argument(row: Mapping[str, Any]) -> Argument:
    name = row["name"]
    return Argument(name, row.get("type") or "", bool(row.get("required")), bool(row.get("hasDefault")))


def robot_of(row: Mapping[str, Any]) -> Robot:
    """A RobotDto, or the short form inside an environment or a session."""
    return Robot(int(row["Id"]), row.get("Name") or row.get("Username") or "")


def session_of(row: Mapping[str, Any]) -> Session | None:
    """A SessionDto with its robot; None where it has none, as a robot's that is no more."""
    robot = row.get("Robot")
    if not robot:
        return None
    return Session(
        robot=robot_of(robot),
        state=read(RobotState, row.get("State")) or RobotState.UNKNOWN,
        machine=row.get("HostMachineName") or row.get("MachineName"),
        responsive=not row.get("IsUnresponsive"),
    )


def machine_of(row: Mapping[str, Any]) -> Machine:
    """A machine template."""
    return Machine(int(row["Id"]), row["Name"])


def queue_of(row: Mapping[str, Any]) -> Queue:
    """A QueueDefinitionDto."""
    return Queue(int(row["Id"]), row["Name"])


def upload_of(document: Any) -> Upload:
    """A new attachment with its BlobFileAccess, whose headers come as two parallel lists."""
    row = mapping(document)
    access = mapping(row.get("BlobFileAccess"))
    headers, verb = mapping(access.get("Headers") or {}), access.get("Verb") or "PUT"
    if not all(isinstance(text, str) for text in (row.get("Id"), access.get("Uri"), verb)):
        raise ValueError("the attachment has no Id, no Uri or no Verb")
    target, names, values = URL(access["Uri"], encoded=True), headers.get("Keys"), headers.get("Values")
    if not target.absolute or not all(isinstance(items or [], list) for items in (names, values)):
        raise ValueError("the attachment's Uri or Headers do not fit")
    return Upload(
        id=row["Id"],
        url=target,
        verb=verb.upper(),
        headers={str(name): str(value) for name, value in zip(names or (), values or (), strict=False)},
        requires_auth=bool(access.get("RequiresAuth")),
    )
