"""The inboxes of the templates' role: each is heard, whatever the others do."""

import asyncio
from collections.abc import AsyncIterator

from eventful import Room
from fakes import Delivery


async def test_no_inbox_waits_for_another_to_end() -> None:
    """The first may be open as long as the worker runs."""
    room, heard = Room(), asyncio.Event()

    async def open_until_heard() -> AsyncIterator[Delivery]:
        await heard.wait()
        yield room.event({"id": "1"})

    async def other() -> AsyncIterator[Delivery]:
        yield room.event({"id": "2"})
        heard.set()

    async with asyncio.timeout(5):
        await room.role.run([open_until_heard(), other()])
    assert room.counted.events == ["made", "made"]
