"""What a template makes of an event: a request, or a failure that names the expression."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from worker.domain.messages import Message
from worker.templates.event import Event, read
from worker.templates.files.compiled import template_of
from worker.templates.files.documents import Document
from worker.templates.make import Failed, Made, make, make_all
from worker.templates.model import Template

NOW = 1_795_000_000.0
# Of "ä" in UTF-8, by sha256sum.
_SHA256 = "33e6d73fee82904c8d7afb78de1154d1e8dc2a0edb08120e63df5b9385c2d9cc"


def template(**changes: Any) -> Template:
    """A template that starts process A, with *changes*; None takes a property away."""
    whole = {
        "name": "t",
        "bindings": [{"exchange": "x"}],
        "requestId": "data.id",
        "start": {"process": {"name": "A"}},
        **changes,
    }
    return template_of(
        Document("t.yaml", {name: value for name, value in whole.items() if value is not None})
    )


def event(data: Any, **properties: Any) -> Event:
    """An event with this body."""
    return read(Message(body=json.dumps(data).encode(), exchange="x", **properties), NOW)


def made(of: Template, data: Any, **properties: Any) -> Mapping[str, Any]:
    """The request that a template makes of these data."""
    result = make(of, event(data, **properties))
    assert isinstance(result, Made), result
    assert json.loads(result.body) == result.document
    return result.document


@pytest.mark.parametrize(
    ("expression", "data", "given"),
    [
        ({"$": "data.v"}, {"v": "text"}, "text"),
        ({"$": "data.v"}, {"v": 7}, 7),
        ({"$": "data.v"}, {"v": False}, False),
        ({"$": "data.v"}, {"v": ""}, ""),
        ({"$": "data.v"}, {"v": {"a": [1, None]}}, {"a": [1, None]}),
        ({"$": "data.v || 'else'"}, {}, "else"),
        ({"$optional": "data.v"}, {"v": 7}, 7),
        ([{"$": "data.v"}, {"$optional": "data.w"}, "x"], {"v": 1}, [1, "x"]),
        ({"in": {"deep": {"$": "data.v[0]"}}}, {"v": [3]}, {"in": {"deep": 3}}),
        ({"$": "headers.h"}, {}, "of a header"),
        ({"$": "routingKey"}, {}, "r.k"),
        ({"$": "sha256(data.v)"}, {"v": "ä"}, _SHA256),
        ({"$": "to_string(data.v)"}, {"v": 2**64}, "18446744073709551616"),
        ("data.v", {}, "data.v"),
        (None, {}, None),
    ],
)
def test_an_argument(expression: Any, data: dict[str, Any], given: Any) -> None:
    """An expression gives the event's value; everything else stands for itself."""
    of = template(start={"process": {"name": "A"}, "inputArguments": {"V": expression}})
    request = made(of, {"id": "i", **data}, routing_key="r.k", headers={"h": b"of a header"})
    assert request["inputArguments"]["V"] == given


def test_what_is_optional_is_left_out() -> None:
    """A property that the event has nothing for is not there, as if the template had not named it."""
    of = template(start={"process": {"name": "A"}, "priority": {"$optional": "data.p"}})
    assert "priority" not in made(of, {"id": "i"})
    assert made(of, {"id": "i", "p": "High"})["priority"] == "High"


@pytest.mark.parametrize(
    ("changes", "data", "pointer", "expression", "reason"),
    [
        ({"requestId": "data.nr"}, {"nr": 4711}, "/requestId", "data.nr", "must be text, not a whole number"),
        ({"requestId": "data.x"}, {}, "/requestId", "data.x", "gives nothing"),
        ({"requestId": "data.x"}, {"x": "a b"}, "/requestId", "data.x", "use 1 to 100"),
        (
            {"requestId": "to_string(data.x)"},
            {},
            "/requestId",
            "to_string(data.x)",
            "to_string() takes anything but null, and null came",
        ),
        ({"when": "contains(data.x, 'a')"}, {"x": 1}, "/when", "contains(data.x, 'a')", "a number came"),
        (
            {"when": "contains('abc', data.x)"},
            {"x": 1},
            "/when",
            "contains('abc', data.x)",
            "cannot be worked",
        ),
        ({"start": {"process": {"name": {"$": "data.x"}}}}, {}, "/start/process/name", "data.x", "nothing"),
        (
            {"start": {"process": {"name": {"$": "data.x"}}}},
            {"x": 3},
            "/start/process/name",
            "data.x",
            "text",
        ),
        (
            {"start": {"process": {"name": "A"}, "inputArguments": {"a/b": {"$": "to_number('nan')"}}}},
            {},
            "/start/inputArguments/a~1b",
            "to_number('nan')",
            "cannot be worked out",
        ),
        (
            {"start": {"process": {"name": "A"}, "jobsCount": 3, "strategy": {"$": "data.s"}}},
            {"s": "All"},
            "/start/strategy",
            "data.s",
            "at /jobsCount: is not for",
        ),
        (
            {"start": {"process": {"name": "A"}, "strategy": "Specific", "robots": {"$optional": "data.r"}}},
            {},
            "/start/robots",
            "data.r",
            "required",
        ),
        (
            {"start": None, "queueItem": {"queue": "Q", "specificContent": {"$": "data.c"}}},
            {"c": {"lines": []}},
            "/queueItem/specificContent",
            "data.c",
            "at /specificContent/lines: must be text",
        ),
        (
            {"start": {"process": {"name": "A"}, "inputArguments": {"a": {"$": "data.n"}}}},
            {"n": [2**64]},
            "/start/inputArguments/a",
            "data.n",
            "send it as text, with to_string()",
        ),
        ({"metadata": {"m": {"$": "data.m"}}}, {"m": "x" * 257}, "/metadata/m", "data.m", "256"),
    ],
)
def test_a_failure_names_the_expression(
    changes: dict[str, Any], data: dict[str, Any], pointer: str, expression: str, reason: str
) -> None:
    """Whoever wrote the template finds the place, and what the event made of it."""
    failed = make(template(**changes), event({"id": "i", **data}))
    assert isinstance(failed, Failed)
    assert (failed.template, failed.pointer, failed.expression) == ("t", pointer, expression)
    assert reason in failed.reason


