"""Whatever is sent to the webhook: an answer below 500, no traceback, and no job that nobody signed for."""

import json
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from notified import KEY, OLDER, SECRET, chunked, hooked, notice, post, signature

_text = st.text(max_size=12)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | _text | st.just(KEY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Type", "EventId", "Job", "Jobs", "Key", "Timestamp"]) | _text, inner, max_size=5
        )
    ),
    max_leaves=10,
)
_notices = st.builds(
    lambda kind, event_id, more: notice(kind, event_id, **more),
    st.sampled_from(["job.created", "job.completed", "ping", ""]) | _text,
    st.sampled_from(["1", "2", ""]) | _text,
    st.fixed_dictionaries({}, optional={"Job": _json | st.just({"Key": KEY}), "Jobs": st.lists(_json)}),
)
_bodies = _notices | _json.map(lambda document: json.dumps(document).encode()) | st.binary(max_size=200)


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """The bytes of a notice, cut or with some of them exchanged."""
    body = bytearray(draw(_notices))
    for place in draw(st.lists(st.integers(0, len(body) - 1), max_size=3)):
        body[place] = draw(st.integers(0, 255))
    return bytes(body[: draw(st.integers(0, len(body)))])


_visible = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, blacklist_characters="\x7f"), max_size=30
)
_names = st.sampled_from(
    ["Accept", "Connection", "Content_Encoding", "Content_Type", "Cookie", "Expect", "Host", "Range", "TE",
     "Transfer_Encoding", "Upgrade", "X_HTTP_Method_Override", "X_UiPath_Signature", "If_Match", "Forwarded"]
)  # fmt: skip
_values = _visible | st.sampled_from(
    ["gzip", "deflate", "br", "chunked", "Upgrade", "websocket", "100-continue", "close", "sha256=",
     "application/json; charset=\xff", "multipart/form-data; boundary=x", 'a/b; x="\\', "bytes=0-1"]
)  # fmt: skip


@st.composite
def _requests(draw: st.DrawFn) -> tuple[bytes, bool]:
    """The bytes of a request, and whether its body was signed: mostly a good one but for something."""
    body = draw(_bodies | _damaged())
    secret = draw(st.sampled_from([SECRET, OLDER, "guess", ""]))
    headers: dict[str, Any] = {"X_UiPath_Signature": signature(body, secret)}
    headers |= draw(st.dictionaries(_names, _values, max_size=2))
    lengths = {"Content_Length": str(draw(st.integers(-1, 400) | st.just(2**40)))}
    headers |= draw(st.sampled_from([{}, {}, {}, lengths]))
    content = post(body, **headers)
    if draw(st.booleans()):
        headers |= {"Content_Length": None, "Transfer_Encoding": "chunked"}
        end = draw(st.sampled_from([b"0\r\n\r\n", b"", b"zz\r\n", b"0\r\nTrailer: x\r\n\r\n"]))
        content = post(b"", **headers) + chunked(*([body] if body else []), end=end)
    return content, secret in (SECRET, OLDER)


_garbage = st.tuples(
    st.binary(max_size=200)
    | st.binary(max_size=60).map(lambda junk: post(notice())[:40] + junk + b"\r\n\r\n"),
    st.just(False),
)


@settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # one that fails is small enough
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(_requests() | _garbage, min_size=8, max_size=16))
async def test_whatever_is_sent_is_answered_below_500(requests: list[tuple[bytes, bool]]) -> None:
    """Over real connections; what is left open is closed by its deadline. The server serves on."""
    async with hooked(SECRET, OLDER, within_s=0.03) as hook:
        for content, signed in requests:
            looked = len(hook.looked)
            answer = await hook.send(content + b"\r\n\r\n", patience=0.5)
            assert answer is None or answer.status < 500, content
            assert signed or len(hook.looked) == looked, content
        last = await hook.send(post(notice(event_id="the last one")))
        assert last is not None
        assert last.document == {"notice": "taken"}
