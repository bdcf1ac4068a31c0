"""What stands in a scan's way, and in that of a job's reasons and lines; and how many lists they may read."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from stub_server import Answer, Server, page, rows, says

from worker.domain.failures import Later, Rejected, Unavailable
from worker.orchestrator import Client
from worker.orchestrator.follow.paging import MODIFIED
from worker.orchestrator.follow.scan import ASK_AGAIN_S

Connect = Callable[..., Awaitable[Client]]
NO_SUCH_COLUMN = says({"message": f"Could not find a property named '{MODIFIED}'", "errorCode": 1000}, 400)
KEY = "7C930486-4b80-415a-b4f0-f30bc2580187"
WHEN = "2026-11-18T11:06:40.1234567Z"


def row(**more: Any) -> dict[str, Any]:
    """A row of a scan."""
    return {"Id": 1, "Key": KEY, "State": "Running", "ResumeVersion": 2, MODIFIED: WHEN} | more


async def test_a_scan_begins_at_the_servers_own_newest_change(connect: Connect, server: Server) -> None:
    """No clock of ours is in it; keys are told in lower case."""
    server.on("JobsList", rows(row()), rows(row()))
    client = await connect()
    begun = await client.changes(101, None)
    assert (begun.sightings, begun.more) == ((), False)
    (seen,) = (await client.changes(101, begun.cursor)).sightings
    assert (seen.key, seen.state, seen.resume_version) == (KEY.lower(), "Running", 2)
    first, second = server.of("JobsList")
    assert f"$orderby={MODIFIED}%20desc,Id%20desc&$top=1" in first.path_qs
    assert f"$filter={MODIFIED}%20ge%202026-11-18T11:06:38.123456Z" in second.path_qs
    assert second.header("X-UIPATH-OrganizationUnitId") == ["101"]


async def test_an_empty_folder_is_scanned_from_the_beginning(connect: Connect, server: Server) -> None:
    """No time of the server's is known there, and there is nothing to read twice."""
    client = await connect()
    begun = await client.changes(101, None)
    await client.changes(101, begun.cursor)
    assert "ge%201970-01-01T00:00:00" in server.of("JobsList")[-1].path_qs


@pytest.mark.parametrize("begun", [False, True], ids=["from the first", "in the middle"])
async def test_an_old_server_is_not_asked_again_and_again(
    connect: Connect, server: Server, *, begun: bool
) -> None:
    """What it refuses once it is spared for an hour; a scan that has begun goes on where it is."""
    server.on("JobsList", *([rows(row())] * begun), NO_SUCH_COLUMN, rows())
    client = await connect(poll_budget_per_min=600)
    cursor = (await client.changes(101, None)).cursor
    for _ in range(4):
        cursor = (await client.changes(101, cursor)).cursor
    asked = [MODIFIED in seen.path_qs for seen in server.of("JobsList")]
    assert asked == [True] * (1 + begun) + [False] * (len(asked) - 1 - begun)
    since = "2026-11-18T11:06:38" if begun else "1970-01-01"
    assert any(f"EndTime%20ge%20{since}" in seen.path_qs for seen in server.of("JobsList"))
    assert ASK_AGAIN_S == 3600


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(says({"message": "no", "errorCode": 0}, 403), Rejected, id="no right"),
        pytest.param(says({"message": "no", "errorCode": 1100}, 400), Rejected, id="no folder"),
        pytest.param(says(None, 400), Unavailable, id="antiforgery"),
        pytest.param(page(404), Unavailable, id="web page"),
        pytest.param(says({"message": "slow"}, 429, Retry_After="60"), Unavailable, id="429"),
        pytest.param(says({"message": "down"}, 503), Unavailable, id="503"),
        pytest.param(rows({"Id": 1}), Unavailable, id="no time"),
        pytest.param(rows(row(Key="k")), Unavailable, id="no key"),
        pytest.param(rows(row(), row(**{MODIFIED: "2026-11-18T11:06:39Z"})), Unavailable, id="no order"),
    ],
)
async def test_a_scan_that_proves_nothing_is_a_failure(
    connect: Connect, server: Server, answer: Answer, kind: type[Exception]
) -> None:
    """And costs no belief: the same cursor is good for the next try."""
    server.on("JobsList", rows(row()), answer)
    client = await connect(http_timeout_s=0.3)
    cursor = (await client.changes(101, None)).cursor
    with pytest.raises(kind):
        await client.changes(101, cursor)
    assert [MODIFIED in seen.path_qs for seen in server.of("JobsList")].count(False) == 0


