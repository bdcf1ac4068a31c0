"""What every ledger promises, the one in memory and the one in Redis, here and for another replica."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from replicas import MINE, OTHERS, new_prefix, replica, same

from simulator.redis import PrivateRedis
from worker.domain.requests import LIFE, Entry
from worker.ledger.memory import MemoryLedger
from worker.pipeline.ports import Ledger

SETTLED = replace(MINE, settled=True)
STOPPED = Entry("stop-1", "", None, settled=False, safe_at=time.time() + 3600, cancelled=True)
LATE = replace(OTHERS, safe_at=time.time() + 3000)
MET = replace(STOPPED, fingerprint="sha", message_id="m-1")


@dataclass(frozen=True, slots=True)
class Pair:
    """A ledger, and the same as another replica sees it (there is none for the one in memory)."""

    here: Ledger
    there: Ledger


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.requires("redis-server"))])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Both kinds, empty."""
    if request.param == "memory":
        ledger = MemoryLedger()
        yield Pair(ledger, ledger)
        return
    server: PrivateRedis = request.getfixturevalue("redis_server")
    prefix = new_prefix()
    async with replica(server.url, prefix) as one, replica(server.url, prefix) as other:
        yield Pair(one.ledger, other.ledger)
        assert (one.alone, other.alone) == ([], [])


async def test_what_is_settled_is_known_with_its_message(pair: Pair) -> None:
    """Nothing else is, in no other case of letters; there need be no message id."""
    await pair.here.settle("inc-1", MINE)
    await pair.here.settle("inc-2", replace(MINE, message_id=None, owner="you"))
    for ledger in (pair.here, pair.there):
        assert same(await ledger.known("inc-1"), SETTLED)
        assert same(await ledger.known("inc-2"), replace(SETTLED, message_id=None, owner="you"))
        assert await ledger.known("INC-1") is None


@pytest.mark.parametrize(
    ("stands", "over", "granted"),
    [
        pytest.param(None, None, True, id="nothing is entered"),
        pytest.param(MINE, None, True, id="my own entry"),
        pytest.param(OTHERS, None, False, id="somebody else's"),
        pytest.param(OTHERS, "other", True, id="one whose POST is disproved"),
        pytest.param(OTHERS, "another", False, id="it is not the one that is disproved"),
        pytest.param(SETTLED, "me", False, id="settled is final"),
        pytest.param(STOPPED, None, False, id="cancelled"),
        pytest.param(MET, None, False, id="cancelled, and met"),
        pytest.param(MET, "stop-1", True, id="cancelled, and met by another message"),
    ],
)
async def test_a_claim(pair: Pair, stands: Entry | None, over: str | None, granted: bool) -> None:
    """It is granted, or the entry in the way is given, which stays as it was."""
    await _enter(pair.here, stands)
    later = replace(MINE, safe_at=200.0)
    assert same(await pair.there.claim("r", later, over=over), None if granted else stands)
    for ledger in (pair.there, pair.here):
        assert same(await ledger.known("r"), later if granted else stands)


@pytest.mark.parametrize(
    ("stands", "tombstone", "over", "left"),
    [
        pytest.param(None, STOPPED, None, STOPPED, id="nothing is entered"),
        pytest.param(OTHERS, STOPPED, None, OTHERS, id="a POST may be under way"),
        pytest.param(OTHERS, STOPPED, "other", STOPPED, id="its POST is disproved"),
        pytest.param(LATE, STOPPED, "other", LATE, id="its POST may still commit"),
        pytest.param(SETTLED, STOPPED, "me", SETTLED, id="settled is final"),
        pytest.param(STOPPED, MET, None, MET, id="it has met its request"),
        pytest.param(MET, STOPPED, None, MET, id="the same stop request again"),
        pytest.param(MET, replace(STOPPED, owner="s-2"), None, replace(STOPPED, owner="s-2"), id="another"),
    ],
)
async def test_a_tombstone(
    pair: Pair, stands: Entry | None, tombstone: Entry, over: str | None, left: Entry
) -> None:
    """It takes the place of nothing that may have been sent; that is given, and stays as it was."""
    await _enter(pair.here, stands)
    inside = None if left.cancelled else left
    assert same(await pair.there.cancel("r", tombstone, over=over), inside)
    for ledger in (pair.here, pair.there):
        assert same(await ledger.known("r"), left)


