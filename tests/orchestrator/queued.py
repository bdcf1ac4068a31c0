"""A tenant with queues, and a client that may add to them."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from seeded import SEED, client_of, shared
from simulated import Simulated

from worker.domain.failures import Failure
from worker.domain.queues import Item, Queue
from worker.orchestrator import Client
from worker.orchestrator.http.reports import SILENT, Reports

_CLIENT = {**SEED["identity"]["clients"][0]}
_CLIENT["scope"] += " OR.Queues"
QUEUES = [
    {"Id": 301, "Name": "Unique", "folder": "Shared", "EnforceUniqueReference": True},
    {"Id": 302, "Name": "Plain", "folder": "Shared"},
    {"Id": 303, "Name": "Elsewhere", "folder": "Default"},
]
WITH_QUEUES = {**SEED, "identity": {**SEED["identity"], "clients": [_CLIENT]}, "queues": QUEUES}
PLAIN, UNIQUE = Queue(302, "Plain"), Queue(301, "Unique")


def of_queues(
    simulator: Simulated, reports: Reports = SILENT, /, **more: Any
) -> AbstractAsyncContextManager[Client]:
    """A client that may add items."""
    return client_of(simulator, reports, scope=_CLIENT["scope"], **more)


async def add(client: Client, reference: str, queue: Queue = PLAIN, **item: Any) -> Item | Failure | None:
    """One item is added, or why not."""
    whole = {"Reference": reference, "SpecificContent": {"n": 1}, **item}
    try:
        return await client.queues.add(await shared(client), queue, whole, may_send=lambda: True)
    except Failure as failure:
        return failure
