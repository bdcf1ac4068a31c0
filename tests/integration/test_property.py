"""Any request at all, valid or broken, through the whole path: each has one outcome, and it is true."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from relay import Relay
from station import Heard, assert_valid, new_id, station
from tenant import CLASSIC, MODERN, QUOTE, UMLAUT

from worker.contracts import parse, violations
from worker.domain.failures import Rejected

_GUID = "b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7001"
_text = st.text(max_size=20)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.floats(allow_nan=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_places: st.SearchStrategy[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = st.sampled_from(
    [
        ({"path": MODERN}, {"name": "SupportTriage"}, {"IncidentId": "1"}),
        ({"id": 601}, {"name": "typed", "environment": None}, {"Text": "ä", "Count": 3}),
        ({"path": CLASSIC}, {"name": "SupportTriage", "environment": "Production"}, {"IncidentId": "2"}),
        ({"path": UMLAUT}, {"name": "Pruefung"}, {}),
        ({"path": QUOTE}, {"name": "Report"}, {"any": {"thing": [1, 2.5, None]}}),
    ]
)
# Values that keep to the schema, of properties that fit any process and folder.
_options = st.fixed_dictionaries(
    {},
    optional={
        "jobsCount": st.integers(1, 3),
        "priority": st.sampled_from(["Low", "Normal", "High"]) | st.integers(1, 100),
        "metadata": st.dictionaries(st.text(min_size=1, max_size=64), st.text(max_size=40), max_size=3),
        "expiresAt": st.just("2999-12-31T23:59:59.5+05:30"),
        "stopStrategy": st.sampled_from(["SoftStop", "Kill"]),
        "killAfterSeconds": st.integers(1, 2**31 - 1),
    },
)
_any_properties = st.dictionaries(
    st.sampled_from(
        ["process", "folder", "strategy", "jobsCount", "robots", "inputArguments", "priority", "metadata",
         "expiresAt", "source", "runtimeType", "requestId", "colour"]
    ),
    _json | st.sampled_from([{"releaseKey": _GUID}, {"name": "Nobody"}, {"path": "Shared/No"}, "All", ["x"]]),
    min_size=1, max_size=3,
)  # fmt: skip


@st.composite
def _good(draw: st.DrawFn) -> bytes:
    folder, process, arguments = draw(_places)
    named = {name: value for name, value in process.items() if value is not None}
    document = {"folder": folder, "process": named, "inputArguments": arguments, **draw(_options)}
    return json.dumps({"requestId": new_id(), **document}).encode()


@st.composite
def _changed(draw: st.DrawFn) -> bytes:
    """A good request with properties exchanged for anything, and perhaps one left out."""
    document = json.loads(draw(_good())) | draw(_any_properties)
    document.pop(draw(st.sampled_from(["-", *document])), None)
    return json.dumps(document).encode()


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """The bytes of a good request, cut or with some of them exchanged."""
    body = bytearray(draw(_good()))
    for place in draw(st.lists(st.integers(0, len(body) - 1), max_size=3)):
        body[place] = draw(st.integers(0, 255))
    return bytes(body[: draw(st.integers(0, len(body)))])


_bodies = st.lists(_good() | _changed() | _damaged() | st.binary(max_size=40), min_size=10, max_size=30)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # an example takes a while: a failing one is shown as it is
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(bodies=_bodies)
def test_every_request_has_exactly_one_outcome(relay: Relay, bodies: list[bytes]) -> None:
    """Jobs, a rejection or a deferral: one of them; Orchestrator's ledger agrees, all events are valid."""
    outcomes = asyncio.run(_through(relay, bodies))
    assert [len(kinds) for kinds in outcomes] == [1] * len(bodies)


async def _through(relay: Relay, bodies: list[bytes]) -> list[set[str]]:
    """The kinds of outcome that each body had."""
    await relay.worker.ready()
    async with station(relay.amqp_url, relay.prefix, new=False) as here:
        sent = {new_id(): body for body in bodies}
        for mark, body in sent.items():
            await here.send(body, correlation_id=mark)
        ends = await here.outcomes(sent)
        # What was settled is settled: nothing else is heard by the time that a later request is through.
        await here.outcome(await here.ask({"process": {"name": "Report"}, "folder": {"path": QUOTE}}))
        starts = {start["reference"]: start for start in relay.simulator.ledger()["starts"]}
        for mark, body in sent.items():
            outcomes = [event for event in here.heard(mark) if not event.key.startswith("job.state.")]
            assert outcomes == ends[mark], body
            assert_valid(outcomes)
            _assert_true(relay, body, outcomes, starts)
        letters = {letter.message.correlation_id: letter.message.body for letter in here.letters}
        assert letters == {
            mark: sent[mark] for mark, events in ends.items() if events[0].key == "request.rejected"
        }
    return [{event.key for event in events} for events in ends.values()]


def _assert_true(relay: Relay, body: bytes, outcomes: list[Heard], starts: Mapping[str, Any]) -> None:
    """The outcome is one that this body can have, and jobs are told exactly if there are any."""
    keys = {event.key for event in outcomes}
    assert len(keys) == 1, body
    valid, request_id = _judged(body)
    start = starts.get(f"{relay.prefix}:{request_id}")
    if keys == {"job.created"}:
        assert valid, body
        assert start is not None
        assert [event.data["job"]["id"] for event in outcomes] == start["jobIds"], body
        assert [event.data["index"] for event in outcomes] == list(range(1, len(outcomes) + 1))
    elif keys != {"request.duplicate"}:
        (outcome,) = outcomes
        assert start is None or not outcome.data.get("outcomeKnown", True), body
    if keys == {"request.rejected"} and valid:
        assert outcomes[0].data["code"] not in ("invalid_json", "invalid_request"), outcomes[0]


def _judged(body: bytes) -> tuple[bool, str | None]:
    """Whether *body* keeps to the schema, and its requestId if so."""
    try:
        document = parse(body)
    except Rejected:
        return False, None
    if violations("start-job.v1", document):
        return False, None
    return True, document["requestId"]
