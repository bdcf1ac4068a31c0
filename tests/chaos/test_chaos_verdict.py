"""The verdict of chaos: it sees what is lost, doubled and untrue, and excuses only what it must."""

from typing import Any

import pytest

from chaos.ledger.course import Amiss, Told, amiss
from chaos.ledger.history import History
from chaos.ledger.verdict import Batch, Kind, Story, judge
from chaos.load.asks import ADD, Ask

_TOLD = {1: frozenset({"e1"})}
_RUNS, _ENDS = Told("t0", "Running", "Pending"), Told("t1", "Successful", "Running")
_ENDED = {1: (_RUNS, _ENDS)}
_ONE, _TWO = Batch((1,), 100.0), Batch((2,), 101.0)
_BOTH = _TOLD | {2: frozenset({"e2"})}
_BOTH_ENDED = _ENDED | {2: (Told("t2", "Stopped", "Pending"),)}
_TWICE = {"batches": (_ONE, _TWO), "created": _BOTH, "courses": _BOTH_ENDED}
_ONCE = {"batches": (_ONE,), "created": _TOLD, "courses": _ENDED}
_NO = ("orchestrator_refused", 99.0)

_CASES = {
    "started, told, ended": (_ONCE, Kind.STARTED),
    "refused by Orchestrator": ({"rejections": (_NO,)}, Kind.REJECTED),
    "bad, and refused as such": ({"expects": "expired", "rejections": (("expired", 1.0),)}, Kind.REJECTED),
    "bad, and Orchestrator failed": ({"expects": "expired", "rejections": (_NO,)}, Kind.REJECTED),
    "a dead letter in doubt": ({"letters": ("outcome_unknown",)}, Kind.PARKED),
    "never confirmed, nothing came of it": ({"acknowledged": False}, Kind.NOT_TAKEN),
    "never confirmed, yet started": ({**_ONCE, "acknowledged": False}, Kind.STARTED),
    "refused, and a later copy started": ({**_ONCE, "copies": 2, "rejections": (_NO,)}, Kind.STARTED),
    "nothing came of it": ({}, Kind.LOST),
    "a dead letter, and nobody told": ({"letters": ("orchestrator_refused",)}, Kind.LOST),
    "an item, added and told": ({**_ONCE, "courses": {}, "followed": False}, Kind.STARTED),
    "an item, added twice": (
        {"batches": (_ONE, _ONE), "created": _TOLD, "followed": False},
        Kind.DOUBLED,
    ),
    "an item that nobody was told of": ({"batches": (_ONE,), "followed": False}, Kind.LOST),
    "a job that nobody was told of": ({"batches": (_ONE,)}, Kind.LOST),
    "a job whose end nobody was told of": ({**_ONCE, "courses": {1: (_RUNS,)}}, Kind.LOST),
    "one of two jobs untold": ({**_ONCE, "batches": (Batch((1, 2), 100.0),)}, Kind.LOST),
    "not confirmed, started, untold": ({"batches": (_ONE,), "acknowledged": False}, Kind.LOST),
    "one message, two starts": (_TWICE, Kind.DOUBLED),
    "one message, two starts, no ledger": ({**_TWICE, "guarded": False}, Kind.DOUBLED),
    "two messages, two starts, ledger there": ({**_TWICE, "copies": 2}, Kind.DOUBLED),
    "two messages, two starts, no ledger": (
        {**_TWICE, "copies": 2, "guarded": False},
        Kind.DOUBLED_BY_COPIES,
    ),
    "two messages, three starts, no ledger": (
        {**_TWICE, "batches": (_ONE, _TWO, Batch((), 102.0)), "copies": 2, "guarded": False},
        Kind.DOUBLED,
    ),
    "frozen beyond the window": ({**_TWICE, "frozen": True}, Kind.DOUBLED_BY_FREEZE),
    "the surplus job told as such": (
        {**_ONCE, "batches": (_ONE, _TWO), "surplus": frozenset({2}), "frozen": True},
        Kind.DOUBLED_BY_FREEZE,
    ),
    "told to be a duplicate, and is none": ({**_ONCE, "surplus": frozenset({1})}, Kind.UNEXPECTED),
    "refused while its job exists": ({**_ONCE, "rejections": (_NO,)}, Kind.UNEXPECTED),
    "a copy refused after the start": (
        {**_ONCE, "copies": 2, "rejections": (("orchestrator_refused", 101.0),)},
        Kind.UNEXPECTED,
    ),
    "a good one refused as bad": ({"rejections": (("process_unknown", 1.0),)}, Kind.UNEXPECTED),
    "a bad one refused as something else": (
        {"expects": "expired", "rejections": (("invalid_json", 1.0),)},
        Kind.UNEXPECTED,
    ),
    "a bad one started": ({**_ONCE, "expects": "expired"}, Kind.UNEXPECTED),
    "a job that does not exist": ({**_ONCE, "created": _BOTH}, Kind.UNEXPECTED),
    "one start told under two ids": ({**_ONCE, "created": {1: frozenset({"a", "b"})}}, Kind.UNEXPECTED),
    "one end told under two ids": (
        {**_ONCE, "courses": {1: (_RUNS, _ENDS, _ENDS._replace(id="t9"))}},
        Kind.UNEXPECTED,
    ),
    "states told out of order": ({**_ONCE, "courses": {1: (_ENDS, _RUNS)}}, Kind.UNEXPECTED),
    "a state told before its job": ({**_ONCE, "early": frozenset({1})}, Kind.UNEXPECTED),
}


