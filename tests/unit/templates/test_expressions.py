"""Expressions, before they meet an event."""

from typing import Any

import pytest

from worker.domain.messages import Message
from worker.templates.event import SEEN, read
from worker.templates.expressions import Expression
from worker.templates.files import TemplateErrors
from worker.templates.files.compiled import template_of
from worker.templates.files.documents import Document


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("data.a.b", ["data"]),
        ("gold", ["gold"]),
        ('data.tier == "gold"', ["data", "gold"]),
        ("tier == 'gold'", ["tier"]),
        ("a[0].b", ["a"]),
        ("a[1:2].b", ["a"]),
        ("a[?b == `1`].c", ["a"]),
        ("a[].b", ["a"]),
        ("a.*.b", ["a"]),
        ("a | b", ["a"]),
        ("a.{b: c}", ["a"]),
        ("a.[b, c]", ["a"]),
        ("{a: b, c: d}", ["b", "d"]),
        ("[a, b].c", ["a", "b"]),
        ("a || b && !c", ["a", "b", "c"]),
        ("!(a.b) || a.c", ["a"]),
        ("length(a.b) > length(c)", ["a", "c"]),
        ("sort_by(a, &b)[0].c", ["a"]),
        ("map(&b, a)", ["a"]),
        ("*.b", []),
        ("[?b]", []),
        ("'text' == `7`", []),
        ("@.data.x", []),
        ("merge(data, @)", ["data"]),
    ],
)
def test_the_names_that_are_looked_up_at_the_top(text: str, names: list[str]) -> None:
    """A name in a filter, behind a dot or a pipe is looked up elsewhere: it may be anything."""
    assert list(Expression.of(text).names) == names


def test_what_an_event_shows_is_what_expressions_may_name() -> None:
    """The names that a template is held to are those that there are."""
    assert tuple(read(Message(body=b"{}"), 0.0).scope) == SEEN


def faults(**changes: Any) -> list[str]:
    """What is wrong with a template that has these."""
    whole = {"name": "t", "bindings": [{"exchange": "x"}], "requestId": "data.id"}
    start = {"process": {"name": "A"}, **changes.pop("start", {})}
    with pytest.raises(TemplateErrors) as raised:
        template_of(Document("t", {**whole, **changes, "start": start}))
    return [f"{fault.pointer} {fault.reason}" for fault in raised.value.faults]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("priority == 'P1'", ["/when there is no 'priority' here: did you mean data.priority?"]),
        ("message && tags", ["data.message?", "data.tags?"]),
        ("routingkey", ["/when there is no 'routingkey' here: did you mean routingKey?"]),
        ('data.tier == "gold"', ["did you mean data.gold? text stands in single quotes"]),
        ('data.tier == "P 1"', ['did you mean data."P 1"? text stands in single quotes']),
        ('"größe" > `1`', ["there is no 'größe' here: did you mean data.\"größe\"?"]),
        ('"\\ud83d"', ["/when there is no '?' here"]),
    ],
)
def test_a_name_that_no_event_has_is_a_fault(when: str, said: list[str]) -> None:
    """It would be null for every event, and nobody would hear of it."""
    found = faults(when=when)
    assert [one in fault for one, fault in zip(said, found, strict=True)] == [True] * len(said), found


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("data.total > 0", "/when is not an expression: data.total > 0: write a number in backticks: `0`"),
        ("data.total > -0.5 && data.x", "write a number in backticks: `-0.5`"),
        ("data.x = 'a'", "data.x = 'a': '=' is no sign of JMESPath: equal is =="),
        ("data.x == 'a", "data.x == 'a: a ' is opened and not closed"),
        ("data.a-b", "data.a-b: '-' is no sign of JMESPath"),
        ("data.x and data.y", "data.x and data.y: 'and' cannot stand where it does, as character 8"),
        ("data.5", "'5' cannot stand"),
        ("(data.x", "(data.x: it ends too soon"),
        ("data.x.", "data.x.: it ends too soon"),
    ],
)
def test_what_is_no_expression_is_shown_with_a_plain_sentence(when: str, said: str) -> None:
    """The parser's own words are for those who wrote it."""
    (found,) = faults(when=when)
    assert found.endswith(said) or said in found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"track": True}, "/track is not known here: it belongs in queueItem"),
        ({"priority": "High"}, "/priority is not known here: it belongs in start or queueItem"),
        ({"robots": []}, "/robots is not known here: it belongs in start"),
    ],
)
def test_a_word_in_the_wrong_place_is_told_the_right_one(changes: dict[str, Any], said: str) -> None:
    """It is a word of a request."""
    assert faults(**changes) == [said]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"start": {"inputArguments": {"A": {"$optinal": "data.a"}}}},
            "/start/inputArguments/A has $optinal, which is neither $ nor $optional; did you mean $optional?",
        ),
        ({"start": {"jobsCount": {"$optinal": "data.n"}}}, "/start/jobsCount has $optinal, which is"),
        ({"metadata": {"m": {"$x": "y"}}}, "/metadata/m has $x, which is neither $ nor $optional"),
        ({"start": {"jobsCount": {"$": "data.n", "x": "y"}}}, "/start/jobsCount must be {$: EXPRESSION} or"),
    ],
)
def test_a_mark_that_there_is_not_is_one_fault(changes: dict[str, Any], said: str) -> None:
    """It is not taken for an object of the request; and nothing is said of what it would have given."""
    (found,) = faults(**changes)
    assert found.startswith(said)
