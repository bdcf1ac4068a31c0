"""The life of a token: made once, renewed in time, replaced when it is refused."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from stub_server import settings

from worker.domain.failures import Later, Unavailable
from worker.orchestrator.auth import Auth, grant_of, token_of
from worker.orchestrator.wire import Call, Reply

REFUSED = Reply(401, {}, b"")


class Endpoint:
    """A token endpoint in memory: gives token-1, token-2, … or fails as long as it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.failing = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, _call: Call, _headers: Any, _body: bytes | None) -> Reply:
        self.calls += 1
        mine = self.calls
        await self.gate.wait()
        if self.failing:
            raise Unavailable(Later.UNREACHABLE, "no identity server", outage=True)
        return Reply(200, {}, json.dumps({"access_token": f"token-{mine}", "expires_in": 3600}).encode())


class Times:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_token_is_renewed_five_minutes_before_it_expires() -> None:
    """By the next caller; and those who come meanwhile go on with the old one."""
    endpoint, clock = Endpoint(), Times()
    auth = Auth(settings("http://h"), endpoint.send, clock)
    first = await auth.current()
    clock.now += 3299
    assert await auth.current() is first
    clock.now += 2
    endpoint.gate.clear()
    async with asyncio.TaskGroup() as group:
        renewing = group.create_task(auth.current())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await auth.current() is first
        endpoint.gate.set()
    assert renewing.result().text == "token-2"
    assert (await auth.current()).text == "token-2"
    assert endpoint.calls == 2


def test_a_short_token_is_renewed_after_four_fifths_of_its_life() -> None:
    """Five minutes or a fifth, whichever is less; a life that is not told is half an hour."""
    grant = grant_of(settings("http://h"))
    short = token_of(grant, Reply(200, {}, b'{"access_token":"t","expires_in":100}'), now=0)
    assert (short.renew_at, short.expires_at) == (80, 100)
    unknown = token_of(grant, Reply(200, {}, b'{"access_token":"t"}'), now=0)
    assert (unknown.renew_at, unknown.expires_at) == (1500, 1800)


async def test_a_renewal_that_fails_is_not_felt_while_the_old_token_is_good() -> None:
    """And is tried again only ten seconds later; once the token has expired, the failure is felt."""
    endpoint, clock = Endpoint(), Times()
    auth = Auth(settings("http://h"), endpoint.send, clock)
    first = await auth.current()
    endpoint.failing = True
    clock.now += 3400
    assert [await auth.current() for _ in range(5)] == [first] * 5
    assert endpoint.calls == 2
    clock.now += 11
    assert await auth.current() is first
    assert endpoint.calls == 3
    clock.now += 200
    with pytest.raises(Unavailable):
        await auth.current()


async def test_a_cancelled_caller_does_not_cancel_the_others() -> None:
    """The one who asks for the token goes away; the next one does it instead."""
    endpoint = Endpoint()
    endpoint.gate.clear()
    auth = Auth(settings("http://h"), endpoint.send)
    asking = asyncio.ensure_future(auth.current())  # noqa: TID251 - cancelled below
    waiting = [asyncio.ensure_future(auth.current()) for _ in range(10)]  # noqa: TID251
    await asyncio.sleep(0)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    endpoint.gate.set()
    tokens = await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert {token.text for token in tokens} == {"token-2"}


async def test_only_the_token_that_was_refused_is_dropped() -> None:
    """A hundred calls with an expired token renew it once: who comes late gets the new one."""
    endpoint = Endpoint()
    auth = Auth(settings("http://h"), endpoint.send)
    old = await auth.current()
    renewed = await asyncio.gather(*(auth.renewed(old, REFUSED) for _ in range(100)))
    assert {token.text for token in renewed} == {"token-2"}
    assert (await auth.renewed(old, REFUSED)).text == "token-2"
    assert endpoint.calls == 2
