"""The ledger of this process: what was started is remembered, within a bound."""

from worker.ledger.memory import MemoryLedger


async def test_a_start_is_remembered_with_its_message() -> None:
    """Nothing else is."""
    ledger = MemoryLedger()
    await ledger.remember("inc-1", "sha", "m-1")
    await ledger.remember("inc-2", "sha", None)
    assert await ledger.started("inc-1") == ("sha", "m-1")
    assert await ledger.started("inc-2") == ("sha", None)
    assert await ledger.started("INC-1") is None


async def test_the_oldest_is_forgotten_beyond_the_bound() -> None:
    """The look-up by Reference stands behind it; memory does not grow."""
    ledger = MemoryLedger(most=3)
    for n in range(100):
        await ledger.remember(f"inc-{n}", "sha", None)
    assert [n for n in range(100) if await ledger.started(f"inc-{n}")] == [97, 98, 99]


async def test_a_start_told_twice_takes_one_place() -> None:
    """And is as young as its last telling."""
    ledger = MemoryLedger(most=2)
    for name in ("a", "b", "a", "c"):
        await ledger.remember(name, "sha", None)
    assert [name for name in "abc" if await ledger.started(name)] == ["a", "c"]
