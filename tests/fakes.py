"""Stand-ins for the pipeline's ports. Each keeps the promises of the real one, and does what a test tells it.

Deliveries and the outbox of one test write into one *journal*, so that it tells what came before what.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from worker.domain.events import Event
from worker.domain.failures import Overtaken
from worker.domain.messages import Message

NOW = 1_795_000_000.0


class Clock:
    """Wall-clock seconds: *now* and what the loop has slept; a test may set *now*."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        """Now."""
        try:
            return self.now + asyncio.get_running_loop().time()
        except RuntimeError:
            return self.now


class Delivery:
    """A message in hand: `settled` tells how it ended. Nothing is settled twice, or after its channel."""

    def __init__(self, message: Message, journal: list[str] | None = None) -> None:
        self.message = message
        self.is_open = True
        self.settled: list[str] = []
        self._journal = [] if journal is None else journal

    @property
    def receipt(self) -> "Delivery":
        """Settles it."""
        return self

    def ack(self) -> None:
        """Settles it for good."""
        self._settle("ack")

    def give_back(self) -> None:
        """Returns it to its queue."""
        self._settle("give back")

    def lose(self) -> None:
        """Closes its channel: the broker has given the message to somebody else."""
        self.is_open = False

    def again(self, **properties: Any) -> "Delivery":
        """The same message, delivered again by the broker."""
        return Delivery(replace(self.message, redelivered=True, **properties), self._journal)

    def _settle(self, how: str) -> None:
        if self.is_open and not self.settled:
            self.settled.append(how)
            self._journal.append(how)


class Outbox:
    """Takes every message, in order; `hold(verb)` delays its confirms, `break_next(verb)` fails one."""

    def __init__(self, journal: list[str] | None = None) -> None:
        self.journal: list[str] = [] if journal is None else journal
        self.events: list[Event] = []
        self.tracked: list[dict[str, Any]] = []
        self.deferred: list[tuple[Message, int, dict[str, Any]]] = []
        self.kinds: list[str] = []
        self.again: list[dict[str, Any]] = []
        self.buried: list[tuple[Message, dict[str, Any]]] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._broken: dict[str, Exception] = {}

    async def announce(self, event: Event, wanted: Callable[[], bool] | None = None) -> None:
        """Publishes an event."""
        await self._confirmed("announce", wanted)
        self.events.append(event)

    async def track(self, document: Mapping[str, Any], wanted: Callable[[], bool] | None = None) -> None:
        """Puts a job into the set of jobs in flight."""
        await self._confirmed("track", wanted)
        self.tracked.append(dict(document))

    async def defer(
        self, message: Message, kind: str, seconds: int, headers: Mapping[str, Any], again: Mapping[str, Any]
    ) -> None:
        """Sends a request round a delay queue. No confirm is lost here, so that *again* is never sent."""
        await self._confirmed("defer")
        self.deferred.append((message, seconds, dict(headers)))
        self.kinds.append(kind)
        self.again.append(dict(again))

    async def bury(
        self, message: Message, headers: Mapping[str, Any], wanted: Callable[[], bool] | None = None
    ) -> None:
        """Keeps a message in the dead letters."""
        await self._confirmed("bury", wanted)
        self.buried.append((message, dict(headers)))

    def hold(self, verb: str) -> asyncio.Event:
        """Confirms no *verb* until the returned event is set."""
        return self._gates.setdefault(verb, asyncio.Event())

    def break_next(self, verb: str, error: Exception) -> None:
        """Raises *error* from the next *verb*."""
        self._broken[verb] = error

    def keys(self) -> list[str]:
        """The routing keys of all events, in order."""
        return [event.routing_key for event in self.events]

    def comes_back(self) -> Delivery:
        """The message that was deferred last, as its delay queue brings it back."""
        message, _, headers = self.deferred[-1]
        headers = {**message.headers, **headers}
        return Delivery(replace(message, headers=headers, redelivered=False), self.journal)

    async def _confirmed(self, verb: str, wanted: Callable[[], bool] | None = None) -> None:
        if verb in self._gates:
            await self._gates[verb].wait()
        await asyncio.sleep(0)
        if wanted is not None and not wanted():
            raise Overtaken
        if verb in self._broken:
            raise self._broken.pop(verb)
        self.journal.append(verb)


class Telemetry:
    """Keeps what it is told of requests."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.ages: list[float | None] = []
        self.times: list[float] = []
        self.in_hand: set[str] = set()
        self.most_in_hand = 0
        self.surplus_jobs = 0
        self.defects = 0

    @property
    def deferrals(self) -> list[str]:
        """Why requests were deferred."""
        return [code for outcome, code in self.outcomes if outcome == "deferred"]

    def taken(self, owner: str) -> None:
        """A request is in hand now."""
        self.in_hand.add(owner)
        self.most_in_hand = max(self.most_in_hand, len(self.in_hand))

    def let_go(self, owner: str) -> None:
        """It is not any more."""
        self.in_hand.discard(owner)

    def created(self, seconds_since_published: float | None) -> None:
        """The jobs of a request are announced."""
        self.ages.append(seconds_since_published)

    def settled(self, outcome: str, code: str, seconds_in_hand: float) -> None:
        """A request was settled."""
        self.outcomes.append((outcome, code))
        self.times.append(seconds_in_hand)

    def duplicates(self, jobs: int) -> None:
        """A request has *jobs* more than it should."""
        self.surplus_jobs += jobs

    def defect(self) -> None:
        """An error of ours gave a request back."""
        self.defects += 1


async def feed(deliveries: Iterable[Delivery]) -> AsyncIterator[Delivery]:
    """An inbox that holds *deliveries* and ends."""
    for delivery in deliveries:
        yield delivery
