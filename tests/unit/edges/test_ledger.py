"""The ledger of this process: what is in doubt and what was started is remembered, within a bound."""

from dataclasses import replace

import pytest

from worker.domain.requests import Entry
from worker.ledger.memory import MemoryLedger

MINE = Entry("me", "sha", "m-1", settled=False, safe_at=100.0)
OTHERS = replace(MINE, owner="other")


async def test_what_is_settled_is_known_with_its_message() -> None:
    """Nothing else is, in no other case of letters."""
    ledger = MemoryLedger()
    await ledger.settle("inc-1", MINE)
    assert await ledger.known("inc-1") == replace(MINE, settled=True)
    assert await ledger.known("INC-1") is None


@pytest.mark.parametrize(
    ("stands", "over", "granted"),
    [
        pytest.param(None, None, True, id="nothing is entered"),
        pytest.param(MINE, None, True, id="my own entry"),
        pytest.param(OTHERS, None, False, id="somebody else's"),
        pytest.param(OTHERS, "other", True, id="one whose POST is disproved"),
        pytest.param(OTHERS, "another", False, id="it is not the one that is disproved"),
        pytest.param(replace(MINE, settled=True), "me", False, id="settled is final"),
    ],
)
async def test_a_claim(stands: Entry | None, over: str | None, granted: bool) -> None:
    """It is granted, or the entry in the way is given, which stays as it was."""
    ledger = MemoryLedger()
    if stands is not None:
        await (ledger.settle("r", stands) if stands.settled else ledger.claim("r", stands, over=None))
    later = replace(MINE, safe_at=200.0)
    assert await ledger.claim("r", later, over=over) == (None if granted else stands)
    assert await ledger.known("r") == (later if granted else stands)


@pytest.mark.parametrize(("owner", "left"), [("other", False), ("me", True)])
async def test_only_its_owner_releases_an_entry(owner: str, left: bool) -> None:
    """Nothing was sent, as far as that one knows."""
    ledger = MemoryLedger()
    await ledger.claim("r", OTHERS, over=None)
    await ledger.release("r", owner)
    assert (await ledger.known("r") is not None) == left


async def test_what_is_settled_is_not_released() -> None:
    """A start is final."""
    ledger = MemoryLedger()
    await ledger.settle("r", MINE)
    await ledger.release("r", "me")
    assert await ledger.known("r")


async def test_the_oldest_is_forgotten_beyond_the_bound() -> None:
    """The look-up by Reference stands behind it; memory does not grow."""
    ledger = MemoryLedger(most=3)
    for n in range(100):
        await ledger.settle(f"inc-{n}", MINE)
    assert [n for n in range(100) if await ledger.known(f"inc-{n}")] == [97, 98, 99]


async def test_a_start_told_twice_takes_one_place() -> None:
    """And is as young as its last telling."""
    ledger = MemoryLedger(most=2)
    for name in ("a", "b", "a", "c"):
        await ledger.settle(name, MINE)
    assert [name for name in "abc" if await ledger.known(name)] == ["a", "c"]
