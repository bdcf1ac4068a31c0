"""Adds queue items: one that is alone goes alone and at once, and those that wait together share a call.

While a call to a queue is under way, what comes for that queue waits for its end, for 20 ms at most, and goes
with what has come till then.
"""

import asyncio
import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from worker.domain.failures import Failure, Later, OutcomeUnknown, Rejected, Unavailable
from worker.domain.queues import Item
from worker.orchestrator import refusals
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.queues.posts import Place, Posts, Wanted

MOMENT_S = 0.02
"""How long an item waits for others, in seconds."""
MOST_ITEMS, MOST_BYTES = 100, 1_000_000
"""Of one call."""
# Such a refusal of all may be the fault of one.
_PERHAPS_ONES = frozenset({400, 409, 413, 422})
_NOT_OFFERED = frozenset({404, 405})
_OF_ALL = refusals.FOLDER_GONE | {1002}
_NOT_SENT = Unavailable(Later.UNREACHABLE, "not sent: this worker may no longer add the item")

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    item: Wanted
    outcome: asyncio.Future[Item | None]

    def ends(self, outcome: Item | Failure | None) -> None:
        """Tells who waits, unless that one has gone."""
        if self.outcome.done():
            return
        if isinstance(outcome, Failure):
            self.outcome.set_exception(copy.copy(outcome))
        else:
            self.outcome.set_result(outcome)


@dataclass(slots=True)
class _Batch:
    timer: asyncio.TimerHandle
    waiting: list[_Waiting] = field(default_factory=list)
    size: int = 0


class Adding:
    """Items on their way to queues."""

    def __init__(self, transport: Transport, base: str) -> None:
        self._posts = Posts(transport, base)
        self._open: dict[Place, _Batch] = {}
        self._under_way: Counter[Place] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._offered = True

    async def add(self, place: Place, item: Wanted) -> Item | None:
        """Adds one: None where it was added with others. Raises one of the three kinds of failure."""
        waiting = _Waiting(item, asyncio.get_running_loop().create_future())
        if self._under_way[place] and self._offered and not item.alone:
            self._join(place, waiting)
        else:
            self._send(place, [waiting])
        return await waiting.outcome

    def _join(self, place: Place, waiting: _Waiting) -> None:
        size = len(waiting.item.body)
        batch = self._open.get(place)
        if batch is not None and batch.size + size > MOST_BYTES:
            self._close(place)
            batch = None
        if batch is None:
            timer = asyncio.get_running_loop().call_later(MOMENT_S, self._close, place)
            batch = self._open[place] = _Batch(timer)
        batch.waiting.append(waiting)
        batch.size += size
        if len(batch.waiting) >= MOST_ITEMS:
            self._close(place)

    def _close(self, place: Place) -> None:
        batch = self._open.pop(place, None)
        if batch is not None:
            batch.timer.cancel()
            self._send(place, batch.waiting)

    def _send(self, place: Place, waiting: Sequence[_Waiting]) -> None:
        self._under_way[place] += 1
        # Nobody's cancellation is felt by those who share the call, and each of them hears of its end.
        task = asyncio.create_task(self._sent(place, waiting))  # noqa: TID251
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sent(self, place: Place, waiting: Sequence[_Waiting]) -> None:
        try:
            await self._settle(place, waiting)
        finally:
            for one in waiting:
                one.ends(OutcomeUnknown("the call that it shared was broken off"))
            self._under_way[place] -= 1
            if not self._under_way[place]:
                del self._under_way[place]
                self._close(place)

    async def _settle(self, place: Place, waiting: Sequence[_Waiting]) -> None:
        """Sends those that may still be sent, and tells each what came of it."""
        while True:
            waiting = _still_wanted(waiting)
            if len(waiting) < 2:
                for one in waiting:
                    await self._alone(place, one)
                return
            try:
                failed = await self._posts.many(place, [one.item for one in waiting])
            except Failure as failure:
                if isinstance(failure, Unavailable) and not all(one.item.may_send() for one in waiting):
                    continue  # not sent: one of them may not be any more
                await self._all_failed(place, waiting, failure)
                return
            for index, one in enumerate(waiting):
                one.ends(failed.get(index))
            return

    async def _all_failed(self, place: Place, waiting: Sequence[_Waiting], failure: Failure) -> None:
        if isinstance(failure, Rejected) and failure.answer and failure.answer.error_code not in _OF_ALL:
            if failure.answer.status in _NOT_OFFERED and self._offered:
                _log.warning("orchestrator.bulks_not_offered", reason=failure.detail)
                self._offered = False
            if failure.answer.status in _PERHAPS_ONES | _NOT_OFFERED:
                alone = [self._alone(place, one) for one in waiting]
                await asyncio.gather(*alone)
                return
        first, *others = waiting
        first.ends(failure)
        if isinstance(failure, OutcomeUnknown):
            # One call was lost, however many shared it.
            failure = OutcomeUnknown(failure.detail, answer=failure.answer, heard=True)
        for one in others:
            one.ends(failure)

    async def _alone(self, place: Place, waiting: _Waiting) -> None:
        try:
            waiting.ends(await self._posts.one(place, waiting.item))
        except Failure as failure:
            waiting.ends(failure)


def _still_wanted(waiting: Sequence[_Waiting]) -> Sequence[_Waiting]:
    """Those that may be sent; the others are told that they were not."""
    wanted = [one for one in waiting if one.item.may_send()]
    for one in waiting:
        if one not in wanted:
            one.ends(_NOT_SENT)
    return wanted
