"""An event loop without waiting: where everybody sleeps, its clock jumps to the next one to wake.

For tests without input and output. Who waits for what never comes times out at once, or is named a deadlock.
"""

import asyncio
import selectors
from typing import Any


class _Eager(selectors.DefaultSelector):
    """Never waits: the time it was to wait for is added to *skipped*."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits for another")
        self.skipped += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time begins at 0 and is spent by sleeping alone."""

    def __init__(self) -> None:
        self._eager = _Eager()
        super().__init__(self._eager)
        # More than the selector's resolution, so that a timer that is due is seen as due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds slept since the loop was made."""
        return self._eager.skipped


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Any]:
    """For a conftest: the tests beside it run in virtual time."""
    return {"virtual": VirtualLoop}
