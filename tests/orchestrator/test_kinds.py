"""The table of kinds says what Orchestrator's documentation says, case by case."""

import pytest

from worker.domain.failures import Code, Failure, Later, OutcomeUnknown, Rejected, Unavailable
from worker.orchestrator.kinds import TABLE, Kind, kind_of
from worker.orchestrator.refusals import pause_after, why_not_done, why_not_read
from worker.orchestrator.wire import Reply

_CASES = [
    (429, 0, Kind.THROTTLED),
    *[(status, 0, Kind.AMBIGUOUS) for status in (408, 500, 502, 503, 504, 524)],
    (401, 0, Kind.AUTH),
    *[(409, code, Kind.TRANSIENT) for code in (1670, 1678, 1691)],
    (400, 1678, Kind.TRANSIENT),
    *[(status, 0, Kind.PERMANENT) for status in (400, 403, 404, 405, 409, 413)],
    *[(409, code, Kind.PERMANENT) for code in (1671, 1672, 1674, 2818)],
    (502, 1678, Kind.AMBIGUOUS),
    (429, 1678, Kind.THROTTLED),
    *[(status, 0, Kind.UNREADABLE) for status in (200, 201, 302, 307)],
]
# What a StartJobs and a read come to, and whether a read is tried again.
_MEANING: dict[Kind, tuple[type[Failure], type[Failure], bool]] = {
    Kind.THROTTLED: (Unavailable, Unavailable, True),
    Kind.AMBIGUOUS: (OutcomeUnknown, Unavailable, True),
    Kind.AUTH: (Rejected, Rejected, False),
    Kind.TRANSIENT: (Unavailable, Rejected, False),
    Kind.PERMANENT: (Rejected, Rejected, False),
    Kind.UNREADABLE: (OutcomeUnknown, Unavailable, False),
}
_WORD = {
    Kind.THROTTLED: Later.THROTTLED,
    Kind.TRANSIENT: Later.BUSY,
    Kind.PERMANENT: Code.ORCHESTRATOR_REFUSED,
}


@pytest.mark.parametrize(("status", "code", "kind"), _CASES)
def test_each_answer_is_of_its_kind_and_ends_so(status: int, code: int, kind: Kind) -> None:
    """A status and an errorCode; what a start and a read make of it; a 401 comes here last."""
    assert kind_of(status, code) is kind
    reply = Reply(status, {}, b'{"message":"why","errorCode":%d}' % code)
    started, read = why_not_done("StartJobs", reply, "it may be"), why_not_read("Folders", reply)
    assert (type(started), type(read), pause_after(reply, 0) is not None) == _MEANING[kind]
    assert getattr(started, "code", None) == _WORD.get(kind, getattr(started, "code", None))


def test_every_kind_has_a_row_and_a_case() -> None:
    """None is forgotten."""
    assert {row[0] for row in TABLE} == set(Kind) == {kind for *_, kind in _CASES}
