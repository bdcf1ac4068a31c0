"""What follows from the rows of a queue item: which are its tries, what is news, and what is the end."""

from dataclasses import replace
from typing import Any

import pytest

from worker.domain.queues.transactions import (
    Known,
    Step,
    Transaction,
    is_settled,
    news,
    next_step,
    tries_of,
)

FIRST = Transaction(1, "KEY-1", "r", 31, "New")
NEW, BEGUN = Known(1, "New"), Known(1, "InProgress", "10:00")
UNSEEN = Known(None, "New")
RUNNING = replace(FIRST, status="InProgress", started_at="10:00")
TRIED, AGAIN = replace(FIRST, status="Retried"), replace(FIRST, id=2)
POSTPONED = replace(FIRST, deferred_until="11:00")


@pytest.mark.parametrize(
    ("known", "tries", "told"),
    [
        (NEW, [FIRST], []),
        (UNSEEN, [FIRST], []),
        (UNSEEN, [RUNNING], [RUNNING]),
        (NEW, [POSTPONED], []),
        (NEW, [RUNNING], [RUNNING]),
        (BEGUN, [RUNNING], []),
        (BEGUN, [replace(RUNNING, started_at="11:00")], [replace(RUNNING, started_at="11:00")]),
        (BEGUN, [POSTPONED], [POSTPONED]),
        (Known(1, "New", "11:00"), [POSTPONED], []),
        (BEGUN, [TRIED, AGAIN], [TRIED]),
        (Known(1, "Retried"), [TRIED, AGAIN], []),
        (Known(1, "Retried"), [TRIED, replace(AGAIN, status="Failed")], [replace(AGAIN, status="Failed")]),
        (Known(2, "InProgress", "10:00"), [RUNNING, replace(RUNNING, id=2)], []),
        (NEW, [TRIED, replace(RUNNING, id=2)], [TRIED, replace(RUNNING, id=2)]),
    ],
)
def test_what_is_news(known: Known, tries: list[Transaction], told: list[Transaction]) -> None:
    """Each status of each try once, in order; every try begins as New, which is none."""
    assert news(known, tries) == told


@pytest.mark.parametrize(
    ("key", "mine"),
    [("key-1", [1, 3]), ("KEY-2", [2]), ("KEY-9", []), (None, [1, 3])],
)
def test_which_rows_are_its_tries(key: str | None, mine: list[int]) -> None:
    """By the key in any case; without one, the oldest of its queue with all that have that key."""
    rows = [
        replace(FIRST, id=3),
        replace(FIRST, id=2, key="KEY-2"),
        FIRST,
        replace(FIRST, id=0, key="KEY-0", queue_id=32),
    ]
    assert [row.id for row in tries_of(rows, key, 31)] == mine


@pytest.mark.parametrize(
    ("known", "tries", "step"),
    [
        (NEW, [], Step.MISS),
        (replace(NEW, missing_since=1000), [], Step.KEEP),
        (replace(NEW, missing_since=400), [], Step.EXPIRE),
        (replace(NEW, missing_since=400), [FIRST], Step.FIND),
        (replace(NEW, missing_since=400), [RUNNING], Step.TELL),
        (NEW, [FIRST], Step.KEEP),
    ],
)
def test_the_next_step_of_an_item(known: Known, tries: list[Transaction], step: Step) -> None:
    """What is not to be seen has its time; what is there again is followed on."""
    assert next_step(known, tries, 1000, 600) is step


@pytest.mark.parametrize(
    ("more", "suspected", "settled"),
    [
        ({"status": "Failed"}, None, False),
        ({"status": "Failed"}, 1, True),
        ({"status": "Failed"}, 2, False),
        ({"status": "Failed", "exception": {"type": "BusinessException"}}, None, True),
        ({"status": "Failed", "exception": {"type": "ApplicationException"}}, None, False),
        ({"status": "Abandoned"}, None, False),
        ({"status": "Abandoned"}, 1, True),
        ({"status": "Successful"}, None, True),
        ({"status": "Deleted"}, None, True),
    ],
)
def test_which_end_is_none_yet(more: dict[str, Any], suspected: int | None, settled: bool) -> None:
    """Orchestrator may try again what failed for the application, and what was abandoned."""
    assert is_settled(replace(FIRST, **more), suspected) is settled
