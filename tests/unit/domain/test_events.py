"""Events: their ids follow from their facts, they keep to their schemas, and they tell no secret."""

from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from worker.contracts import violations
from worker.domain import events
from worker.domain.events import Event, Sender
from worker.domain.failures import Answer, Candidate, Code, Later, Rejected, Violation
from worker.domain.flight.events import job_state, tracking_expired
from worker.domain.jobs import Job
from worker.domain.trace import Trace

NOW = 1_795_000_000.0
SOURCE = "urn:jobrelay:prod"
GUID = "0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0101"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FULL = Sender("inc-1", "c-1", "replies", Trace(TRACE, "vendor=1"), {"team": "support"})
BARE = Sender("inc-1")
NOBODY = Sender(None)
JOB = Job(9001, GUID, GUID, "Running", "jobrelay:inc-1", "2026-11-21T10:00:00.1234567Z", "Triage_Demo")
DREAMING, RESUMED = replace(JOB, state="Dreaming"), replace(JOB, resume_version=2)
LEAN = Job(9002, GUID, "", "Pending")
SHARED = {
    "process": {"name": "P", "packageId": "P", "version": "1", "releaseKey": GUID, "environment": None},
    "folder": {"id": 101, "key": GUID, "path": "Shared"},
    "requested": 3, "adopted": False, "reference": "jobrelay:inc-1", "strategy": "ModernJobsCount",
    "attempt": 1, "doubted": False,
}  # fmt: skip
WHY = Rejected(
    Code.PROCESS_AMBIGUOUS, "which?", "say which",
    violations=(Violation("/process", "two"),), candidates=(Candidate("P", GUID, "Shared", "Demo"),),
    answer=Answer(409, 1671, "t-1", "no"),
)  # fmt: skip
BURIAL = {
    "fact": "inc-1|0",
    "attempts": [{"at": events.rfc3339(NOW), "code": "orchestrator_busy", "detail": "x"}],
    "deadLetterId": GUID,
}
DEFERRAL = {
    "code": Later.THROTTLED, "detail": "slow down", "attempt": 3, "maxAttempts": 10, "delaySeconds": 30,
    "notBefore": events.rfc3339(NOW + 30), "expiresAt": None, "outcomeKnown": True, "orchestrator": None,
}  # fmt: skip


def _tracking(sender: Sender = FULL, job: Job = JOB, **changed: Any) -> dict[str, Any]:
    return events.tracking_documents(sender, SHARED, [job], NOW)[0] | changed


def _created(sender: Sender = FULL, job: Job = JOB) -> Event:
    return events.job_created(SOURCE, sender, _tracking(sender, job), job, NOW)


def _state(job: Job = JOB, **known: Any) -> Event:
    return job_state(SOURCE, _tracking(**known), job, NOW)


def _rejected(sender: Sender = FULL, why: Rejected = WHY, **burial: Any) -> Event:
    return events.request_rejected(SOURCE, sender, why, BURIAL | burial, NOW)


def _deferred(sender: Sender = FULL, **deferral: Any) -> Event:
    return events.request_deferred(SOURCE, sender, DEFERRAL | deferral, NOW)


def _duplicate(sender: Sender = FULL, message: str = "m-1") -> Event:
    known = {"bodyDiffers": True, "reference": "jobrelay:inc-1", "firstMessageId": "m-0"}
    return events.request_duplicate(SOURCE, sender, message, known, NOW)


def _replayed(sender: Sender = FULL, **letter: Any) -> Event:
    known = {"kind": "job.start", "deadLetterId": GUID, "code": Code.EXPIRED, "replays": 2}
    return events.request_replayed(SOURCE, sender, known | letter, NOW)


FAULT = {"code": "X", "title": "t", "detail": "d", "category": "User", "status": None}
EVERY = {
    "a job of a full request": _created(),
    "a job of a bare request": _created(BARE),
    "a job of an old server's lean row": _created(BARE, LEAN),
    "a running job": _state(),
    "a job on a robot": _state(replace(JOB, robot_id=7, robot_name="r")),
    "a faulted job": _state(replace(JOB, state="Faulted", error=FAULT, ended_at="2026-11-21T10:01:00Z")),
    "a faulted job without an error": _state(replace(JOB, state="Faulted")),
    "a successful job with its output": _state(replace(JOB, state="Successful", output={"sum": 150})),
    "a job in a state of the future": _state(DREAMING),
    "a job that is not to be seen": tracking_expired(SOURCE, _tracking(missingSince=NOW - 600), NOW),
    "a rejection": _rejected(),
    "a rejection of nobody's request": _rejected(NOBODY, Rejected(Code.INVALID_JSON, "no JSON", "send JSON")),
    "a deferral": _deferred(),
    "a deferral with Orchestrator's words": _deferred(orchestrator=Answer(429).document()),
    "a duplicate": _duplicate(),
    "a replay": _replayed(),
    "a replay of nobody's message": _replayed(NOBODY, kind=None, code=None),
}


@pytest.mark.parametrize("event", EVERY.values(), ids=EVERY)
def test_an_event_keeps_to_its_schema(event: Event) -> None:
    """Whatever it has to tell."""
    assert violations(event.schema, event.document()) == []


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OUTCOME_UNKNOWN])
def test_every_code_of_a_rejection_is_in_the_contract(code: Code) -> None:
    """All but outcome_unknown, which is announced to nobody."""
    event = _rejected(why=Rejected(code, "why", "do"))
    assert violations(event.schema, event.document()) == []


