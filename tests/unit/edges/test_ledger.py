"""The ledger of this process is bounded; tests/ledger has what it promises like any other."""

from worker.domain.requests import Entry
from worker.ledger.memory import MemoryLedger

MINE = Entry("me", "sha", "m-1", settled=False, safe_at=100.0)


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
