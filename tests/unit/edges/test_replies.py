"""A reply that is never confirmed holds up none of the others, and each that may be lost is counted."""

import asyncio
from typing import Any

from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from worker.broker.address import Address
from worker.broker.replies import Replies
from worker.domain.events import Event, Sender

EVENT = Event("job-created.v1", "job.created", "id-1", "urn:x", None, "2026-11-21T10:00:00Z", {}, Sender("r"))


async def test_a_queue_that_never_confirms_holds_up_no_other() -> None:
    """Nor does one that is full: only their own replies count as lost."""
    confirmed: list[str] = []
    lost: list[None] = []

    class Publisher:
        async def publish(self, _exchange: str, queue: str, *_: Any, mandatory: bool) -> None:
            if queue == "stuck":
                await asyncio.Event().wait()
            if queue == "full" or mandatory:
                raise DeliveryError(None, Basic.Nack(1))
            confirmed.append(queue)

    replies: Any = Replies(Address("amqp://h/"), 5, lambda: lost.append(None))
    for queue in ("stuck", "full", "good"):
        replies.send(queue, b"{}", EVENT)
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(replies._send_all(Publisher()))
        await asyncio.sleep(1)
        assert (confirmed, len(lost)) == (["good"], 1)
        sending.cancel()
    assert len(lost) == 2
