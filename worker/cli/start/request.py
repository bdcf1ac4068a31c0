"""What is typed, as a request: processes, folders, arguments and moments in the forms of the command line."""

import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import typer

from worker import contracts
from worker.domain.failures import Rejected
from worker.domain.requests import FolderRef, ProcessRef

_PAIR = re.compile(r"(?P<name>[^=]+?)(?P<typed>:?)=(?P<value>.*)", re.DOTALL)
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """A duration such as 90, 90s, 10m, 2h or 1d, in seconds."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"'{text}' is not a duration such as 90s, 10m or 2h")
    return float(found["number"]) * _SECONDS[found["unit"]]


def hold_to_schema(request: Mapping[str, Any]) -> None:
    """Refuses, as a mistake in usage, what no worker would take."""
    found = contracts.violations("start-job.v1", request)
    if found:
        raise typer.BadParameter("; ".join(f"{violation.pointer} {violation.message}" for violation in found))


def process_ref(text: str, environment: str | None) -> ProcessRef:
    """A GUID is a release key, anything else a name."""
    try:
        return ProcessRef(release_key=str(UUID(text)))
    except ValueError:
        return ProcessRef(text, environment)


def folder_ref(text: str) -> FolderRef:
    """A folder as it is typed: a path, id:N or key:GUID."""
    try:
        return FolderRef.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--folder") from None


def process_fields(text: str, environment: str | None) -> dict[str, str]:
    """`process` of a request."""
    ref = process_ref(text, environment)
    fields = {"name": ref.name, "environment": environment, "releaseKey": ref.release_key}
    return {name: value for name, value in fields.items() if value}


def folder_fields(text: str | None) -> dict[str, Any] | None:
    """`folder` of a request; None where none is named."""
    if text is None:
        return None
    ref = folder_ref(text)
    fields = {"path": ref.path, "id": ref.id, "key": ref.key}
    return {name: value for name, value in fields.items() if value is not None}


def check_line(request: Mapping[str, Any]) -> str:
    """The command that says what is wrong with the process and the folder of *request*, to be pasted."""
    process, folder = request["process"], request.get("folder", {})
    named = [process.get("name") or process["releaseKey"]]
    if "environment" in process:
        named += ["--environment", process["environment"]]
    if folder:
        ((form, value),) = folder.items()
        named += ["--folder", value if form == "path" else f"{form}:{value}"]
    return shlex.join(["jobrelay", "check", *named])


def pairs(texts: Iterable[str] | None, option: str, *, typed: bool) -> dict[str, Any]:
    """Reads name=text, and where *typed* also name:=JSON."""
    read: dict[str, Any] = {}
    for text in texts or ():
        found = _PAIR.fullmatch(text)
        if found is None:
            raise typer.BadParameter(f"'{text}' is not name=value", param_hint=option)
        is_json = typed and bool(found["typed"])
        name = found["name"] if typed else found["name"] + found["typed"]
        try:
            read[name] = _json(found["value"]) if is_json else found["value"]
        except Rejected as why:
            what = f"the value of '{name}': {why.detail.replace('the body', 'it')}; {name}=… takes it as text"
            raise typer.BadParameter(what, param_hint=option) from None
    return read


def _json(text: str) -> Any:
    """As a worker reads it: strictly, and numbers to the digit."""
    return contracts.parse(text.encode(errors="surrogateescape"))


def moment(text: str | None) -> str | None:
    """`expiresAt` of a request: so long from now (RFC 3339)."""
    if text is None:
        return None
    try:
        return (datetime.now(UTC) + timedelta(seconds=seconds(text))).isoformat()
    except OverflowError:
        raise typer.BadParameter(f"'{text}' from now is past the year 9999") from None
