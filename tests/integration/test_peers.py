"""What trackers have in common, on a real broker: hints reach all of them, a lease has one holder."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection
from station import station
from working import until
from yarl import URL

from worker.broker.connection import LOSSES, unless_cancelled
from worker.broker.peers.hints import Hints
from worker.broker.peers.lease import Leases
from worker.broker.topology import Topology
from worker.domain.policy.custody import Custody

_WITHIN_S = 10.0


@dataclass
class Peer:
    """A worker's connection, with hints and leases on it."""

    connection: AbstractConnection
    hints: Hints
    leases: Leases


@asynccontextmanager
async def peer(url: str, prefix: str, user: str | None = None) -> AsyncIterator[Peer]:
    """One whose sessions have begun. A session whose channel is gone begins anew."""
    up: list[str] = []
    custody = Custody(user or _user(url))
    hints = Hints(Topology(prefix), custody, lambda: up.append("listens"), lambda: up.append("sends"))
    leases = Leases(prefix, lambda: up.append("leases"))
    async with await aio_pika.connect(url) as connection, asyncio.TaskGroup() as tasks:
        sessions: list[Callable[[AbstractConnection], Awaitable[None]]] = [
            hints.listening, hints.sending, leases.session,
        ]  # fmt: skip

        async def held(session: Callable[[AbstractConnection], Awaitable[None]]) -> None:
            while not connection.is_closed:
                with suppress(*LOSSES):
                    await session(connection)
                unless_cancelled()

        for session in sessions:
            tasks.create_task(held(session))
        await until(lambda: len(up) == len(sessions), "the sessions have begun")
        yield Peer(connection, hints, leases)
        await connection.close()


@pytest.fixture
async def declared(amqp_url: str, prefix: str) -> AsyncIterator[str]:
    """A prefix whose topology is there."""
    async with station(amqp_url, prefix):
        yield prefix


async def test_a_hint_reaches_every_tracker(amqp_url: str, declared: str) -> None:
    """Also the one that sends it; and who asks gets his answer."""
    async with peer(amqp_url, declared) as one, peer(amqp_url, declared) as other, asyncio.timeout(_WITHIN_S):
        one.hints.send({"kind": "look", "jobs": ["a"]})
        heard = [await anext(aiter(each.hints)) for each in (one, other)]
        assert [hint.document for hint in heard] == [{"kind": "look", "jobs": ["a"]}] * 2


def _user(url: str) -> str:
    return URL(url).user or ""


async def _hints(to: Peer, prefix: str, document: Any, **properties: Any) -> None:
    async with to.connection.channel() as channel:
        exchange = await channel.get_exchange(Topology(prefix).hints, ensure=False)
        await exchange.publish(aio_pika.Message(json.dumps(document).encode(), **properties), "")


async def test_of_whom_the_broker_does_not_vouch_for_only_questions_are_heard(
    amqp_url: str, declared: str
) -> None:
    """Operators may write to `P.hints`, so that they can ask: nobody but a worker can say what counts."""
    async with peer(amqp_url, declared) as one, asyncio.timeout(_WITHIN_S):
        for document in ({"kind": "generation"}, ["list"], None, {"kind": "list"}):
            await _hints(one, declared, document)
        await _hints(one, declared, {"kind": "look"}, user_id=_user(amqp_url))
        heard = [(await anext(aiter(one.hints))).document for _ in range(2)]
        assert heard == [{"kind": "list"}, {"kind": "look"}]
    async with peer(amqp_url, declared, "another") as other, asyncio.timeout(_WITHIN_S):
        await _hints(other, declared, {"kind": "look"}, user_id=_user(amqp_url))
        await _hints(other, declared, {"kind": "list"})
        assert (await anext(aiter(other.hints))).document == {"kind": "list"}


async def test_hints_go_under_the_name_by_which_the_broker_knows_us(amqp_url: str, declared: str) -> None:
    """Also where that is not the one in the URL: it says so when it refuses that."""
    async with peer(amqp_url, declared, "another") as one, asyncio.timeout(_WITHIN_S):
        heard = None
        while heard is None:
            one.hints.send({"kind": "look"})
            with suppress(TimeoutError):
                heard = await asyncio.wait_for(anext(aiter(one.hints)), 0.2)
        assert heard.document == {"kind": "look"}


async def test_no_answer_goes_into_a_queue_of_jobrelays_own(amqp_url: str, declared: str) -> None:
    """Whoever may ask could write into any of them by that."""
    async with (
        peer(amqp_url, declared) as one,
        one.connection.channel() as channel,
        asyncio.timeout(_WITHIN_S),
    ):
        theirs = await channel.declare_queue(exclusive=True)
        ours = await channel.declare_queue(f"{declared}.of-jobrelay", exclusive=True)
        for queue in (ours, theirs):
            await _hints(one, declared, {"kind": "list"}, reply_to=queue.name)
            one.hints.reply(await anext(aiter(one.hints)), {"kind": "listed"})
        while await theirs.get(fail=False) is None:
            pass
        assert await ours.get(fail=False) is None


async def test_a_lease_whose_name_no_queue_can_have_is_not_to_be_had(amqp_url: str, declared: str) -> None:
    """It is a lease as any other that somebody else holds: nobody ends by it."""
    async with peer(amqp_url, declared) as one, asyncio.timeout(_WITHIN_S):
        assert not await one.leases.take("scan.1" + 300 * "0")
        assert await one.leases.take("scan.1")


async def test_a_lease_has_one_holder_and_ends_with_it(amqp_url: str, declared: str) -> None:
    """Released or lost with its connection, the next one gets it."""
    async with peer(amqp_url, declared) as heir, asyncio.timeout(_WITHIN_S):
        async with peer(amqp_url, declared) as holder:
            assert await holder.leases.take("scan.1")
            assert not await heir.leases.take("scan.1")
            assert await heir.leases.take("scan.2")
            assert (holder.leases.held("scan.1"), heir.leases.held("scan.1")) == (True, False)
            await holder.leases.release("scan.1")
            assert await heir.leases.take("scan.1")
            await heir.leases.release("scan.1")
            assert await holder.leases.take("scan.1")
        while not await heir.leases.take("scan.1"):
            pass