async def test_scans_keep_to_the_budget(connect: Connect, server: Server) -> None:
    """They leave half of a burst to requests in hand, and so do lines of logs."""
    server.on("RobotLogs", rows())
    client = await connect(poll_budget_per_min=12)
    cursor = (await client.changes(101, None)).cursor
    client.hurry()  # nobody waits for a turn
    with pytest.raises(Unavailable) as refused:
        await client.changes(101, cursor)
    assert (refused.value.code, refused.value.outage) == (Later.THROTTLED, False)
    with pytest.raises(Unavailable):
        await client.error_lines(101, KEY)
    assert (server.calls["JobsList"], server.calls["RobotLogs"]) == (1, 0)


async def test_error_lines_never_wait_for_a_turn(connect: Connect, server: Server) -> None:
    """Thousands of jobs that fail at once would stand in every scan's way."""
    server.on("RobotLogs", rows())
    client = await connect(poll_budget_per_min=12)
    await client.changes(101, None)
    async with asyncio.timeout(3):  # the next turn is in 5 s
        with pytest.raises(Unavailable) as refused:
            await client.error_lines(101, KEY)
    assert refused.value.code is Later.THROTTLED
    assert refused.value.retry_after
    assert server.calls["RobotLogs"] == 0


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (says({"IsValid": True, "Errors": [], "ErrorCodes": []}), []),
        (says({"IsValid": False, "Errors": ["No host."], "ErrorCodes": []}), ["No host."]),
        (
            says({"IsValid": False, "ErrorCodes": ["RobotBusy", None, 7, "x" * 5000]}),
            ["RobotBusy", "x" * 1000],
        ),
        (says({"message": "not found"}, 404), []),
        (says(None, 405), []),
        (says({"ErrorCodes": "none"}), None),
        (page(404), None),
        (says({"message": "no"}, 403), None),
    ],
)
async def test_the_reasons_of_a_job(
    connect: Connect, server: Server, answer: Answer, reasons: list[str] | None
) -> None:
    """Codes, else texts, within bounds; nothing where the server has none to give."""
    server.on("ValidateExistingJob", answer)
    client = await connect()
    if reasons is None:
        with pytest.raises((Rejected, Unavailable)):
            await client.pending_reasons(101, 9001)
    else:
        assert list(await client.pending_reasons(101, 9001)) == reasons


async def test_the_lines_of_a_log_have_bounds(connect: Connect, server: Server) -> None:
    """The newest come first and are told last; what is no text is None; refused logs are none."""
    lines = [{"TimeStamp": WHEN, "Level": "Error", "Message": "x" * 5000}, {"Level": 5, "Message": None}]
    server.on("RobotLogs", rows(*lines))
    client = await connect()
    assert await client.error_lines(101, KEY) == (
        {"time": None, "level": "Fatal", "message": None},
        {"time": WHEN, "level": "Error", "message": "x" * 2000},
    )
    (seen,) = server.of("RobotLogs")
    condition = f"JobKey%20eq%20{KEY.lower()}%20and%20(Level%20eq%20'Error'%20or%20Level%20eq%20'Fatal')"
    assert f"$filter={condition}&$orderby=TimeStamp%20desc&$top=10" in seen.path_qs
    server.on("RobotLogs", says({"message": "no"}, 403))
    assert await client.error_lines(101, KEY) == ()


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (says({"message": "no such job", "errorCode": 1002}, 404), True),
        (says(None, 404), True),
        (says({"message": "no such folder", "errorCode": 1100}, 404), False),
        (says({"message": "no such folder", "errorCode": 1100}, 400), False),
        (says({"message": "which folder?", "errorCode": 1101}, 400), False),
        (says({"message": "no"}, 403), False),
    ],
)
async def test_gone_is_not_refused(connect: Connect, server: Server, answer: Answer, *, gone: bool) -> None:
    """A job in a folder that may not be read is there or not: nobody knows."""
    server.on("JobById", answer)
    client = await connect()
    if gone:
        assert await client.job(101, 9001) is None
    else:
        with pytest.raises(Rejected):
            await client.job(101, 9001)
