"""Faults: each kind does what it says, and the ledger knows what really happened."""

import http.client
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from caller import MODERN, STILL, Caller, until

NO_ANSWER = (OSError, http.client.HTTPException)


def _fault(api: Caller, do: str, **given: Any) -> None:
    api.simulated.faults([{"operation": "StartJobs", "times": 1, "do": do, **given}])


def _committed(api: Caller) -> int:
    return len(api.simulated.ledger()["starts"])


@pytest.mark.parametrize(("do", "commits"), [("status", 0), ("commit-then-status", 1)])
def test_a_status_comes_before_or_after_the_fact(api: Caller, do: str, commits: int) -> None:
    """The same answer; only the ledger tells."""
    _fault(api, do, status=502, message="Bad gateway", code=7)
    answer = api.start(Reference="P:r")
    assert answer.error == (502, 7)
    assert answer.json["message"] == "Bad gateway"
    assert _committed(api) == commits
    assert len(api.get("Jobs", filter="Reference eq 'P:r'").value) == commits
    assert api.start().status == 201


@pytest.mark.parametrize(
    ("do", "commits"),
    [("reset", 0), ("commit-then-reset", 1), ("commit-then-cut", 1), ("commit-then-hang", 1)],
)
def test_a_connection_is_reset_before_or_after_the_fact(api: Caller, do: str, commits: int) -> None:
    """No answer, or half of one."""
    _fault(api, do, **({"seconds": 0.01} if "hang" in do else {}))
    with pytest.raises(NO_ANSWER):
        api.start()
    assert _committed(api) == commits
    assert api.start().status == 201


def test_a_call_may_hang_until_its_caller_goes(api: Caller) -> None:
    """And does not act then."""
    _fault(api, "hang")
    api.connection.timeout = 0.05
    with pytest.raises(TimeoutError):
        api.start()
    api.connection.timeout = 10
    assert api.start().status == 201
    assert _committed(api) == 1
    assert api.simulated.ledger()["calls"] == {"StartJobs": 2}


@pytest.mark.parametrize("do", ["reset-then-commit", "status-then-commit"])
def test_a_call_may_act_after_its_caller_has_gone(api: Caller, do: str) -> None:
    """The worst of all: nothing is there when one looks, and then it is."""
    _fault(api, do, seconds=0.1)
    try:
        assert api.start(Reference="P:late").status == 503
    except NO_ANSWER:
        assert do.startswith("reset")
    assert api.get("Jobs", filter="Reference eq 'P:late'").value == []
    until(lambda: api.get("Jobs", filter="Reference eq 'P:late'").value, bool)
    assert _committed(api) == 1


def test_an_answer_may_be_late(api: Caller) -> None:
    """With or without having acted in time."""
    for do in ("delay", "commit-then-delay"):
        _fault(api, do, seconds=0.05)
        began = time.monotonic()
        assert api.start().status == 201
        assert time.monotonic() - began >= 0.05
    assert _committed(api) == 2


def test_an_answer_may_be_empty_html_or_cut_json(api: Caller) -> None:
    """Three answers that are none; nothing was started."""
    _fault(api, "empty-400")
    _fault(api, "html")
    _fault(api, "garbage")
    empty, html, garbage = api.start(), api.start(), api.start()
    assert (empty.status, empty.body) == (400, b"")
    assert (html.status, html.headers.get_content_type()) == (200, "text/html")
    assert garbage.headers.get_content_type() == "application/json"
    with pytest.raises(ValueError, match=r"Unterminated"):
        assert garbage.json
    assert _committed(api) == 0


@pytest.mark.parametrize(("jobs", "made"), [(1, 1), (3, 2), (4, 2)])
def test_a_start_may_make_half_its_jobs(api: Caller, jobs: int, made: int) -> None:
    """Rounded up, and 201 all the same."""
    _fault(api, "partial")
    assert len(api.start(JobsCount=jobs).value) == made
    assert len(api.simulated.ledger()["starts"][0]["jobIds"]) == made


