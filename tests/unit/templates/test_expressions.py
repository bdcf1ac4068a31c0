"""Expressions, before they meet an event."""

import pytest

from worker.domain.messages import Message
from worker.templates.event import SEEN, read
from worker.templates.expressions import Expression


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
