"""Bytes become a document, or a refusal with the place of the fault."""

import base64
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.failures import Code, Rejected
from worker.domain.messages import Message
from worker.pipeline.validate import LARGEST, read, request_id_of, validate

REQUEST = {"requestId": "inc-1", "process": {"name": "SupportTriage"}, "folder": {"path": "Shared"}}
BODY = orjson.dumps(REQUEST)
EVENT = {
    "specversion": "1.0",
    "type": "com.example.incident",
    "source": "/desk",
    "id": "event-7",
    "data": REQUEST,
}
CLOUD = "application/cloudevents+json"


def _refusal(body: bytes, **properties: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        read(Message(body=body, **properties))
    assert caught.value.remedy
    assert len(caught.value.detail) < 400
    return caught.value


def test_a_body_over_one_mebibyte_is_refused_with_its_size() -> None:
    """The limit itself is still read."""
    refusal = _refusal(b" " * (LARGEST + 1))
    assert refusal.code == Code.TOO_LARGE
    assert "1,048,577" in refusal.detail
    assert read(Message(body=BODY.ljust(LARGEST))) == REQUEST


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"5"])
def test_a_body_that_is_no_object_is_no_request(body: bytes) -> None:
    """JSON it is, a request it is not."""
    assert _refusal(body).code == Code.INVALID_REQUEST
    assert "must be a JSON object" in _refusal(body).detail


TYPES = [
    None,
    "",
    "application/json",
    "Application/JSON; charset=UTF-8",
    'application/json;charset="utf-8"; x=y',
]


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("encoding", [None, "", "identity", "utf-8", "UTF-8"])
def test_json_is_read_by_any_of_its_names(content_type: str | None, encoding: str | None) -> None:
    """No content type counts as JSON."""
    assert read(Message(body=BODY, content_type=content_type, content_encoding=encoding)) == REQUEST


@pytest.mark.parametrize(
    ("content_type", "encoding", "words"),
    [
        ("text/plain", None, "content type 'text/plain'"),
        ("application/cloudevents-batch+json", None, "content type 'application/cloudevents-batch+json'"),
        ("application/json; charset=latin-1", None, "charset"),
        ("application/json", "gzip", "content encoding 'gzip'"),
    ],
)
def test_another_form_is_refused_with_what_came(content_type: str, encoding: str | None, words: str) -> None:
    """The remedy says what is expected."""
    refusal = _refusal(BODY, content_type=content_type, content_encoding=encoding)
    assert (refusal.code, "application/json" in refusal.remedy) == (Code.WRONG_CONTENT_TYPE, True)
    assert words in refusal.detail


@pytest.mark.parametrize("prefix", ["cloudEvents_", "cloudEvents:", "ce-"])
@pytest.mark.parametrize("version", ["1.0", b"1.0"])
def test_a_binary_cloud_event_is_its_body(prefix: str, version: str | bytes) -> None:
    """The attributes are in headers, by any of the three spellings; the requestId is the data's."""
    headers = {f"{prefix}specversion": version, f"{prefix}type": "x", f"{prefix}id": "event-7"}
    assert read(Message(body=BODY, headers=headers)) == REQUEST
    refusal = _refusal(BODY, headers={**headers, f"{prefix}specversion": "0.3"})
    assert refusal.code == Code.INVALID_REQUEST
    assert "specversion must be '1.0'" in refusal.detail


ENVELOPES = [
    EVENT,
    {**EVENT, "datacontenttype": "application/json; charset=utf-8"},
    {"specversion": "1.0", "id": "event-7", "data_base64": base64.b64encode(BODY).decode()},
]


@pytest.mark.parametrize("event", ENVELOPES)
def test_a_structured_cloud_event_is_its_data(event: dict[str, Any]) -> None:
    """Data as JSON or as base64; an id of the event is never the request's."""
    document = read(Message(body=orjson.dumps(event), content_type=f"{CLOUD}; charset=utf-8"))
    assert document == REQUEST
    assert request_id_of(document) == "inc-1"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"specversion": "0.3"}, "/specversion"),
        ({"specversion": None}, "/specversion"),
        ({"data": None}, ""),
        ({"data": "text"}, ""),
        ({"data_base64": "e30="}, "/data"),
        ({"datacontenttype": "text/xml"}, "/datacontenttype"),
        ({"datacontenttype": 5}, "/datacontenttype"),
    ],
)
def test_a_broken_cloud_event_is_refused(change: dict[str, Any], pointer: str) -> None:
    """The place is named in the event."""
    refusal = _refusal(orjson.dumps({**EVENT, **change}), content_type=CLOUD)
    assert refusal.code == Code.INVALID_REQUEST
    assert [violation.pointer for violation in refusal.violations] == [pointer]


@pytest.mark.parametrize("text", ["%%%", 5, None, "ü", "e30"])
def test_data_that_is_not_base64_is_refused(text: Any) -> None:
    """Nothing but base64 stands in data_base64."""
    event = {"specversion": "1.0", "data_base64": text}
    (violation,) = _refusal(orjson.dumps(event), content_type=CLOUD).violations
    assert violation.pointer == "/data_base64"


CONTENTS = st.sampled_from([None, CLOUD, "text/x"])
HEADERS = st.sampled_from([{}, {"ce-specversion": 5}])


@given(st.binary() | st.text().map(str.encode), CONTENTS, HEADERS)
def test_any_bytes_are_read_or_refused(body: bytes, content_type: str | None, headers: Any) -> None:
    """Nothing but Rejected ever comes out."""
    with suppress(Rejected):
        validate(read(Message(body=body, content_type=content_type, headers=headers)))
