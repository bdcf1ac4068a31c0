"""A link that is lost again and again leaves the broker in peace, and one that held comes back at once."""

import asyncio
from typing import Any

import pytest

from worker.broker.address import Address
from worker.broker.connection import Link, Reports, SessionOver
from worker.broker.topology import Topology


class Failing(Link):
    """A link whose sessions begin well and last *lasts* seconds."""

    def __init__(self, lasts: float) -> None:
        nobody: Any = lambda *_: None  # noqa: E731
        super().__init__("l", Address("amqp://h/"), 5, Topology("p"), Reports(nobody, nobody, nobody, nobody))
        self._lasts = lasts
        self.begun = 0

    async def _live(self, sessions: tuple[Any, ...]) -> None:
        self.begun += 1
        self._awaited = len(sessions)
        self.up()
        await asyncio.sleep(self._lasts)
        raise SessionOver("lost")


@pytest.mark.parametrize(("lasts", "most", "least"), [(0.1, 45, 20), (6, 20, 18)])
async def test_only_a_session_that_lasted_is_begun_anew_at_once(lasts: float, most: int, least: int) -> None:
    """In two minutes: one that ends as it begins is tried every few seconds."""
    link: Any = Failing(lasts)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(120):
            await link.keep(None)
    assert least <= link.begun <= most
