"""Very many jobs: found by an index as by a scan, and sent to their ends at a steady pace."""

import time

from caller import STILL, Caller


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