def test_a_failure_repeats_no_value() -> None:
    """An event's values may be secret: they are in the dead letter, and in no log."""
    for expression in ("abs(data.v)", "data.v", "join('-', [data.v, `1`])"):
        failed = make(template(requestId=expression), event({"id": "i", "v": "se cret"}))
        assert isinstance(failed, Failed)
        assert "cret" not in failed.reason


@pytest.mark.parametrize(
    ("when", "for_it"),
    [
        ("data.v == 'a'", True),
        ("data.v == 'b'", False),
        ("data.nothing", False),
        ("data.empty", False),
        ("data.zero", True),
        ("data.v", True),
        ("!(data.nothing)", True),
    ],
)
def test_a_condition(when: str, *, for_it: bool) -> None:
    """What JMESPath counts as false says that the template is not for the event."""
    result = make(template(when=when), event({"id": "i", "v": "a", "empty": [], "zero": 0}))
    assert (result is not None) == for_it


@pytest.mark.parametrize(
    ("time", "expires"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-22T11:00:00+00:00"),
        ("2026-11-22T10:00:00+05:30", "2026-11-22T05:30:00+00:00"),
        ("yesterday", "2026-11-18T12:06:40+00:00"),
        (None, "2026-11-18T12:06:40+00:00"),
    ],
)
def test_a_request_expires_a_while_after_its_event(time: str | None, expires: str) -> None:
    """The event's own time counts, so that the same event makes the same request."""
    headers = {"ce-specversion": "1.0", "ce-time": time}
    assert made(template(expiresIn="PT1H"), {"id": "i"}, headers=headers)["expiresAt"] == expires


def test_a_moment_that_no_calendar_has_is_a_failure() -> None:
    """An event from the end of time is nobody's crash."""
    headers = {"ce-specversion": "1.0", "ce-time": "9999-12-31T23:59:59Z"}
    failed = make(template(expiresIn="PT1H"), event({"id": "i"}, headers=headers))
    assert isinstance(failed, Failed)
    assert failed.pointer == "/expiresIn"


def test_templates_with_one_request_id_are_told_of() -> None:
    """The second would be taken for the first one sent again: that is said, not passed over."""
    first, second, item = (
        template(),
        template(name="u"),
        template(name="v", start=None, queueItem={"queue": "Q"}),
    )
    results = make_all([first, second, item], event({"id": "i"}))
    assert [type(result) for result in results] == [Made, Failed, Made]
    assert "template 't'" in str(results[1])


@pytest.mark.parametrize("deep", [60, 64])
def test_a_request_is_no_deeper_than_can_be_read(deep: int) -> None:
    """An event may nest as deep as a request, which has its arguments within."""
    data: Any = 1
    for _ in range(deep - 2):
        data = [data]
    of = template(start={"process": {"name": "A"}, "inputArguments": {"a": {"b": {"$": "data.v"}}}})
    result = make(of, event({"id": "i", "v": data}))
    assert isinstance(result, Made) == (deep == 60)
    if isinstance(result, Failed):
        assert (result.pointer, result.expression) == ("/start/inputArguments/a/b", "data.v")


def test_a_request_is_no_larger_than_can_be_read() -> None:
    """A template that takes a big event twice makes nothing of it, and says by which expression."""
    arguments = {"a": {"$": "data.v"}, "b": {"$": "data.v"}}
    of = template(start={"process": {"name": "A"}, "inputArguments": arguments})
    failed = make(of, event({"id": "i", "v": "x" * 600_000}))
    assert isinstance(failed, Failed)
    assert failed.pointer == "/start/inputArguments/b"
    assert "1,048,576" in failed.reason