@pytest.mark.parametrize("case", _CASES)
def test_every_history_has_its_verdict(case: str) -> None:
    """What must not be is named as what it is; what is only reported never hides a failure."""
    story, expected = _CASES[case]
    kind, findings = judge(Story("r", **story))  # type: ignore[arg-type]
    assert kind is expected, findings
    assert all("r" in finding.text for finding in findings)


def test_the_worst_finding_is_the_verdict() -> None:
    """A request that is doubled and told of wrongly counts as unexpected, and both are said."""
    story = Story("r", batches=(_ONE, _TWO), created=_BOTH | {1: frozenset({"a", "b"})}, courses=_BOTH_ENDED)
    kind, findings = judge(story)
    assert kind is Kind.UNEXPECTED
    assert {finding.kind for finding in findings} == {Kind.DOUBLED, Kind.UNEXPECTED}


@pytest.mark.parametrize(
    ("course", "wrong"),
    [
        ([_RUNS, _ENDS], []),
        ([Told("1", "Stopped", "Pending")], []),  # states between were skipped
        ([_RUNS], [Amiss.LOST]),
        ([], [Amiss.LOST]),
        ([_ENDS, _RUNS], [Amiss.DISORDERED]),
        ([_ENDS], [Amiss.GAP]),
        ([_RUNS, _ENDS, Told("3", "Faulted", "Successful")], [Amiss.DISORDERED]),
        ([_RUNS, _RUNS._replace(id="4"), _ENDS], [Amiss.TWICE]),
        (
            [
                _RUNS,
                Told("2", "Suspended", "Running"),
                Told("3", "Resumed", "Suspended", 1),
                Told("4", "Running", "Resumed", 1),
                Told("5", "Successful", "Running", 1),
            ],
            [],
        ),
        ([Told("3", "Resumed", "Pending", 1), _RUNS, _ENDS], [Amiss.DISORDERED]),
    ],
)
def test_a_course_of_states_is_judged(course: list[Told], wrong: list[Amiss]) -> None:
    """Its end must be told, each state once, none after a later one, and none follow an untold one."""
    assert amiss(course) == wrong


@pytest.mark.parametrize(
    ("first", "early"), [("job-created", set()), ("job-duplicate", set()), ("request-deferred", {1})]
)
def test_a_job_is_told_of_before_its_states(first: str, early: set[int]) -> None:
    """As made, or as one too many."""
    history = History()
    history.ask(Ask("c1", ()), "calm")
    _tell(history, first, count=1, code="x", delaySeconds=5)
    _tell(history, "job-state", state="Running", previousState="Pending", resumeVersion=0, terminal=False)
    assert history.known["c1"].early == early


@pytest.mark.parametrize(("first", "early"), [("queue-item-added", set()), ("request-deferred", {0})])
def test_an_item_is_told_of_before_its_statuses(first: str, early: set[int]) -> None:
    """Its addition is told without the key by which its statuses are."""
    history = History()
    history.ask(Ask("c1", (), key=ADD), "calm")
    _tell(history, first, code="x", delaySeconds=5)
    _tell(
        history,
        "queue-item-state",
        item={"key": "k"},
        status="Successful",
        previousStatus="New",
        retryNumber=1,
    )
    known = history.known["c1"]
    assert (known.early, known.ended, known.open) == (early, {0}, False)


def _tell(history: History, kind: str, **data: Any) -> None:
    history.hear(
        {"id": kind, "type": f"jobrelay.{kind}.v1", "data": {"requestId": "c1", "job": {"id": 1}, **data}}
    )
