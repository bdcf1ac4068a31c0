"""What servers say when they refuse, in all the forms they have said it since 2018."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from worker.domain.failures import Answer
from worker.orchestrator.refusals import TRIES, answer_of, pause_after, retry_after
from worker.orchestrator.wire import Reply

TRACE = "00-266fcedb261e5045b3fe9646fc32602c-7de4c5b3f51f8b27-01"


def reply(document: Any, status: int = 400, **headers: str) -> Reply:
    """An answer with JSON, or with bytes as they are."""
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        pytest.param({"message": "No folder.", "errorCode": 1101}, 1101, "No folder.", id="plain"),
        pytest.param({"message": "No folder.", "errorCode": "1101"}, 1101, "No folder.", id="code as text"),
        pytest.param({"message": "Odd.", "errorCode": "PendingJobs"}, None, "Odd.", id="code as name"),
        pytest.param({"message": "Generic.", "errorCode": 0}, None, "Generic.", id="generic"),
        pytest.param(
            {"message": "You are not authenticated!", "errorCode": 0, "success": False, "__abp": True}
            | {"error": {"code": 0, "message": "You are not authenticated!", "validationErrors": None}},
            None,
            "You are not authenticated!",
            id="ABP",
        ),
        pytest.param({"error": {"code": 1000, "message": "Wrong."}}, 1000, "Wrong.", id="ABP alone"),
        pytest.param(
            {"type": "about:blank", "title": "Invalid", "errors": {"startInfo": ["is required", "is odd"]}},
            None,
            "Invalid; startInfo: is required; startInfo: is odd",
            id="RFC 7807",
        ),
        pytest.param(
            {"errors": {"Reference": [{"message": "too long"}]}},
            None,
            "Reference: too long",
            id="errors' objects",
        ),
        pytest.param({"errors": [{"message": "one"}, "two"]}, None, "one; two", id="list of errors"),
        pytest.param(
            {"error": {"code": "", "message": "Unknown property 'X'."}},
            None,
            "Unknown property 'X'.",
            id="OData",
        ),
        pytest.param(
            {"error": "invalid_scope", "error_description": "not yours"},
            None,
            "invalid_scope not yours",
            id="OAuth",
        ),
        pytest.param(b"<html>no</html>", None, None, id="web page"),
        pytest.param(b"", None, None, id="nothing"),
        pytest.param([1, 2], None, None, id="list"),
        pytest.param({"message": {"odd": 1}, "errors": 7}, None, None, id="strange types"),
        pytest.param(b'{"errors":' * 900 + b'"x"' + b"}" * 900, None, None, id="deep"),
        pytest.param({"message": "Odd.", "errorCode": 1e300}, None, "Odd.", id="code beyond bounds"),
    ],
)
def test_every_form_of_error_is_read(document: Any, code: int | None, message: str | None) -> None:
    """Code, message and trace are found wherever they stand."""
    if isinstance(document, dict):
        document = document | {"traceId": TRACE}
    expected = Answer(409, code, TRACE if isinstance(document, dict) else None, message)
    assert answer_of(reply(document, 409)) == expected


def test_a_text_without_end_is_cut() -> None:
    """What goes into events and dead letters has a bound."""
    answer = answer_of(reply({"message": "x" * 5000, "traceId": "y" * 5000}))
    assert (answer.message, answer.trace_id) == ("x" * 1000, "y" * 128)
    assert answer_of(reply({"traceId": ["odd"]})).trace_id is None


@pytest.mark.parametrize(
    ("header", "document", "seconds"),
    [
        ("7", b"", 7),
        ("0.5", b"", 0.5),
        ("-3", b"", 0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", b"", 30),
        ("Sat, 21 Nov 2026 11:00:00 GMT", b"", 0),
        ("Sat, 21 Nov 2036 11:00:00 GMT", b"", 3600),
        ("nan", b"", None),
        ("Mon, 20 Nov 99999999999999999999 10:00:00 GMT", b"", None),
        ("Mon, 20 Nov 2026 10:00:00 +99999999999999", b"", None),
        ("9" * 5000, b"", 3600),
        (None, {"retry_after": {"odd": 1}}, None),
        ("tomorrow", b"", None),
        (None, {"retry_after": 4}, 4),
        (None, b"", None),
    ],
)
def test_retry_after_is_read_in_each_form(header: str | None, document: Any, seconds: float | None) -> None:
    """Seconds, an HTTP-date, or an edge's word in the body; never negative, never beyond an hour."""
    now = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
    answer = reply(document, 429, Retry_After=header) if header else reply(document, 429)
    assert retry_after(answer, now) == seconds


def test_pauses_grow_with_full_jitter_and_end() -> None:
    """Between nothing and twice the last bound; after the last try there is no pause."""
    for attempt in range(TRIES - 1):
        pauses = [pause_after(reply(b"", 503), attempt) or 0 for _ in range(200)]
        assert 0 <= min(pauses) < 0.05 * 2**attempt
        assert 0.2 * 2**attempt < max(pauses) <= 0.25 * 2**attempt
    assert pause_after(reply(b"", 503), TRIES - 1) is None
    assert pause_after(reply(b"", 404), 0) is None
    assert pause_after(reply(b"", 429, Retry_After="9"), 0) == 9
