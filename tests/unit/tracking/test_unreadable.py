"""Whatever comes as a tracking message is followed, or a dead letter with its reason; it ends no role."""

import asyncio
import json
from copy import deepcopy
from typing import Any

import orjson
import pytest
from fakes import Delivery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from item_post import ItemPost, row
from post import Post
from structlog.testing import capture_logs
from virtual_time import VirtualLoop

from worker.contracts import violations
from worker.domain.messages import Message

_EARLY, _LOWER, _LEAP = "0001-01-01T00:00:00+23:59", "2026-11-22T10:00:00z", "2026-11-22T23:59:60Z"
_OF_BOTH = [
    ("/trackedSince", _LOWER), ("/trackedSince", _LEAP), ("/trackedSince", _EARLY),
    ("/createdAt", _LOWER), ("/createdAt", _LEAP), ("/missingSince", 1e300), ("/missingSince", -1),
    ("/generation", 1.5e300), ("/generation", 2**64 - 1), ("/folder/id", 1e300), ("/folder/id", 7.0),
]  # fmt: skip
_OF_JOBS = [("/seenAt", 1e300), ("/job/id", 1e300), ("/resumeVersion", 0.0)]
_OF_ITEMS = [("/changedAt", 1e300), ("/changedAt", -1e300), ("/queue/id", 31.0), ("/tryId", 1e300)]


def _with(known: dict[str, Any], pointer: str, value: Any) -> dict[str, Any]:
    document = deepcopy(known)
    *path, name = pointer[1:].split("/")
    place = document
    for step in path:
        place = place.setdefault(step, {})
    place[name] = value
    return document


def _schema(post: Post) -> str:
    return "tracking-item.v1" if isinstance(post, ItemPost) else "tracking.v1"


@pytest.mark.parametrize(
    ("made", "pointer", "value"),
    [(Post, *one) for one in _OF_BOTH + _OF_JOBS] + [(ItemPost, *one) for one in _OF_BOTH + _OF_ITEMS],
)
async def test_what_the_schema_takes_and_no_tracker_can_read_is_a_dead_letter(
    made: type[Post], pointer: str, value: Any
) -> None:
    """With its place, byte for byte; and the tracker goes on with the others."""
    post = made()
    document = _with(post.known, pointer, value)
    assert violations(_schema(post), document) == []
    stranger, good = Delivery(Message(body=orjson.dumps(document)), post.journal), post.delivery()
    post.tenant.meets("job", post.row("Stopped"))
    post.items.rows = [row("Successful")]
    await post.follow(stranger, good)
    ((message, headers),) = post.outbox.buried
    assert (message.body, stranger.settled) == (stranger.message.body, ["ack"])
    assert headers["jobrelay-code"] == "invalid_request"
    assert f"{pointer} " in headers["jobrelay-detail"]
    assert [event.data["terminal"] for event in post.outbox.events] == [True]
    assert good.settled == ["ack"]


_numbers = st.none() | st.integers(-(2**65), 2**65) | st.floats(allow_nan=False) | st.just(1.0)
_moments = st.sampled_from([_EARLY, _LOWER, _LEAP, "9999-12-31T23:59:59.999999-23:59"])
_any = _numbers | _moments | st.text(max_size=5)
_numbered = ["/missingSince", "/seenAt", "/changedAt", "/generation", "/resumeVersion", "/tryId", "/index"]
_ids = ["/folder/id", "/job/id", "/queue/id", "/item/id"]
_words = ["/state", "/status", "/moment", "/metadata/a", "/requestId", "/traceparent", "/tracestate"]
_names = ["/folder/key", "/job/key", "/item/key", "/item/reference", "/process/name", "/process/releaseKey"]
_changes = st.one_of(
    st.tuples(st.sampled_from(["/trackedSince", "/createdAt"]), _moments),
    st.tuples(st.sampled_from(_numbered + _ids), _numbers),
    st.tuples(st.sampled_from([*_words, *_names, "/explained", "/doubted"]), _any),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([Post, ItemPost]), st.lists(_changes, min_size=1, max_size=2))
def test_no_tracking_message_at_all_ends_a_tracker(made: type[Post], changes: list[tuple[str, Any]]) -> None:
    """It is buried, or taken, looked at and published again; none costs a delay each time it is looked at."""

    async def follows() -> None:
        post = made()
        document = post.known
        for pointer, value in changes:
            document = _with(document, pointer, value)
        delivery = Delivery(Message(body=json.dumps(document).encode()), post.journal)
        post.tenant.meets("job", *[None] * 3)
        await post.follow(delivery)
        assert delivery.settled == ["ack"]
        assert post.outbox.buried or post.outbox.tracked or post.outbox.events
        assert post.telemetry.defects == post.item_telemetry.defects == 0

    with capture_logs(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(follows())