def test_a_token_may_expire(api: Caller) -> None:
    """401 now and from then on, until there is a new one."""
    given = {"tenancyName": "Main", "usernameOrEmailAddress": "admin", "password": "simulated-password"}
    api.token = api.call("POST", "/api/Account/Authenticate", given).json["result"]
    assert api.start().status == 201
    _fault(api, "expire-token")
    assert api.start().error == (401, 0)
    assert api.get("Folders").error == (401, 0)
    api.token = api.call("POST", "/api/Account/Authenticate", given).json["result"]
    assert api.start().status == 201


def test_retry_after_is_seconds_or_a_date(api: Caller) -> None:
    """As given."""
    date = format_datetime(datetime(2030, 1, 1, tzinfo=UTC), usegmt=True)
    _fault(api, "status", status=429, retryAfter=2)
    _fault(api, "status", status=503, retryAfter=date, headers={"X-More": "1"}, body="plain")
    first, second = api.start(), api.start()
    assert (first.status, first.headers["Retry-After"], first.headers["X-RateLimit-Remaining"]) == (
        429,
        "2",
        "0",
    )
    assert (second.headers["Retry-After"], second.headers["X-More"], second.body) == (date, "1", b"plain")


def test_the_first_fault_that_matches_strikes_as_often_as_told(api: Caller) -> None:
    """In the order given; by operation, Reference, chance; after those skipped; until dropped."""
    api.simulated.faults([{"operation": "JobsList", "do": "status", "status": 500}])
    api.simulated.faults(
        [{"operation": "StartJobs", "reference": "P:x", "times": 1, "do": "status", "status": 501}]
    )
    api.simulated.faults([{"operation": "StartJobs", "skip": 1, "times": 2, "do": "status", "status": 502}])
    api.simulated.faults([{"operation": "*", "probability": 0, "do": "reset"}])
    assert [api.start(Reference=name).status for name in ("P:a", "P:x", "P:x", "P:b", "P:c")] == [
        201,
        501,
        502,
        502,
        201,
    ]
    assert [api.get("Jobs").status for _ in range(3)] == [500] * 3
    assert [one["hits"] for one in api.simulated.tell("GET", "faults")] == [3, 1, 2, 0]
    api.simulated.heal()
    assert api.get("Jobs").status == 200


def test_chance_is_the_same_for_the_same_seed(api: Caller) -> None:
    """A run with faults can be repeated."""

    def statuses() -> list[int]:
        api.simulated.seed({"behaviour": {**STILL, "randomSeed": 7}})
        api.simulated.faults([{"operation": "Folders", "probability": 0.5, "do": "status"}])
        return [api.get("Folders").status for _ in range(40)]

    first = statuses()
    assert set(first) == {200, 503}
    assert statuses() == first


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        ({"do": "explode"}, "faults[0].do"),
        ({"operation": "Nothing", "do": "reset"}, "faults[0].operation"),
        ({"do": "status", "status": "x"}, "faults[0].status"),
        ({"do": "status", "retryAfter": []}, "faults[0].retryAfter"),
        ({"do": "reset", "tims": 1}, "did you mean 'times'"),
        ({}, "faults[0].do: is missing"),
    ],
)
def test_a_wrong_fault_is_refused_by_its_place(api: Caller, fault: dict[str, Any], place: str) -> None:
    """400; no fault is set."""
    with pytest.raises(AssertionError, match="400") as refusal:
        api.simulated.faults([fault])
    assert place in str(refusal.value)
    assert api.simulated.tell("GET", "faults") == []


def test_a_wrong_seed_leaves_the_old_world(api: Caller) -> None:
    """400 with the place; a right one forgets jobs, faults and requests."""
    api.start()
    with pytest.raises(AssertionError, match=r"behaviour\.apiVersion"):
        api.simulated.seed({"behaviour": {"apiVersion": "new"}})
    assert _committed(api) == 1
    api.simulated.seed({})
    assert (_committed(api), api.simulated.requests()) == (0, [])


def test_calls_are_counted_by_operation(api: Caller) -> None:
    """Whatever was answered."""
    api.get("Jobs", folder=None)
    api.get("Jobs(1)")
    api.get("Robots", folder=None)
    api.get("Sessions", folder=MODERN)
    assert api.simulated.ledger()["calls"] == {"JobsList": 1, "JobById": 1, "Robots": 1, "Sessions": 1}
