"""What a person is shown: tables as wide as the terminal, and what became of the jobs."""

from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from worker.cli.dead import resend
from worker.cli.follow import describe
from worker.cli.output import Output, table_of
from worker.cli.start.screen import span, standing, tell_results
from worker.cli.start.story import Story

KEY = "99587436-4ce5-480d-988c-6d7f43787a2c"
COLUMNS = ("job", "process", "folder", "state")
JOB = (KEY, "SupportTriage_QuickstartDemo", "Operations/Zürich", "Successful")


def drawn(columns: tuple[str, ...], rows: list[Any], width: int) -> list[str]:
    """The lines of a table on a terminal of *width*."""
    return drawn_as(table_of(columns, rows, width), width)


def drawn_as(picture: Any, width: int = 80) -> list[str]:
    """The lines of what is drawn on a terminal of *width*."""
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(picture)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 99, 100, 120])
def test_no_word_of_a_table_is_broken_nor_left_out(width: int) -> None:
    """Where they do not fit beside each other they stand below each other."""
    lines = drawn(COLUMNS, [JOB], width)
    assert all(any(word in line for line in lines) for word in JOB)
    assert max(map(len, lines)) <= width
    assert (len(lines) == 2) == (width >= 99)


@pytest.mark.parametrize("width", [80, 120])
def test_only_the_text_of_a_table_wraps(width: int) -> None:
    """Between its words, while everything else stays on one line."""
    text = "folder 'Operations' has no process 'Foo' (it shows 8); did you mean 'Food'?"
    lines = drawn(("reason", "letters", "for example"), [("process_unknown", 12, text)], width)
    assert "process_unknown       12  folder 'Operations' has no process" in lines[1]
    assert " ".join(line[26:].strip() for line in lines[1:]) == text


def test_an_empty_table_is_its_head() -> None:
    """Nothing to measure, nothing to draw."""
    assert drawn(COLUMNS, [], 80) == ["job  process  folder  state"]


def _story(**data: Any) -> Story:
    return Story(
        "r",
        {
            KEY: {
                "state": "Successful",
                "output": None,
                "outputFile": None,
                "error": None,
                "info": None,
                **data,
            }
        },
    )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, []),
        ({"output": {"sum": 150}}, [f"output of job {KEY}:", "{", '  "sum": 150', "}"]),
        ({"output": {}}, [f"output of job {KEY}:", "{}"]),
        ({"outputFile": "f-1"}, [f"output of job {KEY} is in the attachment f-1"]),
        ({"error": {"title": "Boom", "detail": "at [1]"}}, [f"job {KEY}: Boom: at [1]"]),
        ({"state": "Stopped", "info": "Job canceled"}, [f"job {KEY}: Stopped: Job canceled"]),
    ],
)
def test_what_the_jobs_gave_back_is_told(
    capsys: pytest.CaptureFixture[str], data: dict[str, Any], told: list[str]
) -> None:
    """Their output whole, and an error with its detail."""
    tell_results(_story(**data), Output())
    assert capsys.readouterr().out.splitlines() == told


def test_many_jobs_are_counted_by_their_states() -> None:
    """A line for each as long as they fit on the screen; then how many there are of each state."""
    story = Story("r", {f"k{n}": _job("Running" if n else "Successful") for n in range(4)}, count=4)
    assert drawn_as(standing(story, 80, lines=4, now=0.0))[1:] == [
        f"k{n}   Triage   Shared  {state}"
        for n, state in enumerate(["Successful  29 s", *["Running     0 s"] * 3])
    ]
    counted = drawn_as(standing(story, 80, lines=3, now=0.0))
    assert [line.split() for line in counted[1:]] == [
        ["Running", "3"], ["Successful", "1"], ["over", "1", "of", "4"],
    ]  # fmt: skip


def _job(state: str) -> dict[str, Any]:
    over = {"startedAt": "2026-01-01T00:00:00Z", "endedAt": "2026-01-01T00:00:29.9Z"}
    data = {"state": state, "process": {"name": "Triage"}, "folder": {"path": "Shared"}}
    return data | (over if state == "Successful" else {})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1:00"), (3605, "1:00:05"), (90_000, "1 d 1:00:00")],
)
def test_a_span_is_read_as_a_clock(seconds: float, text: str) -> None:
    """In seconds under a minute; never a fraction."""
    assert span(seconds) == text


def test_a_rejection_says_how_to_mend_it() -> None:
    """`start` and `follow` show the remedy behind the detail."""
    data = {"requestId": "r", "code": "expired", "detail": "it is late", "remedy": "send it anew"}
    event = {"type": "jobrelay.request-rejected.v1", "time": "2026-01-01T00:00:00.000Z", "data": data}
    assert describe(event)[0].endswith("expired: it is late; send it anew")


def test_what_a_stop_request_led_to_is_told() -> None:
    """Which job, how, and whether it was over; or that nothing will be started."""
    told = {"requestId": "s", "strategy": "Kill", "job": {"key": "k"}, "state": "Stopped", "terminal": True}
    event = {"type": "jobrelay.job-stop-requested.v1", "time": "2026-01-01T00:00:00.000Z", "data": told}
    assert describe(event)[0].endswith("s  Kill of job k, over already")
    event |= {
        "type": "jobrelay.request-cancelled.v1",
        "data": {"requestId": "r", "stopRequestId": "s"},
    }
    assert describe(event) == (
        "00:00:00  request-cancelled  r  will not be started, by the stop request s",
        "yellow",
    )


@pytest.mark.parametrize(
    ("first", "differs", "words"),
    [
        ("m-1", False, "was started before by message m-1; its jobs have the Reference jobrelay:r"),
        (None, True, "was started before, with another body; its jobs have the Reference jobrelay:r"),
    ],
)
def test_a_duplicate_says_of_what(first: str | None, differs: bool, words: str) -> None:
    """As far as that is known: the message it was started by, and how to find its jobs."""
    data = {"requestId": "r", "bodyDiffers": differs, "reference": "jobrelay:r", "firstMessageId": first}
    event = {"type": "jobrelay.request-duplicate.v1", "time": "2026-01-01T00:00:00.000Z", "data": data}
    assert describe(event)[0].endswith(f"r  {words}")


@pytest.mark.parametrize(
    ("named", "told"), [(1, ("1 replayed ", "1/1")), (0, ("1 replayed; looked at ", "40/50"))]
)
def test_a_bar_is_of_the_letters_that_are_named(named: int, told: tuple[str, str]) -> None:
    """Where none is named by its id nobody knows how many are meant: then it is of those looked at."""
    output, drawn, box = Output(), StringIO(), SimpleNamespace(count=50, seen=40)
    output.as_json, output.console = False, Console(file=drawn, force_terminal=True, width=100)
    with resend._progress(output, box, "replayed", resend.Tally(done=1), named) as shown:  # type: ignore[arg-type]
        shown()
    assert all(words in drawn.getvalue() for words in told)
