"""A topology that the broker cannot or will not have is told by the name of what stands in the way."""

from typing import Any

import pytest
from aiormq.exceptions import ChannelPreconditionFailed, ConnectionInternalError

from worker.broker.topology import NotDeclared, Topology, TopologyMismatch, _declare_on
from worker.domain.requests import Kind

NAMES = Topology("p")


class Channel:
    """Declares everything but the tracking queue."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def exchange_declare(self, *_: Any, **__: Any) -> None:
        """Is declared."""

    async def queue_bind(self, *_: Any, **__: Any) -> None:
        """Is bound."""

    async def queue_declare(self, name: str, **_: Any) -> None:
        """Fails for one."""
        if name == NAMES.tracking:
            raise self._error


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (ConnectionInternalError("INTERNAL_ERROR"), NotDeclared, "INTERNAL_ERROR"),
        (TimeoutError(), NotDeclared, "no answer in time"),
        (ChannelPreconditionFailed("inequivalent arg"), TopologyMismatch, "inequivalent arg"),
    ],
    ids=["down", "silent", "another"],
)
async def test_what_cannot_be_declared_is_named(error: Exception, raised: type[Exception], said: str) -> None:
    """RabbitMQ 3.10 may lose a queue if killed right after its creation: an operator must know which."""
    channel: Any = Channel(error)
    with pytest.raises(raised, match=rf"queue p\.tracking .*{said}"):
        await _declare_on(channel, NAMES)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_request_reaches_its_queue_and_the_audit(kind: Kind) -> None:
    """From its sender and from the delay queues, by the same key; the audit keeps what its sender sent."""
    to = {(b.exchange, b.queue) for b in NAMES.bindings() if b.key == kind}
    queue = NAMES.of_requests()[kind]
    assert to == {("p.requests", queue), ("p.retry", queue), ("p.requests", "p.audit")}
    (declared,) = [each for each in NAMES.queues() if each.name == queue]
    assert declared.arguments == next(each for each in NAMES.queues() if each.name == "p.start").arguments
