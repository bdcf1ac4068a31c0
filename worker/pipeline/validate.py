"""A message becomes a request, or is refused with everything that is wrong with it.

Plain JSON and CloudEvents (structured, or binary by headers) are read. The requestId is always the one in the
data: a CloudEvent's id is never taken for it.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from worker.contracts import parse, violations
from worker.domain.cloud_events import CONTENT_TYPE as CLOUD_EVENT
from worker.domain.cloud_events import PREFIXES
from worker.domain.failures import Code, Rejected, Violation
from worker.domain.messages import Message
from worker.domain.requests import FolderRef, StartRequest, own_queue

LARGEST = 1_048_576
UNCOMPRESSED = frozenset({"identity", "utf-8", "utf8"})
"""Content encodings of UTF-8 as it stands."""
_JSON = "application/json"
_SPECVERSIONS = tuple(f"{prefix}specversion" for prefix in PREFIXES)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_WHOLE = ("jobsCount", "priority", "stopAfterSeconds", "killAfterSeconds")
SCHEMA = "start-job.v1"


def read(message: Message) -> dict[str, Any]:
    """The request that *message* carries, as a document not yet held to its schema; raises `Rejected`.

    At most 1 MiB of UTF-8 JSON, 64 deep, without repeated keys. No content type counts as JSON.
    """
    size = len(message.body)
    if size > LARGEST:
        raise Rejected(
            Code.TOO_LARGE,
            f"the body has {size:,} bytes; at most {LARGEST:,} are read",
            "send big data as a file, a queue item or a link, and name it in inputArguments",
        )
    content = _content_type(message.content_type, message.content_encoding)
    if content == CLOUD_EVENT:
        return _object(_data_of(_object(parse(message.body), "the CloudEvent")), "the CloudEvent's data")
    for name in _SPECVERSIONS if message.headers else ():
        if name in message.headers:
            _check_specversion(message.headers[name], f"the header {name}")
    return _object(parse(message.body), "the body")


def validate(document: Mapping[str, Any], default_folder: FolderRef | None = None) -> StartRequest:
    """The start-job request of *document*, in *default_folder* where it names none.

    Raises `Rejected` as `hold_to` does. Whether it has expired is not looked at.
    """
    hold_to(SCHEMA, document, default_folder)
    request = StartRequest.of(_with_whole_numbers(document))
    return request if request.folder else replace(request, folder=default_folder)


def hold_to(schema: str, document: Mapping[str, Any], default_folder: FolderRef | None) -> None:
    """Raises `Rejected` with all violations of *schema*, or where no folder is known.

    The code says which of them matters most: no requestId, else anything but a missing folder
    (invalid_request), else that.
    """
    found = violations(schema, document)
    homeless = default_folder is None and document.get("folder") is None
    if found or homeless:
        raise _refused(schema, document, found, homeless=homeless)


def request_id_of(document: Mapping[str, Any]) -> str | None:
    """The requestId, where the document has one that keeps to its pattern; nothing else need be right."""
    name = document.get("requestId")
    return name if isinstance(name, str) and _REQUEST_ID.fullmatch(name) else None


def expires_at_of(document: Mapping[str, Any]) -> str | None:
    """The request's expiresAt, where it is a moment; nothing else need be right."""
    moment = document.get("expiresAt")
    if not (isinstance(moment, str) and _MOMENT.fullmatch(moment)):
        return None
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return None
    return moment


@lru_cache(maxsize=128)
def _content_type(given: str | None, encoding: str | None) -> str:
    """One of the two content types that are read. A refusal is not remembered: that is the cache's way."""
    kind, *parameters = (part.strip() for part in (given or _JSON).lower().split(";"))
    charsets = [part[8:].strip("\"' ") for part in parameters if part.startswith("charset=")]
    if kind not in (_JSON, CLOUD_EVENT):
        raise _wrong_content(f"content type '{given}'")
    if any(charset not in ("utf-8", "utf8", "us-ascii") for charset in charsets):
        raise _wrong_content(f"charset of the content type '{given}'")
    if (encoding or "identity").strip().lower() not in UNCOMPRESSED:
        raise _wrong_content(f"content encoding '{encoding}'")
    return kind


