"""Very many jobs: found by an index as by a scan, and sent to their ends at a steady pace."""

import time
from datetime import datetime
from operator import itemgetter

import pytest
from caller import QUICK, STILL, Caller, until


def test_an_index_finds_what_a_scan_finds(api: Caller) -> None:
    """What changed, began or ended since a moment, and what is in a state: as if every row had been read."""
    api.behave({**STILL, "rateLimitPerMinute": 0})
    first = api.start(JobsCount=8).value[0]["Id"]
    courses = ((3, "Running", "Faulted"), (1, "Running"), (5, "Running", "Suspended"), (0, "Stopped"))
    for number, *states in courses:
        for state in states:
            api.simulated.tell("PATCH", f"jobs/{first + number}", {"state": state})
            time.sleep(0.002)  # times are stored to the millisecond
    middle = api.job(first + 1)
    began, changed = middle["StartTime"], "LastModificationTime"
    for text, count in {
        f"{changed} ge {began}": 3,
        f"{changed} gt {began}": 2,
        f"{changed} eq {began} and Id gt {first}": 1,
        f"{changed} gt {began} or ({changed} eq {began} and Id gt 1)": 3,
        f"{changed} ge {middle['CreationTime']}": 8,
        f"StartTime ge {began}": 2,
        f"EndTime gt {began}": 1,
        "State in ('Suspended','Resumed')": 1,
        "State eq 'Suspended' or EndTime ge 2020-01-01T00:00:00Z": 3,
        "State eq 'Pending' and Id ne 1": 4,
    }.items():
        found, scanned = (api.get("Jobs", filter=one).value for one in (text, f"not (not ({text}))"))
        assert (len(found), found) == (count, scanned), text


def test_running_jobs_end_at_a_rate(api: Caller) -> None:
    """One after the other and not before; each as it is told, and only those that ran by then."""
    api.behave({"jobs": {**QUICK["jobs"], "outcomes": {"Running": 1}}, "rateLimitPerMinute": 0})
    first = api.start(JobsCount=20).value[0]["Id"]
    until(lambda: api.get("Jobs", filter="State eq 'Running'").value, lambda rows: len(rows) == 20)
    api.behave(STILL)
    api.start()
    told = {"perSecond": 50, "outcomes": {"Faulted": 1}}
    assert api.simulated.tell("POST", "ends", told) == {"jobs": 20, "seconds": 0.4}
    rows = until(lambda: api.get("Jobs", filter="State eq 'Faulted'").value, lambda rows: len(rows) == 20)
    times = sorted(datetime.fromisoformat(row["EndTime"]).timestamp() for row in rows)
    assert times[-1] - times[0] >= 0.37
    assert [row["Id"] for row in sorted(rows, key=itemgetter("EndTime"))] != list(range(first, first + 20))
    with pytest.raises(AssertionError, match=r"ends\.outcomes"):
        api.simulated.tell("POST", "ends", {"perSecond": 1, "outcomes": {"Running": 1}})


def test_the_ledger_tells_how_busy_the_lists_were(api: Caller) -> None:
    """The most calls in a minute, whether there is a limit or not; and how many were refused for it."""
    api.behave({"rateLimitPerMinute": 3})
    assert [api.get("Jobs").status for _ in range(5)] == [200] * 3 + [429] * 2
    ledger = api.simulated.ledger()
    assert (ledger["busiest"], ledger["throttled"]) == ({"JobsList": 5}, {"JobsList": 2})
