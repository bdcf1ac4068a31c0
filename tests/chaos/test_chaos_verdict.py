"""The verdict of chaos: it sees what is lost, doubled and untrue, and excuses only what it must."""

import pytest

from chaos.ledger.verdict import Batch, Kind, Story, judge

_TOLD = {1: frozenset({"e1"})}
_ENDED = {1: frozenset({"t1"})}
_ONE, _TWO = Batch((1,), 100.0), Batch((2,), 101.0)
_BOTH = _TOLD | {2: frozenset({"e2"})}
_BOTH_ENDED = _ENDED | {2: frozenset({"t2"})}
_TWICE = {"batches": (_ONE, _TWO), "created": _BOTH, "ended": _BOTH_ENDED}
_ONCE = {"batches": (_ONE,), "created": _TOLD, "ended": _ENDED}
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
    "a job that nobody was told of": ({"batches": (_ONE,)}, Kind.LOST),
    "a job whose end nobody was told of": ({**_ONCE, "ended": {}}, Kind.LOST),
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
    "one end told under two ids": ({**_ONCE, "ended": {1: frozenset({"a", "b"})}}, Kind.UNEXPECTED),
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
    story = Story("r", batches=(_ONE, _TWO), created=_BOTH, ended={1: frozenset({"a", "b"})})
    kind, findings = judge(story)
    assert kind is Kind.UNEXPECTED
    assert {finding.kind for finding in findings} == {Kind.DOUBLED, Kind.UNEXPECTED}
