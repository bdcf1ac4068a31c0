"""Robots at queues: they take each item that is to be followed, and end it, at times in a second try."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

from simulated import Simulated

from chaos.ledger.history import History

_LOOK_S = 0.5
_WORK_S = (0.05, 2.0)
_FAILS = 0.2
_WHY = {"Type": "ApplicationException", "Reason": "this time"}


class Robots:
    """As many as there are items whose requests, by *history*, want to hear of them."""

    def __init__(self, simulator: Simulated, history: History, prefix: str) -> None:
        self._simulator, self._history, self._prefix = simulator, history, prefix
        self._random = Random(prefix)  # noqa: S311 - how long work takes

    async def work(self) -> None:
        """Takes what is added, until cancelled."""
        taken: set[int] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for item in await asyncio.to_thread(self._simulator.tell, "GET", "items"):
                    if item["id"] not in taken and self._wanted(item):
                        taken.add(item["id"])
                        tasks.create_task(self._process(item["id"]))
                await asyncio.sleep(_LOOK_S)

    def _wanted(self, item: Mapping[str, Any]) -> bool:
        known = self._history.known.get(str(item["reference"]).removeprefix(f"{self._prefix}:"))
        return known is not None and known.ask.followed

    async def _process(self, row: int) -> None:
        await self._move(row, Status="InProgress")
        await asyncio.sleep(self._random.uniform(*_WORK_S))
        if self._random.random() < _FAILS:
            row = await self._move(row, Status="Retried", ProcessingException=_WHY)
            await asyncio.sleep(self._random.uniform(*_WORK_S))
        await self._move(row, Status="Successful", Output={"done": True})

    async def _move(self, row: int, **told: Any) -> int:
        moved = await asyncio.to_thread(self._simulator.tell, "PATCH", f"items/{row}", told)
        return int(moved["Id"])
