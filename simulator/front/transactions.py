"""What robots and people do with queue items, played by control: taken, ended, tried again, deleted."""

from typing import Any

import orjson
from aiohttp import web

from simulator.moments import new_guid, now_ms
from simulator.odata.model import Row
from simulator.seed.checks import Key, anything, mapping, one_of, optional, record, text
from simulator.world.entities import entities
from simulator.world.shapes import MEMBERS
from simulator.world.tables import World

_EXCEPTION = {
    "Type": Key(one_of(*MEMBERS["ProcessingExceptionType"]), "ApplicationException"),
    "Reason": Key(text),
    "Details": Key(text),
}
_MOVED = record(
    {
        "Status": Key(one_of(*MEMBERS["QueueItemStatus"]), required=True),
        "ReviewStatus": Key(one_of(*MEMBERS["ReviewStatus"])),
        "Progress": Key(text),
        "Output": Key(mapping(anything)),
        "ProcessingException": Key(optional(record(_EXCEPTION))),
    },
    partial=True,
)
_OF_A_TRY = ("Progress", "Output", "OutputData", "ProcessingException", "ProcessingExceptionType")


def move(world: World, request: web.BaseRequest, given: Any) -> dict[str, Any]:
    """Puts a row into a Status, with all that goes with it. Retried adds the row of the next try."""
    row, asked = _row(world, request), _MOVED(given, "item")
    row |= asked | _times(row, asked["Status"])
    if "Output" in asked:
        row["OutputData"] = orjson.dumps({"DynamicProperties": asked["Output"]}).decode()
    if asked.get("ProcessingException"):
        row["ProcessingExceptionType"] = asked["ProcessingException"]["Type"]
    if asked["Status"] == "Retried":
        row = _try_again(world, row)
    return entities(20).item.render(row)


def remove(world: World, request: web.BaseRequest, _given: Any) -> dict[str, Any]:
    """Deletes a row for good, as the retention of a queue does; the ledger goes on listing it."""
    row = _row(world, request)
    row["_removed"] = True
    return {"removed": row["Id"]}


def _row(world: World, request: web.BaseRequest) -> Row:
    number = request.path.rpartition("/")[2]
    row = world.items.get(int(number)) if number.isdecimal() else None
    if row is None:
        raise LookupError(f"no item {number}")
    return row


def _times(row: Row, status: str) -> Row:
    if status == "New":  # postponed: the next robot begins anew
        return {"StartProcessing": None, "EndProcessing": None}
    if status == "InProgress":
        return {"StartProcessing": now_ms(), "EndProcessing": None}
    return {"EndProcessing": row.get("EndProcessing") or now_ms()}


def _try_again(world: World, row: Row) -> Row:
    """The next try of an item is a row with an id of its own, and the same Key."""
    again = {name: value for name, value in row.items() if name not in _OF_A_TRY}
    again |= {"Id": next(world.numbers), "UniqueKey": new_guid(), "AncestorId": row["Id"], "Status": "New"}
    again |= {"RetryNumber": row["RetryNumber"] + 1, "ReviewStatus": "None", "CreationTime": now_ms()}
    world.items[again["Id"]] = again | {"StartProcessing": None, "EndProcessing": None}
    return world.items[again["Id"]]
