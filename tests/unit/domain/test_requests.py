"""A request as its sender meant it, and what is news of a job."""

from datetime import UTC, datetime

import pytest

from worker.domain.jobs import TERMINAL, Job, JobState, is_news
from worker.domain.requests import FolderRef, ProcessRef, StartRequest, Strategy

KEY = "0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0101"


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("Shared", FolderRef(path="Shared")),
        ("Shared/Finance", FolderRef(path="Shared/Finance")),
        ("id:7", FolderRef(id=7)),
        (f"key:{KEY}", FolderRef(key=KEY)),
        (f"key:{KEY.upper()}", FolderRef(key=KEY)),
        ("ID:7", FolderRef(path="ID:7")),
        ("a:b", FolderRef(path="a:b")),
    ],
)
def test_the_settings_form_of_a_folder(text: str, ref: FolderRef) -> None:
    """A path, `id:N` or `key:GUID`; what begins like neither is a path."""
    assert FolderRef.parse(text) == ref


@pytest.mark.parametrize("text", ["id:seven", "id:", "id:-7", "id:٣", "id:" + "9" * 5000, "key:", "key:ab"])
def test_half_a_form_of_a_folder_is_no_path(text: str) -> None:
    """Or a slip of the pen would be looked for as a folder of that name."""
    with pytest.raises(ValueError, match="id:N with N a number"):
        FolderRef.parse(text)


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        (FolderRef(path="A/B"), "'A/B'"),
        (FolderRef(id=7), "with id 7"),
        (FolderRef(key=KEY), f"with key {KEY}"),
        (ProcessRef("P"), "'P'"),
        (ProcessRef("P", "Demo"), "'P' in environment 'Demo'"),
        (ProcessRef(release_key=KEY), f"release key {KEY}"),
    ],
)
def test_references_are_named_in_sentences(ref: FolderRef | ProcessRef, said: str) -> None:
    """As the refusals say them."""
    assert str(ref) == said


def test_a_minimal_request() -> None:
    """What was not said is None or empty, and one job is asked for."""
    asked = StartRequest.of({"requestId": "inc-1", "process": {"name": "P"}})
    assert asked == StartRequest(request_id="inc-1", process=ProcessRef("P"), metadata={})
    assert (asked.jobs_count, asked.folder, asked.strategy) == (1, None, None)


def test_a_whole_request() -> None:
    """Every property arrives where it belongs."""
    asked = StartRequest.of(
        {
            "requestId": "inc-1", "process": {"releaseKey": KEY}, "folder": {"key": KEY.upper()},
            "strategy": "RobotCount", "jobsCount": 3, "robots": ["a", 8], "machines": ["m"],
            "inputArguments": {"x": 1}, "priority": 80, "runtimeType": "Unattended",
            "entryPoint": "Main.xaml",
            "source": "Apps", "requiresUserInteraction": False, "runAsMe": True, "stopAfterSeconds": 5,
            "killAfterSeconds": 9, "stopStrategy": "Kill", "expiresAt": "2026-11-21T18:00:00+01:00",
            "metadata": {"team": "support"},
        }
    )  # fmt: skip
    assert asked == StartRequest(
        request_id="inc-1", process=ProcessRef(release_key=KEY), folder=FolderRef(key=KEY),
        strategy=Strategy.JOBS_COUNT, jobs_count=3, robots=("a", 8), machines=("m",),
        input_arguments={"x": 1},
        priority=80, runtime_type="Unattended", entry_point="Main.xaml", source="Apps",
        requires_user_interaction=False, run_as_me=True, stop_after_seconds=5, kill_after_seconds=9,
        stop_strategy="Kill", expires_at=datetime(2026, 11, 21, 17, tzinfo=UTC), metadata={"team": "support"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("known", "version", "state", "seen_version", "news"),
    [
        pytest.param("Pending", 0, "Running", 0, True, id="another state"),
        pytest.param("Pending", 0, "Successful", 0, True, id="a final state, the ones between unseen"),
        pytest.param("Running", 0, "Running", 0, False, id="the same state"),
        pytest.param("Running", 0, "Running", 1, True, id="the same state after a resume"),
        pytest.param("Suspended", 1, "Running", 0, False, id="a row from before the resume"),
        pytest.param("Running", 0, "Paused", 0, True, id="a state that is new to us"),
        pytest.param("Stopping", 0, "Terminating", 0, True, id="stopping, then killed"),
    ],
)
def test_what_is_news_of_a_job(known: str, version: int, state: str, seen_version: int, news: bool) -> None:
    """A change is told once; rows that are older than what was told are not."""
    assert is_news(known, version, _seen(state, seen_version)) is news


@pytest.mark.parametrize("known", sorted(TERMINAL))
def test_nothing_is_news_after_the_end(known: str) -> None:
    """Invariant 6: states never go back from a terminal one, not even to another."""
    assert not any(is_news(known, 0, _seen(state, version)) for state in JobState for version in (0, 5))
    assert _seen(known, 0).terminal


def _seen(state: str, version: int) -> Job:
    return Job(9001, KEY, KEY, state, resume_version=version)
