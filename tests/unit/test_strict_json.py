"""What two readers could read differently is no request; what remains is read as it is written."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contracts import parse
from worker.domain.failures import Code, Rejected

BODY = orjson.dumps(
    {"requestId": "inc-1", "process": {"name": "SupportTriage"}, "folder": {"path": "Shared"}}
)


def _refusal(body: bytes) -> Rejected:
    with pytest.raises(Rejected) as caught:
        parse(body)
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


DIGITS = b'{"a":0.12345678901234567890,"b":12345678901234567890e3,"c":" -12345678901234567890"}'


@pytest.mark.parametrize("body", [_nested(64), DEEP_AND_WIDE, BRACKETS, b'{"a":"\\u003a","b":":"}', DIGITS])
def test_what_only_looks_suspicious_is_read(body: bytes) -> None:
    """Colons, brackets and digits inside texts, many digits, and nesting at the limit, are nothing wrong."""
    assert parse(body) == orjson.loads(body)


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**300], ids=str)
@pytest.mark.parametrize("form", ['{"a":%d}', '{"a" :\n [ 1,%d\t]}', '{"a":"\\u003a","b":[{"c":%d}]}'])
def test_a_whole_number_is_read_to_the_digit(number: int, form: str) -> None:
    """What is wrong with it, where it is too long, is for its schema to say."""
    body = (form % number).encode()
    assert str(number) in json.dumps(parse(body))


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
        assert parse(body) == orjson.loads(body)