async def test_a_tombstone_is_forgotten(pair: Pair) -> None:
    """At its time, and with all that it was in the way of; a start is settled over it at any."""
    await pair.here.cancel("r", replace(STOPPED, safe_at=time.time() - 0.001), over=None)
    await pair.here.cancel("s", STOPPED, over=None)
    await pair.here.settle("s", MINE)
    assert same(await pair.there.known("s"), SETTLED)
    assert await pair.there.known("r") is None
    assert await pair.there.claim("r", MINE, over=None) is None


async def _enter(ledger: Ledger, stands: Entry | None) -> None:
    if stands is None:
        return
    if stands.settled:
        await ledger.settle("r", stands)
    else:
        await (ledger.cancel if stands.cancelled else ledger.claim)("r", stands, over=None)


async def test_a_claim_moves_the_time_of_its_owner(pair: Pair) -> None:
    """The owner knows best until when its POST may commit, further off or nearer."""
    for safe_at in (100.0, 5_000.0, 300.0):
        mine = replace(MINE, safe_at=safe_at)
        assert await pair.here.claim("r", mine, over=None) is None
        assert same(await pair.there.known("r"), mine)


@pytest.mark.parametrize(("owner", "left"), [("other", False), ("me", True)])
async def test_only_its_owner_releases_an_entry(pair: Pair, owner: str, left: bool) -> None:
    """Nothing was sent, as far as that one knows."""
    await pair.here.claim("r", OTHERS, over=None)
    await pair.here.release("r", owner)
    for ledger in (pair.here, pair.there):
        assert (await ledger.known("r") is not None) == left


async def test_what_is_settled_is_not_released(pair: Pair) -> None:
    """A start is final, and so is what another replica says of it."""
    await pair.here.settle("r", MINE)
    for ledger in (pair.here, pair.there):
        await ledger.release("r", "me")
        assert await ledger.known("r")


async def test_a_start_is_settled_over_whatever_is_entered(pair: Pair) -> None:
    """The jobs exist: that is more than any doubt."""
    await pair.there.claim("r", OTHERS, over=None)
    await pair.here.settle("r", MINE)
    for ledger in (pair.here, pair.there):
        assert same(await ledger.known("r"), SETTLED)


@pytest.mark.parametrize("over", [None, "other"])
async def test_of_two_that_claim_at_once_one_is_granted(pair: Pair, over: str | None) -> None:
    """So it is with the entry of one who is gone: it is taken over once, and the other hears by whom."""
    names = [f"r-{n}" for n in range(50)]
    if over:
        await asyncio.gather(*(pair.here.claim(name, OTHERS, over=None) for name in names))
    you = replace(MINE, owner="you")
    claims = [
        asyncio.gather(pair.here.claim(name, MINE, over=over), pair.there.claim(name, you, over=over))
        for name in names
    ]
    for mine, yours in await asyncio.gather(*claims):
        (stands,) = filter(None, (mine, yours))
        assert stands.owner == ("you" if yours is None else "me")


async def test_any_text_is_kept_as_it_is(pair: Pair) -> None:
    """A sender's ids are his own: long, strange, even no valid Unicode."""
    strange = replace(MINE, message_id="\udcff {x}\r\n\0 ü" * 50)
    await pair.here.settle("a b\r\n*\udcff", strange)
    assert same(await pair.there.known("a b\r\n*\udcff"), replace(strange, settled=True))


async def test_a_refusal_that_is_being_told_is_kept_until_it_is(pair: Pair) -> None:
    """Of two that are about to tell one, the second is given the first one's."""
    telling = replace(MINE, refusal='{"detail": "ü"}')
    assert await pair.here.claim(f"{LIFE}a", telling, over=None) is None
    stands = await pair.there.claim(f"{LIFE}a", replace(OTHERS, refusal="{}"), over=None)
    assert stands is not None
    assert same(stands, telling)
    await pair.there.settle(f"{LIFE}a", OTHERS)
    assert same(await pair.here.known(f"{LIFE}a"), replace(OTHERS, settled=True))


async def test_another_life_of_a_message_is_nobodys_memory(pair: Pair) -> None:
    """Also not of the replica that told how the first one ended."""
    await pair.here.settle(f"{LIFE}a", MINE)
    assert await pair.there.known(f"{LIFE}a") is not None
    await pair.there.forget(f"{LIFE}a")
    assert (await pair.here.known(f"{LIFE}a"), await pair.there.known(f"{LIFE}a")) == (None, None)
