"""Queues of Orchestrator: found by name, given items, and asked for items by Reference.

Keeps the promises of `pipeline.items.ports.Queues` and `tracking.items.ports.Items`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from worker.domain.failures import Code, Rejected, Unavailable
from worker.domain.processes import Folder
from worker.domain.queues import Item, Queue
from worker.domain.queues.transactions import Transaction
from worker.domain.words import ProcessingStatus
from worker.orchestrator.catalog import Catalog
from worker.orchestrator.follow.unknown import Unknown
from worker.orchestrator.http.budget import Budget
from worker.orchestrator.http.reports import SILENT, Reports
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.lookup import Listing, Lookup
from worker.orchestrator.queues.adding import Adding
from worker.orchestrator.queues.posts import Place, Wanted
from worker.orchestrator.refusals import FOLDER_GONE
from worker.orchestrator.rows.items import item_of, transaction_of
from worker.settings import Settings

MARKING_API = 20
"""The first API version whose items keep a ParentOperationId."""
_PAGE = 100  # Cloud refuses a larger one
_ITEMS = Listing("QueueItems", "/odata/QueueItems", _PAGE, item_of)
_TRIES = Listing("QueueItems", "/odata/QueueItems", _PAGE, transaction_of)
_REFUSED = frozenset({403, 404})


class Queues:
    """A tenant's queues. Cloud counts lists of items apart from those of jobs: they have their own budget."""

    def __init__(
        self, transport: Transport, base: str, catalog: Catalog, settings: Settings, reports: Reports
    ) -> None:
        self._transport = transport
        self._catalog = catalog
        self._budget = Budget(settings.poll_budget_per_min, SILENT)
        self._lookup = Lookup(transport, base, self._budget, reports.lookup, _ITEMS)
        self._tries = Lookup(transport, base, self._budget, SILENT.lookup, _TRIES, urgent=False)
        self._unknown = Unknown(reports.unknown_word)
        self._adding = Adding(transport, base)

    @property
    def marks(self) -> bool:
        """True where items keep whose they are, beside their Reference."""
        return (self._transport.api_version or 0) >= MARKING_API

    async def queues(self, folder: Folder, *, fresh: bool = False) -> Sequence[Queue]:
        """The queues of a folder, remembered like its processes."""
        return await self._catalog.queues(folder, fresh=fresh)

    async def add(
        self,
        folder: Folder,
        queue: Queue,
        item: Mapping[str, Any],
        *,
        may_send: Callable[[], bool],
        alone: bool = False,
    ) -> Item | None:
        """Adds an item, once; None where it was added with others, unless *alone*: their ids are not told."""
        body = orjson.dumps({"Name": queue.name, **item})
        wanted = Wanted(body, str(item["Reference"]), may_send, alone)
        return await self._adding.add(Place(folder.id, queue.name), wanted)

    async def find(self, folder: Folder, reference: str, *, since: float) -> Sequence[Item]:
        """All items of a folder whose Reference equals *reference* to the byte. Raises when not sure.

        Gathered like the look-ups of jobs. *since* (epoch seconds) bounds the search where a server cannot
        filter by Reference, and nowhere else.
        """
        return await self._lookup.find(folder.id, reference, None, since)

    async def tries(self, folder_id: int, reference: str, *, since: float) -> Sequence[Transaction]:
        """All tries of the items with that Reference. Gathered, and after the look-ups of requests in hand.

        `Rejected` where the server does not let the worker see them, or has no such folder any more.
        """
        try:
            found = await self._tries.find(folder_id, reference, None, since)
        except Unavailable as why:
            if _is_refusal(why):
                raise Rejected(Code.ORCHESTRATOR_REFUSED, why.detail, answer=why.answer) from why
            raise
        for one in found:
            self._unknown.heed(ProcessingStatus, one.status)
        return found

    def hurry(self) -> None:
        """From now on no look-up waits for its turn."""
        self._budget.close()


def _is_refusal(why: Unavailable) -> bool:
    answer = why.answer
    return bool(answer and not why.outage and (answer.status in _REFUSED or answer.error_code in FOLDER_GONE))
