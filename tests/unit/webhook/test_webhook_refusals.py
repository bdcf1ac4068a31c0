"""What the webhook takes, and what it refuses: over real HTTP."""

import asyncio
import gzip
import json
import socket

import pytest
from notified import KEY, OLDER, SECRET, WITHIN_S, Hook, chunked, hooked, notice, post, signature
from structlog.testing import capture_logs
from working import until

from worker.domain.webhooks import MOST_BYTES

BODY = notice()
PLANTED = notice(Job={"Key": KEY, "Info": "planted"})
CHUNKS = {"Content_Length": None, "Transfer_Encoding": "chunked"}


def filled(size: int) -> bytes:
    """A notice of so many bytes."""
    return notice(Text="x" * (size - len(notice(Text=""))))


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        pytest.param(post(BODY), "taken", id="as Orchestrator sends it"),
        pytest.param(
            post(BODY, X_UiPath_Signature=signature(BODY, OLDER)), "taken", id="signed with the secret before"
        ),
        pytest.param(
            post(BODY, X_UiPath_Signature=f"sha256={signature(BODY)}"), "taken", id="its signature marked"
        ),
        pytest.param(post(BODY, Content_Type="application/json"), "taken", id="no charset"),
        pytest.param(post(b"", X_UiPath_Signature=signature(BODY), **CHUNKS) + chunked(BODY[:9], BODY[9:]),
                     "taken", id="in chunks"),
        pytest.param(post(BODY, Expect="100-continue"), "taken", id="its body asked for"),
        pytest.param(post(notice("ping", Job={"Key": KEY})), "ignored", id="a ping"),
        pytest.param(post(notice("queueItem.added", Jobs=[])), "ignored", id="of another kind"),
        pytest.param(post(notice("never.heard_of")), "ignored", id="of a kind to come"),
        pytest.param(post(notice(Job=None, Jobs=None)), "ignored", id="with no jobs"),
        pytest.param(post(filled(MOST_BYTES)), "ignored", id="as large as may be"),
    ],
)  # fmt: skip
async def test_a_signed_notice_is_taken(hook: Hook, content: bytes, outcome: str) -> None:
    """2xx for each; the jobs' keys are handed on once the answer is given, in lower case."""
    answer = await hook.send(content)
    assert answer is not None
    assert (answer.status, answer.document) == (200, {"notice": outcome})
    assert hook.counted == {outcome: 1}
    await until(lambda: hook.looked == ([KEY] if outcome == "taken" else []), "the job is handed on")


def _to(method: str) -> bytes:
    return post(BODY).replace(b"POST", method.encode(), 1)


