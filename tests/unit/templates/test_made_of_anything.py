"""Any template and any event: a valid request, or a failure that names the expression. Nothing is raised."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.contracts import parse, schema, violations
from worker.domain.failures import Rejected
from worker.domain.messages import Message
from worker.templates.event import read
from worker.templates.files import TemplateErrors
from worker.templates.files.compiled import template_of
from worker.templates.files.documents import Document
from worker.templates.make import Failed, Made, make

_text = st.text(max_size=12)
_words = st.sampled_from(
    ["inc-1", "All", "Specific", "High", "Shared", "2026-11-22T10:00:00Z", "P1", "7", ""]
)
_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _text | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words | _text, inner, max_size=4),
    max_leaves=8,
)
_paths = st.sampled_from(
    ["data", "data.a", "data.b", "data.a.b", "data.*", "data.a[]", "data.a[0]", "data.a[-1:]", "headers.h",
     "@", "routingKey", "messageId", "cloudEvent.time", "timestamp", "*", "data.a[?b]", "&data"]
)  # fmt: skip
_literals = st.sampled_from(
    ["'inc-1'", "`1`", '`["a", 2]`', '`{"name": "A"}`', "'nan'", "`true`", "''", "`null`"]
)
_calls = (
    "abs to_number to_string length sort sum ceil max min avg keys values reverse sha256 type to_array merge"
)
_forms = [
    "join('-', {})", "merge({}, @)", "contains({}, `1`)", "starts_with({}, 'a')", "not_null({}, 'x')",
    "sort_by({}, &a)", "min_by({}, &b)", "map(&a, {})", "{} || 'inc-1'", "{} && `2`", "!{}", "{} == `1`",
    "{} < `2`", "[{}, {}]", "{{x: {}}}", "{} | [0]",
]  # fmt: skip
_functions = st.sampled_from([*(f"{name}({{}})" for name in _calls.split()), *_forms])
_expressions = st.recursive(
    _paths | _literals,
    lambda inner: st.builds(lambda form, one: form.replace("{}", one), _functions, inner).map(
        lambda text: text.replace("{{", "{").replace("}}", "}")
    ),
    max_leaves=3,
)
_slots = st.builds(lambda mark, text: {mark: text}, st.sampled_from(["$", "$optional"]), _expressions)
_nodes = st.recursive(
    _slots | _slots | _values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=4,
)
_good = st.sampled_from(
    ["'Low'", "`7`", "'2026-11-22T10:00:00Z'", "'All'", '`{"path": "A"}`', '`["r"]`']
).map(lambda text: {"$": text})
_START = [name for name in schema("start-job.v1")["properties"] if name not in ("requestId", "metadata")]
_ITEM = [name for name in schema("add-queue-item.v1")["properties"] if name not in ("requestId", "metadata")]
_process = st.just({"name": "A"}) | st.builds(lambda slot: {"name": slot}, _slots) | _slots


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    part, names = draw(st.sampled_from([("start", _START), ("queueItem", _ITEM)]))
    needed = {"process": draw(_process)} if part == "start" else {"queue": draw(st.just("Q") | _slots)}
    given = draw(st.dictionaries(st.sampled_from(names), _good | _slots, max_size=2))
    into = "inputArguments" if part == "start" else "specificContent"
    given |= draw(st.fixed_dictionaries({}, optional={into: st.dictionaries(_text, _nodes, max_size=3)}))
    extra = draw(st.fixed_dictionaries({}, optional={
        "when": _expressions,
        "expiresIn": st.sampled_from(["PT1H", "P999D", "PT1S"]),
        "metadata": st.dictionaries(st.text(min_size=1, max_size=4), _slots | _text, max_size=2),
    }))  # fmt: skip
    request_id = draw(st.sampled_from(["'inc-1'", "data.id || 'inc-1'"]) | _expressions)
    return {
        "name": "t",
        "bindings": [{"exchange": "x"}],
        "requestId": request_id,
        part: given | needed,
        **extra,
    }


@st.composite
def _messages(draw: st.DrawFn) -> Message:
    body = json.dumps(draw(st.dictionaries(st.sampled_from(["a", "b", "id"]), _values))).encode()
    time = draw(
        st.sampled_from([None, "", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-11-22"])
    )
    headers = {"h": draw(_values | st.binary(max_size=4)), "ce-specversion": "1.0", "ce-time": time}
    return Message(body=draw(st.sampled_from([body] * 5 + [b"", b"\xff"])), headers=headers, exchange="x")


@settings(max_examples=100, deadline=None)
@given(_documents(), _messages())
def test_whatever_is_made_is_a_request_or_names_the_expression(
    document: dict[str, Any], message: Message
) -> None:
    """The request's own schema takes it, as whoever reads it from the wire sees it."""
    try:
        template, event = template_of(Document("t.yaml", document)), read(message, 1_795_000_000.0)
    except (TemplateErrors, Rejected):
        return
    result = make(template, event)
    if isinstance(result, Made):
        assert violations(template.schema, parse(result.body)) == []
    elif isinstance(result, Failed):
        assert result.pointer == "/expiresIn" or result.expression
        assert result.reason
