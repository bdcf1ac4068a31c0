"""Whether the broker really has our consumers and deliveries move: asked, not believed.

A consumer may be gone on the broker's side while the client takes it for alive. Then the session begins anew;
when that does not help for minutes, only a restart can, and `/livez` says so.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NoReturn, Protocol

import structlog
from aiormq.channel import Channel

from worker.broker.connection import SessionOver, unless_cancelled

# Long beside the seconds by which a quorum queue's counts lag.
_LOOK_EVERY_S = 10.0
_DOUBTS = 2
# A broker under load is slow to answer for a long queue, and to begin anew has it deliver all of that again.
_TIMEOUT_S = 60.0
_TICK_S = 1.0
_PATIENCE_S = 300

_log = structlog.get_logger(__name__)


class Flow(Protocol):
    """What a consumer knows of itself."""

    @property
    def consuming(self) -> bool:
        """True while there is to be a consumer."""

    @property
    def taken(self) -> int:
        """How many deliveries have come by now."""

    @property
    def hungry(self) -> bool:
        """True while it would take one more."""


def doubt(consumers: int, waiting: int, *, hungry: bool, moved: bool) -> str | None:
    """Why a consumer seems gone, by what the broker says of its queue; None when it may be there.

    *waiting* messages are in nobody's hands; *moved* says that a delivery came since the last look.
    """
    if consumers == 0:
        return "the broker knows of no consumer"
    if waiting and hungry and not moved:
        return f"{waiting} messages wait, and none is delivered"
    return None


class Watchdog:
    """Watches over this process's consumers, one for each of *queues*.

    Where all was well for no moment of *patience_s*, though the broker could be reached, *give_up* is told
    why, once. *renewed* hears the queue of each session that begins anew. The time is counted in the ticks
    of `run`, so that a process that was frozen itself gives up nothing.
    """

    def __init__(
        self,
        queues: Iterable[str],
        give_up: Callable[[str], None],
        renewed: Callable[[str], None],
        every_s: float = _LOOK_EVERY_S,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._give_up = give_up
        self._renewed = renewed
        self._every_s = every_s
        self._patience_s = patience_s
        self._silent = dict.fromkeys(queues, 0)
        self._why: dict[str, str] = {}

    def excuse(self) -> None:
        """The broker cannot be reached, or does not let us work: a restart would not help."""
        self._silent = dict.fromkeys(self._silent, 0)

    async def run(self) -> NoReturn:
        """Gives up where nothing good is heard for too long."""
        while True:
            await asyncio.sleep(_TICK_S)
            for queue in self._silent:
                self._silent[queue] += 1
                if self._silent[queue] * _TICK_S == self._patience_s:
                    self._bark(queue)

    async def look_after(self, channel: Channel, queue: str, flow: Flow) -> NoReturn:
        """Looks again and again; raises `SessionOver` when the consumer of *queue* is not what it seems.

        *channel* has no other user: the look at a queue that is gone closes it.
        """
        before, doubts = flow.taken, 0
        while True:
            await asyncio.sleep(self._every_s)
            found = await channel.queue_declare(queue, passive=True, timeout=_TIMEOUT_S)
            unless_cancelled()
            counts = found.consumer_count or 0, found.message_count or 0
            why = doubt(*counts, hungry=flow.hungry, moved=flow.taken != before) if flow.consuming else None
            before, doubts = flow.taken, doubts + 1 if why else 0
            if why is None:
                self._silent[queue] = 0
                self._why.pop(queue, None)
            elif doubts == _DOUBTS:
                self._why[queue] = why
                self._renewed(queue)
                raise SessionOver(f"the consumer of {queue} is gone: {why}")

    def _bark(self, queue: str) -> None:
        why = self._why.get(queue, "its session does not begin or soon ends, see /readyz")
        reason = f"consumer watchdog gave up: {queue}: {why}, for {self._patience_s / 60:g} minutes"
        _log.error("broker.watchdog_gave_up", queue=queue, reason=reason)
        self._give_up(reason)