@pytest.mark.parametrize("code", Later)
def test_every_code_of_a_deferral_is_in_the_contract(code: Later) -> None:
    """Whatever stood in the way."""
    event = _deferred(code=code)
    assert violations(event.schema, event.document()) == []


@pytest.mark.parametrize("sender", [FULL, BARE], ids=["full", "bare"])
@pytest.mark.parametrize("job", [JOB, LEAN], ids=["row", "lean row"])
def test_a_tracking_document_keeps_to_its_schema(sender: Sender, job: Job) -> None:
    """Or the tracker would not read it, and nobody would follow the job."""
    assert violations("tracking.v1", _tracking(sender, job)) == []


def _by_the_book(schema: str, fact: str) -> str:
    return str(uuid5(uuid5(NAMESPACE_URL, "urn:jobrelay"), f"jobrelay.{schema}|{SOURCE}|{fact}"))


@pytest.mark.parametrize(
    ("event", "schema", "fact", "routing_key", "subject"),
    [
        (_created(), "job-created.v1", GUID, "job.created", GUID),
        (_state(), "job-state.v1", f"{GUID}|Running|0", "job.state.running", GUID),
        (_state(RESUMED), "job-state.v1", f"{GUID}|Running|2", "job.state.running", GUID),
        (_state(DREAMING), "job-state.v1", f"{GUID}|Dreaming|0", "job.state.unknown", GUID),
        (_rejected(), "request-rejected.v1", "inc-1|0", "request.rejected", "inc-1"),
        (_deferred(), "request-deferred.v1", "inc-1|3", "request.deferred", "inc-1"),
        (_duplicate(), "request-duplicate.v1", "inc-1|m-1", "request.duplicate", "inc-1"),
        (_replayed(), "request-replayed.v1", f"{GUID}|2", "request.replayed", "inc-1"),
    ],
    ids=["created", "state", "resumed", "unknown state", "rejected", "deferred", "duplicate", "replayed"],
)  # fmt: skip
def test_an_event_is_named_by_its_fact(
    event: Event, schema: str, fact: str, routing_key: str, subject: str
) -> None:
    """Invariant 5: the id can be computed by anybody, and the routing key by any subscriber."""
    document = event.document()
    assert (document["id"], event.routing_key) == (_by_the_book(schema, fact), routing_key)
    assert (document["type"], document["subject"]) == (f"jobrelay.{schema}", subject)
    assert document["dataschema"] == f"urn:jobrelay:schema:{schema}"


def test_a_fact_has_the_same_id_whenever_it_is_told() -> None:
    """And two facts have two."""
    later = events.job_created(SOURCE, BARE, _tracking(BARE, adopted=True, attempt=5), JOB, NOW + 99)
    assert later.id == _created().id
    assert len({_state().id, _state(replace(JOB, state="Stopped")).id, _created().id, _duplicate().id}) == 4
    assert _duplicate(message="m-2").id != _duplicate().id
    assert (
        _rejected(fact=f"{sha256(b'x').hexdigest()}|0").id != _rejected(fact="inc-1|1").id != _rejected().id
    )


def test_a_deployment_has_ids_of_its_own() -> None:
    """Two of them may see the same job."""
    assert events.event_id("job-created.v1", "urn:jobrelay:a", "k") != events.event_id(
        "job-created.v1", "urn:jobrelay:b", "k"
    )


def test_an_event_carries_who_asked_and_the_trace() -> None:
    """The correlation id, the metadata and the trace of the request; never where its replies go."""
    document = _state().document()
    assert (document["traceparent"], document["tracestate"]) == (TRACE, "vendor=1")
    assert (document["data"]["correlationId"], document["data"]["metadata"]) == ("c-1", {"team": "support"})
    assert "replies" not in str(document)
    assert not {"traceparent", "tracestate"} & _created(BARE).document().keys()
    assert events.sender_of(_tracking()) == FULL


def test_a_state_names_the_one_before_and_when_it_came() -> None:
    """Terminal is said, an error belongs to Faulted alone, and an end has the server's time."""
    ended = replace(JOB, state="Stopped", error=FAULT, ended_at="2026-11-21T10:01:00Z")
    event = _state(ended, state="Stopping")
    data = event.document()["data"]
    assert (data["previousState"], data["terminal"], data["error"]) == ("Stopping", True, None)
    assert event.time == "2026-11-21T10:01:00Z"
    assert _state().time == events.rfc3339(NOW)


def test_the_jobs_of_a_request_are_numbered() -> None:
    """From 1, in the order given; each is at first followed from Pending on, whatever its row says."""
    documents = events.tracking_documents(FULL, SHARED, [JOB, LEAN], NOW)
    assert [(d["index"], d["count"], d["requested"], d["job"]["id"]) for d in documents] == [
        (1, 2, 3, 9001), (2, 2, 3, 9002),
    ]  # fmt: skip
    assert {(d["state"], d["generation"]) for d in documents} == {("Pending", 0)}


@pytest.mark.parametrize(
    ("epoch", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (NOW + 0.0625, "2026-11-18T11:06:40.062Z")],
)
def test_moments_are_utc_to_the_millisecond(epoch: float, text: str) -> None:
    """RFC 3339 with Z."""
    assert events.rfc3339(epoch) == text
