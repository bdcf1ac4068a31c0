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


def _nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


JSON_FAULTS = [
    (b"", "the body is empty"),
    (b" \n", "the body is empty"),
    (b'{"a":1', "line 1, column 7"),
    (b'{\n "a": 1\n "b": 2}', "line 3, column 2"),
    (b"{'a':1}", "line 1, column 2"),
    (b'{"a":1} {}', "line 1, column 9"),
    (b'{"a": NaN}', "NaN or Infinity at line 1, column 7"),
    (b'{"a":\n -Infinity}', "NaN or Infinity at line 2"),
    (b'{"a":1e400}', "infinity"),
    (b'{"a":"\\ud800"}', "the body is not JSON"),
    (b'{"a":"\xff"}', "not UTF-8: byte 6 is 0xff"),
    (BODY.decode().encode("utf-16"), "not UTF-8: byte 0 is 0xff"),
    (b"\xef\xbb\xbf" + BODY, "byte order mark"),
    (_nested(65), "deeper than 64"),
    (_nested(1000), "deeper than 64"),
    (b"[" * 1000 + b"]" * 1000, "deeper than 64"),
    (b'{"a":' + b"[" * 70 + b"]" * 70 + b',"a":1}', "deeper than 64"),
]


@pytest.mark.parametrize(("body", "words"), JSON_FAULTS)
def test_what_is_not_strict_json_is_refused_with_its_place(body: bytes, words: str) -> None:
    """Line and column, byte or depth: the sender finds the fault."""
    refusal = _refusal(body)
    assert refusal.code == Code.INVALID_JSON
    assert words in refusal.detail


REPEATED = [
    (b'{"requestId":"a","requestId":"b"}', ["/requestId"]),
    (b'{"a":{"b":[0,{"c/d":1,"c/d":1}]}}', ["/a/b/1/c~1d"]),
    (b'{"a":1,"\\u0061":2}', ["/a"]),
    (b'{"a":1, "a" : "\\u003a"}', ["/a"]),
    (b'{"a":"\\u003A","a":1,"b":{"x":1,"x":2}}', ["/a", "/b/x"]),
    (b'{"a":":","a":""}', ["/a"]),
    (b'{"a":[{}],"a":{"b":1,"b":2}}', ["/a", "/a/b"]),
]


@pytest.mark.parametrize(("body", "places"), REPEATED)
def test_a_repeated_key_is_refused_wherever_it_hides(body: bytes, places: list[str]) -> None:
    """Which of two values was meant cannot be known, so neither is taken."""
    refusal = _refusal(body)
    assert refusal.code == Code.INVALID_JSON
    assert [violation.pointer for violation in refusal.violations] == places


BRACKETS = b'{"a":"[[[[{{{{\\"[[[[' + b"[" * 80 + b'"}'
DEEP_AND_WIDE = b'{"a":[' + b"[]," * 99 + _nested(62) + b"]}"


@pytest.mark.parametrize("body", [_nested(64), DEEP_AND_WIDE, BRACKETS, b'{"a":"\\u003a","b":":"}'])
def test_what_only_looks_suspicious_is_read(body: bytes) -> None:
    """Colons and brackets inside texts, and nesting at the limit, are nothing wrong."""
    assert read(Message(body=body)) == orjson.loads(body)


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


KEYS = st.sampled_from(["a", "b", ":", "{", '"', "\\", "ü"])


class _Pairs(list[Any]):
    """An object as it is written: a key may come twice."""


TREES = st.recursive(
    st.sampled_from([1, ":", "a:b", "[", '":']),
    lambda it: st.lists(it, max_size=3) | st.lists(st.tuples(KEYS, it), max_size=3).map(_Pairs),
    max_leaves=10,
)


def _write(tree: Any, escape: bool) -> tuple[str, bool]:
    """The tree's JSON text, and whether an object in it has a key twice."""
    if isinstance(tree, _Pairs):
        parts = [_write(value, escape) for _, value in tree]
        names = [_text(key, escape) for key, _ in tree]
        text = ",".join(f"{name} : {part}" for name, (part, _) in zip(names, parts, strict=True))
        return "{" + text + "}", len(set(names)) < len(names) or any(twice for _, twice in parts)
    if isinstance(tree, list):
        parts = [_write(value, escape) for value in tree]
        return "[" + ",".join(part for part, _ in parts) + "]", any(twice for _, twice in parts)
    return _text(tree, escape), False


def _text(value: Any, escape: bool) -> str:
    if escape and isinstance(value, str):
        return '"' + "".join(f"\\u{ord(letter):04x}" for letter in value) + '"'
    return orjson.dumps(value).decode()


@given(tree=TREES, escape=st.booleans())
def test_a_key_is_refused_exactly_when_it_is_there_twice(tree: Any, escape: bool) -> None:
    """The cheap proof and the exact look agree on every document, however its texts are written."""
    text, twice = _write(tree, escape)
    body = f'{{"tree":{text}}}'.encode()
    if twice:
        assert _refusal(body).code == Code.INVALID_JSON
    else:
        assert read(Message(body=body)) == orjson.loads(body)
