"""What counts as a trace context."""

from typing import Any

import pytest

from worker.domain.trace import Trace, trace_of

_ID, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_GOOD = f"00-{_ID}-{_SPAN}-01"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"traceparent": _GOOD}, Trace(_GOOD)),
        ({"traceparent": f"cc-{_ID}-{_SPAN}-09"}, Trace(f"cc-{_ID}-{_SPAN}-09")),
        ({"traceparent": _GOOD, "tracestate": "a=1,b=2"}, Trace(_GOOD, "a=1,b=2")),
        ({"traceparent": _GOOD, "tracestate": "no pair"}, Trace(_GOOD)),
        ({"traceparent": _GOOD, "tracestate": "a=" + "x" * 511}, Trace(_GOOD)),
        ({"traceparent": _GOOD, "tracestate": "a=\n"}, Trace(_GOOD)),
        ({"traceparent": _GOOD, "tracestate": b"a=1"}, Trace(_GOOD)),
        ({"tracestate": "a=1"}, None),
        ({"ce-traceparent": _GOOD, "ce-tracestate": "a=1"}, Trace(_GOOD, "a=1")),
        ({"cloudEvents:traceparent": _GOOD}, Trace(_GOOD)),
        ({"traceparent": "x", "cloudEvents_traceparent": _GOOD, "tracestate": "a=1"}, Trace(_GOOD)),
        ({"traceparent": f"ff-{_ID}-{_SPAN}-01"}, None),
        ({"traceparent": f"00-{'0' * 32}-{_SPAN}-01"}, None),
        ({"traceparent": f"00-{_ID}-{'0' * 16}-01"}, None),
        ({"traceparent": _GOOD.upper()}, None),
        ({"traceparent": f" {_GOOD}"}, None),
        ({"traceparent": f"{_GOOD}-more"}, None),
        ({"traceparent": f"{_GOOD}\n"}, None),
        ({"traceparent": _GOOD.encode()}, None),
        ({"traceparent": [_GOOD]}, None),
    ],
)
def test_a_trace_is_found_where_it_keeps_to_its_form(headers: dict[str, Any], found: Trace | None) -> None:
    """The message's own header first, then a CloudEvent's; what is malformed is not there."""
    assert trace_of(headers) == found
    assert found is None or trace_of(found.headers) == found


def test_a_trace_has_an_id() -> None:
    """The one that all its spans share."""
    assert Trace(_GOOD).id == _ID
