"""Queues and their items: added one by one or in bulk, listed; references unique where asked."""

from typing import Any

import orjson

from simulator.calls import Call, Reply, found, local, reply
from simulator.errors import Refusal, look_up
from simulator.moments import new_guid, now_ms
from simulator.odata.model import ODataError, Row
from simulator.odata.syntax import milliseconds

_PRIORITIES = ("High", "Normal", "Low")
_COMMITS = ("AllOrNothing", "StopOnFirstFailure", "ProcessAllIndependently")
_MOST_CONTENT, _MOST_REFERENCE, _MOST_ON_CLOUD = 256_000, 128, 100
_DATES = ("DeferDate", "DueDate", "RiskSlaDate")
_TEXTS = ("Reference", "Progress", "ParentOperationId")


def definitions(call: Call) -> Reply:
    """GET /odata/QueueDefinitions."""
    return call.listing("QueueDefinitions", call.entities.queue, local(call.world.queues, call.folder))


def definition(call: Call) -> Reply:
    """GET /odata/QueueDefinitions(id)."""
    number, rows = call.number(), local(call.world.queues, call.folder)
    row = next((row for row in rows if row["Id"] == number), None)
    return call.one("QueueDefinitions", call.entities.queue, found(row))


def items(call: Call) -> Reply:
    """GET /odata/QueueItems: at most 100 a page on Cloud, and limited there."""
    rows = [row for row in call.world.items.values() if "_removed" not in row]
    if call.folder is not None:
        rows = [row for row in rows if row["OrganizationUnitId"] == call.folder["Id"]]
    return call.listing("QueueItems", call.entities.item, rows, _MOST_ON_CLOUD if call.cloud else 1000)


def item(call: Call) -> Reply:
    """GET /odata/QueueItems(id)."""
    row = call.world.items.get(call.number())
    return call.one("QueueItems", call.entities.item, found(None if row and "_removed" in row else row))


def add_item(call: Call) -> Reply:
    """POST /odata/Queues/UiPathODataSvc.AddQueueItem: 201 with the item; 1016 for a reference taken."""
    given = call.json().get("itemData")
    if not isinstance(given, dict):
        raise Refusal("ParameterMissing", "itemData must not be null")
    queue = _queue(call, given.get("Name"))
    row = _item(given, queue)
    _check_unique(row, queue)
    _keep(call, queue, [row])
    return call.one("QueueItems", call.entities.item, row, 201)


def add_items(call: Call) -> Reply:
    """POST /odata/Queues/UiPathODataSvc.BulkAddQueueItems: 200 with what failed; ids are not told."""
    given = call.json()
    if given.get("commitType") not in _COMMITS:
        raise Refusal("InvalidRequest", f"commitType must be one of {', '.join(_COMMITS)}.")
    queue, listed = _queue(call, given.get("queueName")), given.get("queueItems")
    if not isinstance(listed, list):
        raise Refusal("ParameterMissing", "queueItems must not be null")
    kept, failed = _sorted_out(call, queue, listed, given["commitType"])
    if not (failed and given["commitType"] == "AllOrNothing"):
        _keep(call, queue, kept)
    message = "All items were added." if not failed else f"{len(failed)} items were not added."
    shown = {"Success": not failed, "Message": message, "FailedItems": failed}
    if call.version < 20:  # as published then
        shown = {name[0].lower() + name[1:]: value for name, value in shown.items()}
    return reply({"@odata.context": call.context("BulkOperationResponseDtoOfFailedQueueItemDto"), **shown})


def _sorted_out(call: Call, queue: Row, listed: list[Any], commit: str) -> tuple[list[Row], list[Row]]:
    """The items that can be kept, and those that failed with the reason."""
    kept: list[Row] = []
    failed: list[Row] = []
    taken: set[str] = set()
    for ordinal, given in enumerate(listed):
        try:
            row = _item(given, queue)
            _check_unique(row, queue, taken)
            kept.append(row)
        except Refusal as refusal:
            failed.append(_failure(call, ordinal, refusal))
            if commit == "StopOnFirstFailure":
                break
    return kept, failed


def _failure(call: Call, ordinal: int, refusal: Refusal) -> Row:
    message = refusal.message or look_up(refusal.name, call.world.behaviour["errors"]).message
    return {"Ordinal": ordinal, "ErrorCode": refusal.name, "ErrorMessage": message}


def _queue(call: Call, name: Any) -> Row:
    rows = local(call.world.queues, call.folder)
    row = next((row for row in rows if row["Name"].lower() == str(name).lower()), None)
    if row is None:
        raise Refusal("ItemNotFound", f"{name} does not exist.")
    return row


def _item(given: Any, queue: Row) -> Row:
    """A new row from itemData; raises the Refusal that the server would answer."""
    if not isinstance(given, dict):
        raise Refusal("InvalidRequest", "An item must be an object.")
    content = given.get("SpecificContent") or {}
    if not isinstance(content, dict) or any(isinstance(value, dict | list) for value in content.values()):
        raise Refusal("InvalidArgument", "The values of SpecificContent must be simple.")
    text = orjson.dumps({"DynamicProperties": content}).decode()
    if len(text.encode("utf-16-le")) // 2 > _MOST_CONTENT:
        raise Refusal("InvalidArgument", f"SpecificContent has more than {_MOST_CONTENT} characters.")
    if given.get("Priority", "Normal") not in _PRIORITIES:
        raise Refusal("InvalidRequest", f"Priority must be one of {', '.join(_PRIORITIES)}.")
    if not all(isinstance(given.get(name, ""), str | None) for name in _TEXTS):
        raise Refusal("InvalidRequest", f"{', '.join(_TEXTS)} must be texts.")
    if len(given.get("Reference") or "") > _MOST_REFERENCE:
        raise Refusal("InvalidArgument", f"Reference has more than {_MOST_REFERENCE} characters.")
    return {
        **{name: given.get(name) for name in _TEXTS},
        **{name: _instant(given.get(name), name) for name in _DATES},
        "Priority": given.get("Priority", "Normal"),
        "SpecificContent": content,
        "SpecificData": text,
        **_fresh(queue),
    }


def _fresh(queue: Row) -> Row:
    return {
        "QueueDefinitionId": queue["Id"],
        "Status": "New",
        "ReviewStatus": "None",
        "Key": new_guid(),
        "UniqueKey": new_guid(),
        "RetryNumber": 0,
        "SecondsInPreviousAttempts": 0,
        "Encrypted": False,
        "HasVideoRecorded": False,
        "CreationTime": now_ms(),
        "RowVersion": "AAAAAAAAB9E=",
        "OrganizationUnitId": queue["OrganizationUnitId"],
        "OrganizationUnitFullyQualifiedName": queue["OrganizationUnitFullyQualifiedName"],
        "_queue": queue,
    }


def _instant(value: Any, name: str) -> int | None:
    if value is None:
        return None
    try:
        return int(milliseconds(str(value)))
    except ODataError as error:
        raise Refusal("InvalidRequest", f"{name}: {error}") from None


def _check_unique(row: Row, queue: Row, taken: set[str] | None = None) -> None:
    reference = (row["Reference"] or "").lower()
    if not queue["EnforceUniqueReference"] or not reference:
        return
    if reference in queue["_references"] or (taken is not None and reference in taken):
        raise Refusal("DuplicateReference")
    if taken is not None:
        taken.add(reference)


def _keep(call: Call, queue: Row, rows: list[Row]) -> None:
    for row in rows:
        row["Id"] = next(call.world.numbers)
        call.world.items[row["Id"]] = row
        if row["Reference"]:
            queue["_references"][row["Reference"].lower()] = row["Id"]
