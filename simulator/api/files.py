"""Attachments: made, then uploaded to and read from a blob address that needs no token, as on Cloud."""

from typing import Any

from simulator.calls import Call, Reply, found, reply
from simulator.errors import Refusal
from simulator.moments import new_guid, now_ms
from simulator.odata.model import Row

SINCE = 20


def create(call: Call) -> Reply:
    """POST /odata/Attachments {"Name"}: 201 with `BlobFileAccess`, where the content is to be PUT."""
    if call.version < SINCE:
        raise Refusal("NotFound")
    name = call.json().get("Name")
    if not isinstance(name, str) or not 0 < len(name) <= 256:
        raise Refusal("InvalidArgument", "Name must have 1 to 256 characters.")
    number = new_guid()
    row = {"Id": number, "Name": name, "CreationTime": now_ms(), "_content": None, "_secret": new_guid()}
    call.world.attachments[number] = row
    return _shown(call, row, "PUT", 201)


def read(call: Call) -> Reply:
    """GET /odata/Attachments(guid): 200 with the address to read from."""
    row = call.world.attachments.get(call.argument.lower())
    if call.version < SINCE:
        raise Refusal("NotFound")
    return _shown(call, found(row, "AttachmentNotFound"), "GET", 200)


def _shown(call: Call, row: Row, verb: str, status: int) -> Reply:
    access: dict[str, Any] = {
        "Uri": f"{call.origin}/_blobs/{row['Id']}?sig={row['_secret']}",
        "Verb": verb,
        "RequiresAuth": False,
        "Headers": {"Keys": ["x-ms-blob-type"], "Values": ["BlockBlob"]} if verb == "PUT" else _NO_HEADERS,
    }
    context = call.context("Attachments/$entity")
    shown = call.entities.attachment.render(row)
    return reply({"@odata.context": context, **shown, "BlobFileAccess": access}, status)


_NO_HEADERS: dict[str, list[str]] = {"Keys": [], "Values": []}


def upload(call: Call) -> Reply:
    """PUT /_blobs/guid: keeps the content; 201. Storage wants its type named and refuses a bearer token."""
    row = _blob(call)
    if call.headers.get("x-ms-blob-type") != "BlockBlob":
        return Reply(400, b"")
    row["_content"] = call.content
    return Reply(201, b"")


def download(call: Call) -> Reply:
    """GET /_blobs/guid: the content."""
    content = _blob(call)["_content"]
    return (
        Reply(404, b"")
        if content is None
        else Reply(200, content, {"Content-Type": "application/octet-stream"})
    )


def _blob(call: Call) -> Row:
    row = call.world.attachments.get(call.argument.lower())
    if row is None or call.params.get("sig") != row["_secret"] or "Authorization" in call.headers:
        raise Refusal("NotAuthorized")
    return row
