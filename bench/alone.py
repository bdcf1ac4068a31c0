"""`python -m bench.alone N …`: the worker, but with one call for each queue item, at most N at once.

What calls that are shared are measured against; with a small N it is as a program with so many threads.
"""

import asyncio
import sys

from worker.__main__ import main
from worker.domain.queues import Item
from worker.orchestrator.queues.adding import Adding
from worker.orchestrator.queues.posts import Place, Posts, Wanted


def _with_one_call_each(most: int) -> None:
    free = asyncio.Semaphore(most)
    one = Posts.one

    async def limited(self: Posts, place: Place, item: Wanted) -> Item:
        async with free:
            return await one(self, place, item)

    async def add(self: Adding, place: Place, item: Wanted) -> Item | None:
        return await self._posts.one(place, item)

    Posts.one = limited  # type: ignore[method-assign]
    Adding.add = add  # type: ignore[method-assign]


if __name__ == "__main__":
    _with_one_call_each(int(sys.argv.pop(1)))
    main()
