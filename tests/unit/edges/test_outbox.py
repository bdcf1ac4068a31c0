"""What goes out is published until a queue has it: refused, come back or lost, it is said again."""

import asyncio
from typing import Any

import orjson
import pytest
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from worker.broker.confirms import Suspected
from worker.broker.connection import SessionOver
from worker.broker.outbox import Outbox
from worker.broker.topology import Topology
from worker.domain.events import Event, Sender
from worker.domain.failures import Overtaken
from worker.domain.messages import Message
from worker.domain.requests import Kind

EVENT = Event("job-created.v1", "job.created", "id-1", "urn:x", None, "2026-11-21T10:00:00Z", {}, Sender("r"))

LOST = SessionOver("the channel was lost before the confirm")
NOBODY: Any = None
RETURN: Any = Basic.Return(312, "NO_ROUTE", "", "p.tracking")
CAME_BACK = PublishError(DeliveredMessage(RETURN, ContentHeader(), b"", NOBODY), RETURN)
REFUSED = DeliveryError(None, Basic.Nack(1))
_VERBS = {
    "announce": (EVENT,),
    "track": ({"correlationId": None, "generation": 4},),
    "defer": (
        Message(body=b" {} \n", routing_key="p.stop"),
        Kind.STOP,
        30,
        {"jobrelay-attempt": 1},
        {"jobrelay-attempt": 1, "again": "yes"},
    ),
    "bury": (Message(body=b" {} \n"), {"jobrelay-code": "expired"}),
}


class Publisher:
    """The real one's promises: each publish is confirmed, or meets what the test says; it keeps them all."""

    def __init__(self, outbox: Outbox, *met: Exception) -> None:
        self.sent: list[tuple[bytes, dict[str, Any], bool]] = []
        self.places: list[tuple[str, str]] = []
        self.ends: list[str] = []
        self._met = list(met)
        self._outbox = outbox
        outbox._publisher = self  # type: ignore[assignment]
        outbox._opened.set()

    async def publish(
        self, exchange: str, key: str, body: bytes, properties: Basic.Properties, *, mandatory: bool
    ) -> None:
        """Keeps it; after a loss the next session opens in a second."""
        self.places.append((exchange, key))
        self.sent.append((body, dict(properties.headers or {}), mandatory))
        if self._met:
            met = self._met.pop(0)
            if met is LOST:
                asyncio.get_running_loop().call_later(1, self._outbox._opened.set)
            raise met

    def end(self, why: str) -> None:
        """The session is to end."""
        self.ends.append(why)


def _outbox(*met: Exception) -> tuple[Outbox, Publisher]:
    outbox = Outbox(Topology("p"), lambda: None, lambda *_: None)
    return outbox, Publisher(outbox, *met)


_WHY = {LOST: "lost", CAME_BACK: "returned", REFUSED: "refused"}
_WHERE = {"announce": "events", "track": "tracking", "defer": "delay", "bury": "dead"}


@pytest.mark.parametrize("met", [LOST, CAME_BACK, REFUSED], ids=["lost", "came back", "refused"])
@pytest.mark.parametrize("verb", _VERBS)
async def test_what_was_not_confirmed_is_said_again(verb: str, met: Exception) -> None:
    """Invariant 1: nobody may rely on it before; and nothing spins."""
    outbox, publisher = _outbox(met)
    told: list[tuple[str, str | None, float]] = []
    outbox._heard = lambda *publish: told.append(publish)
    began = asyncio.get_running_loop().time()
    await getattr(outbox, verb)(*_VERBS[verb])
    assert [publish[:2] for publish in told] == [(_WHERE[verb], _WHY[met]), (_WHERE[verb], None)]
    first, second = (body for body, _, _ in publisher.sent)
    doubled = verb == "track" and met is LOST
    assert orjson.loads(second).get("generation") == 5 if doubled else first == second
    assert asyncio.get_running_loop().time() - began >= 1
    assert len(publisher.ends) == (met is CAME_BACK), "it is declared anew with the next session"


@pytest.mark.parametrize("verb", ["announce", "bury", "track"])
async def test_what_is_no_longer_wanted_is_not_said_again(verb: str) -> None:
    """While the connection was away somebody else got the message, and may have said something else."""
    outbox, publisher = _outbox(LOST)
    with pytest.raises(Overtaken):
        await getattr(outbox, verb)(*_VERBS[verb], lambda: not publisher.sent)
    assert len(publisher.sent) == 1


@pytest.mark.parametrize("verb", _VERBS)
async def test_what_must_not_be_dropped_has_to_find_a_queue(verb: str) -> None:
    """A missing queue is told; only an event may be of interest to nobody."""
    outbox, publisher = _outbox()
    await getattr(outbox, verb)(*_VERBS[verb])
    ((body, _, mandatory),) = publisher.sent
    assert mandatory is (verb != "announce")
    if verb in ("defer", "bury"):
        assert body == b" {} \n"


async def test_a_deferral_that_may_be_there_already_is_repeated_as_the_second_of_two() -> None:
    """Its window covers the first: else both would start the request."""
    outbox, publisher = _outbox(LOST, LOST)
    await outbox.defer(*_VERBS["defer"])  # type: ignore[arg-type]
    assert ["again" in headers for _, headers, _ in publisher.sent] == [False, True, True]


async def test_a_deferral_goes_by_the_key_of_its_kind() -> None:
    """A delay queue keeps it, and so the request comes back to the queue it was in, however it got there."""
    outbox, publisher = _outbox()
    await outbox.defer(*_VERBS["defer"])  # type: ignore[arg-type]
    assert publisher.places == [("p.delay.30s", "job.stop")]


async def test_what_the_broker_will_not_have_even_bare_is_tried_alone_and_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event has nothing that could be left out: it is kept and tried again, on no channel of others."""
    outbox, publisher = _outbox(LOST, Suspected("406"))
    alone: list[float] = []

    async def publish_alone(_connection: object, _timeout_s: float, _publish: object) -> None:
        alone.append(asyncio.get_running_loop().time())
        raise Suspected("406")

    connection: Any = object()
    outbox._connection = connection
    monkeypatch.setattr("worker.broker.outbox.publish_alone", publish_alone)
    async with asyncio.TaskGroup() as tasks:
        parts = [tasks.create_task(part) for part in (outbox.announce(EVENT), _reopened(outbox))]
        await asyncio.sleep(600)
        for task in parts:
            task.cancel()
    assert len(publisher.sent) == 2
    assert 15 < len(alone) < 40


async def _reopened(outbox: Outbox) -> None:
    while True:
        await asyncio.sleep(1)
        outbox._opened.set()
