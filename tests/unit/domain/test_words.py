"""Orchestrator's words: every type of its documentation, read by name or number, and strange ones kept."""

from typing import Any

import pytest

from worker.domain import words
from worker.domain.words import JobSource, JobState, Word, member, read

DOCUMENTED = {
    "JobState": "Pending Running Stopping Terminating Faulted Successful Stopped Suspended Resumed",
    "JobSource": "Manual Trigger",
    "JobType": "Unattended Attended",
    "RobotState": "Available Busy Disconnected Unknown",
    "ProcessingStatus": "New InProgress Failed Successful Abandoned Retried Deleted",
    "ProcessingExceptionType": "ApplicationException BusinessException",
    "ReviewStatus": "None InReview Verified Retried",
    "AssetValueScope": "Global PerRobot",
    "AssetValueType": "- - Text Bool Integer Credential",
    "LogLevel": "Trace Debug Info Warn Error Fatal",
    "UserType": "User Robot DirectoryUser DirectoryGroup",
}
"""The documentation's names in the order of their numbers, from 0; a dash is a number that it leaves out."""

TABLE = [
    (kind, name, number)
    for kind, names in DOCUMENTED.items()
    for number, name in enumerate(names.split())
    if name != "-"
]


@pytest.mark.parametrize(("kind", "name", "number"), TABLE)
def test_a_documented_word_is_read_in_every_form(kind: str, name: str, number: int) -> None:
    """By its name in any case, its number, and its number as text."""
    found = {member(getattr(words, kind), form) for form in (name, name.lower(), name.upper(), number)}
    found.add(member(getattr(words, kind), str(number)))
    (word,) = found
    assert word is not None
    assert (str(word), word.number) == (name, number)


NO_WORDS: tuple[Any, ...] = (None, "", True, 1.0, [], {})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("Hibernating", "Hibernating", id="a new name"),
        pytest.param(99, "99", id="a new number"),
        pytest.param("99", "99", id="a new number as text"),
        pytest.param(" Running ", "Running", id="blanks around"),
        *[pytest.param(strange, None, id=repr(strange)) for strange in NO_WORDS],
    ],
)
def test_a_strange_word_is_kept_as_text(value: Any, text: str | None) -> None:
    """What is new to us is no error; what is no word at all is nothing (True is not 1)."""
    assert read(JobState, value) == text
    assert (member(JobState, value) is None) == (text != "Running")


@pytest.mark.parametrize("kind", DOCUMENTED)
def test_no_two_words_share_a_number_or_a_name(kind: str) -> None:
    """Whatever the published API has beside the documented ones."""
    members: list[Word] = list(getattr(words, kind))
    numbers = [word.number for word in members if word.number is not None]
    assert len(set(numbers)) == len(numbers)
    assert len({word.lower() for word in members}) == len(members)


def test_the_apis_other_spellings_are_read() -> None:
    """It says Schedule where the documentation says Trigger."""
    assert member(JobSource, "schedule") is JobSource.TRIGGER
    assert member(JobSource, "HttpTriggerWithCallback") is JobSource.HTTP_TRIGGER_CALLBACK
    assert member(JobState, "Schedule") is None
