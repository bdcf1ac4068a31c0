"""Nothing that one hint says ends a tracker, whoever sent it, or costs it more than is due."""

import asyncio
from typing import Any

import pytest
from fake_orchestrator import MODERN
from post import MANY, SOON, Fleet, Post
from structlog.testing import capture_logs

DEEP: Any = []
for _ in range(1000):
    DEEP = [DEEP]
SAID = {"kind": "held", "tracker": "x", "scans": [], "late": 0}


@pytest.mark.parametrize(
    "hint",
    [
        {"kind": "list", "limit": 5, "process": DEEP},
        {**SAID, "folders": {"1": "1" + 400 * "0"}},
        {**SAID, "folders": {"1" + 300 * "0": 500}},
        {"kind": "rows", "folder": 101, "chain": "x", "n": 1, "done": True, "jobs": [["k", [], {}]]},
        {"kind": "item-generation", "tracker": "x", "items": [[DEEP]]},
    ],
)
async def test_a_tracker_goes_on_after_any_hint(hint: Any) -> None:
    """It hears the next one, looks, and scans its folder."""
    fleet = Fleet()
    async with fleet.at_work():
        fleet.hints.hear(hint)
        await asyncio.sleep(SOON)
        fleet.tenant.becomes(fleet.job.id, state="Stopped")
        fleet.hints.send({"kind": "look", "jobs": [fleet.job.key]})
        await asyncio.sleep(SOON)
        assert fleet.outbox.keys() == ["job.state.stopped"]
        assert fleet.leases.held("scan.101")


async def test_a_scan_that_fails_costs_its_folder_a_delay() -> None:
    """Whatever it fails of; in the meantime somebody else may scan it."""
    fleet = Fleet()
    fleet.tenant.meets("changes", ZeroDivisionError("a defect"))
    async with fleet.at_work():
        await asyncio.sleep(SOON)
        assert (fleet.tenant.count("changes"), fleet.leases.held("scan.101")) == (1, False)
        await asyncio.sleep(40)
        assert fleet.tenant.count("changes") > 1
        assert fleet.leases.held("scan.101")


async def test_only_folders_of_jobs_in_hand_are_scanned() -> None:
    """Whatever others say that they hold: they scan that themselves."""
    fleet = Fleet()
    async with fleet.at_work():
        fleet.hints.hear({**SAID, "folders": {str(number): MANY for number in range(200, 500)}})
        await asyncio.sleep(SOON)
        assert fleet.leases.taken.keys() == {"scan.101"}


@pytest.mark.parametrize("goes_on", [True, False])
async def test_no_more_than_a_thousand_trackers_are_remembered(goes_on: bool) -> None:
    """Those that were heard last: one that goes on to say what it holds stays among them."""
    post = Post()
    async with post.at_work(post.delivery()):
        for number in range(3000):
            if number == 0 or (goes_on and number % 500 == 0):
                post.hints.hear({**SAID, "tracker": "real", "folders": {str(MODERN.id): MANY}})
            post.hints.hear({**SAID, "tracker": f"t-{number}", "folders": {}})
        await asyncio.sleep(SOON)
        assert post.leases.held("scan.101") is goes_on


async def test_what_cannot_be_read_is_logged_once_a_minute_and_without_its_text() -> None:
    """Who sends much of it must not fill the log, nor write into it."""
    post = Post()
    with capture_logs() as lines:
        async with post.at_work(post.delivery()):
            for _ in range(50):
                post.hints.hear({"kind": "held", "tracker": "x", "folders": {"planted": 1}, "scans": []})
                post.hints.hear({"kind": "item-generation", "tracker": "x", "items": "planted"})
            await asyncio.sleep(SOON)
            assert [line["event"] for line in lines].count("hint.unreadable") == 1
            await asyncio.sleep(60)
            post.hints.hear("planted")
            await asyncio.sleep(SOON)
    complaints = [line for line in lines if line["event"] == "hint.unreadable"]
    assert len(complaints) == 2
    assert "planted" not in str(complaints)
