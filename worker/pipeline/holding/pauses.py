"""The wish to stop, which ends every pause."""

import asyncio
from contextlib import suppress


class Stopping:
    """The wish to stop, once it is there. Pauses end early then."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __bool__(self) -> bool:
        """True once the worker is to stop."""
        return self._event.is_set()

    def begin(self) -> None:
        """Asks everybody to stop."""
        self._event.set()

    async def wait(self) -> None:
        """Returns once the worker is to stop."""
        await self._event.wait()

    async def pause(self, seconds: float) -> None:
        """Sleeps *seconds*, or until the worker is to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # wait_for may swallow a cancellation (Python 3.11)
                await self._event.wait()


class News:
    """Something changed: wakes all who wait for it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        """Wakes those who wait now."""
        self._event.set()
        self._event = asyncio.Event()

    async def within(self, seconds: float) -> None:
        """Returns at the next news, or after *seconds*."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # wait_for may swallow a cancellation (Python 3.11)
                await self._event.wait()
