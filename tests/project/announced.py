"""One event of each kind, made by the code that announces it."""

from dataclasses import replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from worker.contracts.schemas import root
from worker.domain.events import (
    Event,
    Sender,
    job_created,
    job_duplicate,
    job_stop_requested,
    queue_item_added,
    request_cancelled,
    request_deferred,
    request_duplicate,
    request_rejected,
    request_replayed,
    tracking_documents,
)
from worker.domain.failures import Answer, Code, Rejected, Violation
from worker.domain.flight.events import job_state, tracking_expired
from worker.domain.jobs import Job
from worker.domain.processes import Folder
from worker.domain.queues import Added, Queue
from worker.domain.queues.events import item_tracking, queue_item_state, queue_item_tracking_expired
from worker.domain.queues.transactions import Transaction
from worker.domain.requests import Kind
from worker.domain.trace import Trace

_TRACE = Trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1")
_SENDER, _NOW, _SOURCE = Sender("inc-1", "c-1", trace=_TRACE), 1795281661.5, "jobrelay"
_JOB = Job(9001, str(uuid5(NAMESPACE_URL, "job")), str(uuid5(NAMESPACE_URL, "batch")), "Pending")
_KEPT = ("process", "folder", "requested", "adopted", "reference", "strategy", "attempt")

_ADDED = Added(Folder(101, None, "Shared", modern=True), Queue(31, "Invoices"), "r", None, adopted=True)
_TRY = Transaction(
    48015, _JOB.key, "r", 31, "Retried", exception={"type": None, "reason": "r", "details": None}
)


def tracked_item() -> dict[str, Any]:
    """The message that tracks a queue item."""
    return item_tracking(Sender("inv-1", "c-1", trace=_TRACE), _ADDED.document(), _NOW)


def tracked() -> dict[str, Any]:
    """The message that tracks a job."""
    shared = _example("job-created.v1/modern-folder")
    told = {name: shared[name] for name in _KEPT} | {"doubted": False}
    (document,) = tracking_documents(_SENDER, told, [_JOB], _NOW)
    return document


def announced() -> list[Event]:
    """An event by each function that makes one; of job-state one for a state that nobody knows, too."""
    document, stopper = tracked(), Sender("stop-1", kind=Kind.STOP)
    adder = Sender("inv-1", kind=Kind.QUEUE_ITEM)
    burial = {"fact": "inc-1|0", "attempts": [], "deadLetterId": str(uuid5(NAMESPACE_URL, "dead"))}
    why = Rejected(Code.EXPIRED, "it expired", answer=Answer(409), violations=(Violation("/a", "b"),))
    return [
        job_created(_SOURCE, _SENDER, document, _JOB, _NOW),
        job_duplicate(_SOURCE, document, _JOB, _NOW),
        job_state(_SOURCE, document, replace(_JOB, state="Running"), _NOW),
        job_state(_SOURCE, document, replace(_JOB, state="Hovering"), _NOW),
        tracking_expired(_SOURCE, {**document, "missingSince": _NOW}, _NOW),
        job_stop_requested(_SOURCE, stopper, _example("job-stop-requested.v1/running"), _JOB, _NOW),
        request_rejected(_SOURCE, Sender(None), why, burial, _NOW),
        request_deferred(_SOURCE, _SENDER, _example("request-deferred.v1/throttled"), _NOW),
        request_duplicate(_SOURCE, _SENDER, "m-1", _example("request-duplicate.v1/same-body"), _NOW),
        request_cancelled(_SOURCE, _SENDER, _example("request-cancelled.v1/met"), _NOW),
        queue_item_added(_SOURCE, adder, {**_ADDED.document(), "attempt": 1}, _NOW),
        queue_item_state(_SOURCE, tracked_item(), _TRY, _NOW, terminal=False),
        queue_item_state(_SOURCE, tracked_item(), replace(_TRY, status="Lost"), _NOW, terminal=False),
        queue_item_tracking_expired(_SOURCE, {**tracked_item(), "missingSince": _NOW}, _NOW),
        request_replayed(_SOURCE, _SENDER, _example("request-replayed.v1/once"), _NOW),
    ]


def _example(path: str) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads((root() / "examples" / f"{path}.json").read_bytes())["data"]
    return data
