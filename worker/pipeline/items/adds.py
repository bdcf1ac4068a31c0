"""Adds: how a request to add a queue item is read, resolved, looked up and done."""

from collections.abc import Mapping
from typing import Any

import orjson

from worker.domain import arguments
from worker.domain.failures import Code, Rejected, Violation
from worker.domain.outcomes import Outcome
from worker.domain.processes import Folder, choose_named
from worker.domain.queues import (
    LONGEST_CONTENT,
    LONGEST_REFERENCE,
    Given,
    ItemRequest,
    Place,
    unknown_queue,
)
from worker.domain.requests import FolderRef, Kind
from worker.pipeline.items.add import Adder
from worker.pipeline.items.ports import Queues
from worker.pipeline.once.claim import Claim
from worker.pipeline.once.doing import Try
from worker.pipeline.ports import Orchestrator
from worker.pipeline.validate import hold_to

SCHEMA = "add-queue-item.v1"


class Adds:
    """Keeps the promises of `Doing` for requests to add queue items."""

    kind = Kind.QUEUE_ITEM
    schema = SCHEMA

    def __init__(self, orchestrator: Orchestrator, queues: Queues, adder: Adder, prefix: str) -> None:
        self._orchestrator = orchestrator
        self._queues = queues
        self._adder = adder
        self._prefix = prefix

    def read(self, document: Mapping[str, Any], default_folder: FolderRef | None) -> ItemRequest:
        """What *document* asks for, within Orchestrator's limits, and under no other request's mark."""
        hold_to(SCHEMA, document, default_folder)
        request = ItemRequest.of(document, default_folder)
        _check_size(request)
        _check_mark(request, self._prefix)
        return request

    async def folder(self, ref: FolderRef) -> Folder:
        """Finds a folder."""
        return await self._orchestrator.folder(ref)

    async def resolve(self, request: ItemRequest, *, fresh: bool = False) -> Place:
        """Finds the folder and the queue that the request names. An unknown one reads the cache anew once."""
        if request.folder is None:
            raise ValueError("a request is resolved after its folder was settled")
        folder = await self._orchestrator.folder(request.folder, fresh=fresh)
        queues = await self._queues.queues(folder, fresh=fresh)
        queue = choose_named(request.queue, queues)
        if queue is None:
            queues = await self._queues.queues(folder, fresh=True)
            queue = choose_named(request.queue, queues)
        if queue is None:
            raise unknown_queue(request.queue, queues, folder)
        return Place(folder, queue, request)

    async def look_up(self, this: Try[ItemRequest], folder: Folder, target: Place | None) -> Outcome | None:
        """Finds the item that the request may have been given, also where it is refused by now."""
        given, track = Given.of(this.document), this.document.get("track") is True
        queue = target.queue if target else None
        return await self._adder.look_up(this.claim, folder, queue, given, track=track)

    async def do(self, claim: Claim, target: Place) -> Outcome:
        """Adds its item."""
        return await self._adder.add(claim, target)


def _check_size(request: ItemRequest) -> None:
    """Raises `Rejected` for what Orchestrator would not take: it counts what it keeps, as JSON."""
    size = arguments.length(orjson.dumps({"DynamicProperties": request.content}).decode())
    if size > LONGEST_CONTENT:
        raise _too_long("/specificContent", f"is {size:,} characters of JSON", LONGEST_CONTENT)
    size = arguments.length(request.reference or "")
    if size > LONGEST_REFERENCE:
        raise _too_long("/reference", f"has {size} characters (UTF-16)", LONGEST_REFERENCE)


def _check_mark(request: ItemRequest, prefix: str) -> None:
    """Raises `Rejected` for a Reference by which another request's item might be looked up.

    Queues with unique references disregard case.
    """
    reference, marks = request.reference or "", f"{prefix}:"
    if reference.casefold().startswith(marks.casefold()) and reference != marks + request.request_id:
        what = f"begins with '{marks}', by which Jobrelay tells whose an item is"
        raise Rejected(
            Code.INVALID_REQUEST,
            f"/reference {what}",
            "leave reference out, or give one that begins otherwise",
            violations=(Violation("/reference", what),),
        )


def _too_long(pointer: str, what: str, most: int) -> Rejected:
    return Rejected(
        Code.INVALID_REQUEST,
        f"{pointer} {what}; Orchestrator takes {most:,}",
        "pass a reference to the data instead of the data",
        violations=(Violation(pointer, f"{what}; at most {most:,}"),),
    )