def _wrong_content(what: str) -> Rejected:
    return Rejected(
        Code.WRONG_CONTENT_TYPE,
        f"the {what[:200]} is not read here",
        f"send uncompressed UTF-8 as {_JSON}, or as {CLOUD_EVENT} for a structured CloudEvent",
    )


def _data_of(event: dict[str, Any]) -> Any:
    """The data of a structured CloudEvent, whichever way it is written."""
    _check_specversion(event.get("specversion"), "specversion")
    content = event.get("datacontenttype") or _JSON
    if not isinstance(content, str) or content.partition(";")[0].strip().lower() != _JSON:
        raise _not_as_expected(
            "/datacontenttype", f"must be {_JSON}, which is also what leaving it out means"
        )
    if ("data" in event) == ("data_base64" in event):
        raise _not_as_expected("/data", "give exactly one of data and data_base64")
    return event["data"] if "data" in event else parse(_decoded(event["data_base64"]))


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise _not_as_expected("/data_base64", "is not base64 text") from None


def _check_specversion(version: Any, where: str) -> None:
    if (version.decode(errors="replace") if isinstance(version, bytes) else version) != "1.0":
        raise _not_as_expected("/specversion", f"CloudEvents 1.0 is read: {where} must be '1.0'")


def _object(value: Any, what: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _not_as_expected("", f"{what} must be a JSON object")


def _not_as_expected(pointer: str, message: str) -> Rejected:
    return Rejected(
        Code.INVALID_REQUEST,
        f"{pointer} {message}".strip(),
        "send a request as a JSON object, or as a CloudEvent that carries one",
        violations=(Violation(pointer, message),),
    )


def check_reply_to(message: Message, prefix: str) -> None:
    """Raises `Rejected` where *message* wants its answers in a queue of Jobrelay's own."""
    if own_queue(message.reply_to, prefix):
        raise Rejected(
            Code.INVALID_REQUEST,
            f"reply_to names '{message.reply_to}', a queue of Jobrelay itself",
            "name a queue of your own, or leave reply_to out",
            violations=(Violation("", "the AMQP property reply_to names a queue of Jobrelay"),),
        )


def _refused(schema: str, document: Mapping[str, Any], found: list[Violation], *, homeless: bool) -> Rejected:
    if homeless and "folder" not in document:
        found = [*found, Violation("/folder", "is missing, and this worker has no default folder")]
    if document.get("requestId") is None:
        code, detail = Code.REQUEST_ID_MISSING, "the request has no requestId"
        remedy = "give each request an id of its own, such as a UUID, and the same one when it is sent again"
    elif homeless and {violation.pointer for violation in found} <= {"/folder"}:
        code, detail = (
            Code.FOLDER_MISSING,
            "the request names no folder, and this worker has no default folder",
        )
        remedy = (
            'name the folder in the request, such as "folder": {"path": "Shared"}, or set JOBRELAY_FOLDER'
        )
    else:
        code, detail = Code.INVALID_REQUEST, _summary(found)
        remedy = f"mend what the violations name, and send it again; the schema is {schema}"
    if "specversion" in document:
        remedy = f"a structured CloudEvent needs the content type {CLOUD_EVENT}"
    return Rejected(code, detail, remedy, violations=tuple(found))


def _summary(found: list[Violation]) -> str:
    first = f"{found[0].pointer or 'the request'} {found[0].message}"
    return first if len(found) == 1 else f"{first} (and {len(found) - 1} more)"


def _with_whole_numbers(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """JSON Schema counts 2.0 as a whole number, and Orchestrator does not: it is written as 2."""
    changed: dict[str, Any] = {
        name: int(document[name]) for name in _WHOLE if type(document.get(name)) is float
    }
    for name in ("robots", "machines"):
        if name in document:
            changed[name] = [int(item) if type(item) is float else item for item in document[name]]
    folder = document.get("folder")
    if folder and type(folder.get("id")) is float:
        changed["folder"] = {"id": int(folder["id"])}
    return {**document, **changed} if changed else document