REFUSED = {
    "no signature": (post(PLANTED, X_UiPath_Signature=None), 401, "unsigned"),
    "an empty signature": (post(PLANTED, X_UiPath_Signature=""), 401, "forged"),
    "no text of a signature": (post(PLANTED, X_UiPath_Signature="\xff\xfe=="), 401, "forged"),
    "another body's signature": (post(PLANTED, X_UiPath_Signature=signature(BODY)), 401, "forged"),
    "another secret's": (post(PLANTED, X_UiPath_Signature=signature(PLANTED, "guess")), 401, "forged"),
    "an empty secret's": (post(PLANTED, X_UiPath_Signature=signature(PLANTED, "")), 401, "forged"),
    "the beginning of one": (post(PLANTED, X_UiPath_Signature=signature(PLANTED)[:40]), 401, "forged"),
    "too large, and said so": (post(BODY, Content_Length=str(MOST_BYTES + 1)), 413, "oversized"),
    "a byte too large": (post(filled(MOST_BYTES + 1)), 413, "oversized"),
    "too large, in chunks": (
        post(b"", **CHUNKS) + chunked(*[b"x" * 65_536] * (MOST_BYTES // 65_536), b"x"), 413, "oversized"),
    "far too large": (post(b"", **CHUNKS) + chunked(*[b"x" * MOST_BYTES] * 3), 413, "oversized"),
    "no end": (post(PLANTED, Content_Length=str(len(PLANTED) + 1)), 408, "slow"),
    "no beginning": (post(b"", Content_Length="10"), 408, "slow"),
    "no last chunk": (post(b"", **CHUNKS) + chunked(PLANTED, end=b""), 408, "slow"),
    "another content type": (post(PLANTED, Content_Type="text/plain"), 400, "unreadable"),
    "no content type": (post(PLANTED, Content_Type=None), 400, "unreadable"),
    "packed": (post(gzip.compress(PLANTED), Content_Encoding="gzip"), 400, "unreadable"),
    "no JSON": (post(PLANTED[:-1]), 400, "unreadable"),
    "nothing": (post(b""), 400, "unreadable"),
    "no text": (post(b"\xff\x00"), 400, "unreadable"),
    "too deep": (post(b"[" * 100_000), 400, "unreadable"),
    "a list": (post(json.dumps([{"Type": "job.created"}]).encode()), 400, "unreadable"),
    "no EventId": (post(b'{"Type":"job.created"}'), 400, "unreadable"),
    "no Type": (post(b'{"EventId":"1"}'), 400, "unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_it_is_refused(hook: Hook, what: str) -> None:
    """With a status, a count and a remedy of its own; no job is handed on, and the next notice is taken."""
    content, status, outcome = REFUSED[what]
    answer = await hook.send(content)
    assert answer is not None
    assert answer.status == status
    assert hook.counted == {outcome: 1}
    assert answer.document["remedy"]
    assert b"planted" not in answer.body
    assert SECRET.encode() not in answer.body
    await hook.send(post(notice(event_id="next")))
    await until(lambda: hook.looked == [KEY], "only the next one's job")


async def test_a_refusal_reaches_a_sender_that_reads_only_afterwards(hook: Hook) -> None:
    """Closing the connection upon a body under way would cut off its sender, and the answer."""

    def sent_whole() -> bytes:
        with socket.create_connection(("127.0.0.1", hook.port), timeout=WITHIN_S) as connection:
            connection.sendall(post(b"", **CHUNKS) + chunked(*[b"x" * MOST_BYTES] * 16))
            return connection.recv(65_536)

    answer = await asyncio.to_thread(sent_whole)
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_only_post_is_taken(hook: Hook, method: str) -> None:
    """The answer names it."""
    answer = await hook.send(_to(method))
    assert answer is not None
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert not hook.counted


@pytest.mark.parametrize(
    "content", [post(BODY), post(BODY, X_UiPath_Signature=signature(BODY, "")), _to("GET")]
)
async def test_without_a_secret_nothing_is_served(content: bytes) -> None:
    """The answer names the setting."""
    async with hooked() as hook:
        answer = await hook.send(content)
    assert answer is not None
    assert answer.status == 404
    assert "JOBRELAY_WEBHOOK_SECRET" in answer.document["remedy"]
    assert (hook.looked, hook.counted) == ([], {})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(post(BODY, Content_Length=str(len(BODY) - 1)), id="more than it says"),
        pytest.param(post(BODY, Content_Length="-1"), id="a length below nothing"),
        pytest.param(post(BODY, Content_Length="9" * 30), id="a length beyond numbers"),
        pytest.param(post(BODY, Transfer_Encoding="chunked"), id="two lengths"),
        pytest.param(post(b"", **CHUNKS) + b"planted\r\n\r\n", id="no chunk"),
        pytest.param(post(BODY).replace(b"HTTP/1.1", b"HTTP/9"), id="no HTTP"),
        pytest.param(post(BODY, X_Long="x" * 100_000), id="a long header"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS"),
    ],
)
async def test_what_is_no_http_is_refused(hook: Hook, content: bytes) -> None:
    """Before it is a notice at all."""
    answer = await hook.send(content)
    assert answer is None or answer.status in {400, 401, 413}
    await hook.send(post(notice(event_id="next")))
    await until(lambda: hook.looked == [KEY], "only the next one's job")


@pytest.mark.parametrize("path", [b"/webhooks/orchestrator", b"/livez", b"/nowhere"])
async def test_nothing_else_is_expected(hook: Hook, path: bytes) -> None:
    """The library's own answer to an expectation that is no text is a 500."""
    content = post(BODY, Expect="\xff planted").replace(b"/webhooks/orchestrator", path, 1)
    answer = await hook.send(content)
    assert answer is not None
    assert (answer.status, b"planted" in answer.body) == (417, False)


async def test_a_notice_that_is_repeated_is_answered_and_no_more(hook: Hook) -> None:
    """By its EventId; another notice about the same job is another one."""
    for event_id in ("1", "1", "2", "1"):
        answer = await hook.send(post(notice(event_id=event_id)))
        assert answer is not None
        assert answer.status == 200
    assert hook.counted == {"taken": 2, "repeated": 2}
    await until(lambda: hook.looked == [KEY, KEY], "both are handed on")


async def test_a_forged_notice_makes_no_other_one_a_repeated_one(hook: Hook) -> None:
    """What is remembered was signed."""
    await hook.send(post(BODY, X_UiPath_Signature=signature(BODY, "guess")))
    await hook.send(post(BODY))
    assert hook.counted == {"forged": 1, "taken": 1}


async def test_what_is_done_with_a_notice_does_not_reach_its_answer() -> None:
    """It happens after it, and its failure is no failure of the notice."""
    failed: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["message"]))
    async with hooked(SECRET) as hook:
        hook.looked = None  # type: ignore[assignment] # so that looking fails
        answer = await hook.send(post(BODY))
        assert answer is not None
        assert answer.status == 200
        await until(lambda: failed, "it was looked, in vain")


async def test_a_sender_that_leaves_is_no_trouble(hook: Hook) -> None:
    """In the middle of a body, or before its answer."""
    for content in (post(BODY)[:-5], post(b"", **CHUNKS) + chunked(BODY, end=b""), post(filled(MOST_BYTES))):
        _, writer = await asyncio.open_connection("127.0.0.1", hook.port)
        writer.write(content)
        await writer.drain()
        writer.transport.abort()
    await until(lambda: hook.counted.total() >= 2, lambda: f"they are counted: {hook.counted}")
    answer = await hook.send(post(BODY))
    assert answer is not None
    assert answer.status == 200


async def test_a_refusal_is_logged_once_in_a_while(hook: Hook) -> None:
    """Anybody may send anything: that fills no disk."""
    with capture_logs() as lines:
        for _ in range(5):
            await hook.send(post(PLANTED, X_UiPath_Signature=None))
    assert [line["why"] for line in lines if line["event"] == "webhook.refused"] == ["unsigned"]
    assert "JOBRELAY_WEBHOOK_SECRET" in str(lines)
