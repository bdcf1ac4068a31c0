"""What a person sees of the jobs of one request: how they stand, and in the end what they gave back."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from worker.cli.follow import describe
from worker.cli.output import Output, table_of
from worker.cli.start.story import Story

_COLOURS = {"Successful": "green", "Faulted": "red", "Stopped": "yellow"}
_BESIDE = 3  # lines of the screen that are not jobs: the table's head, the last line, the cursor's
Show = Callable[[Mapping[str, Any]], None]


@contextmanager
def shown(story: Story, output: Output) -> Iterator[Show]:
    """What is to be called for each event: JSON lines for a program, a picture of all jobs on a terminal.

    On a terminal that cannot draw anew each event is a line.
    """
    if output.as_json:
        yield output.record
    elif output.console.is_dumb_terminal:
        yield lambda event: output.line(*describe(event))
    else:
        with _picture(story, output):
            yield lambda _: None


def _picture(story: Story, output: Output) -> Live:
    """The story as it stands, drawn anew by itself until the block ends."""
    spinner = Spinner("dots")

    def draw() -> Group:
        spinner.update(text=Text(f"{story.request_id}: {story.last}"))
        size = output.console.size
        table = standing(story, size.width, size.height - _BESIDE, monotonic())
        return Group(table, spinner) if story.jobs else Group(spinner)

    return Live(get_renderable=draw, console=output.console, refresh_per_second=10)


def standing(story: Story, width: int, lines: int, now: float) -> RenderableType:
    """A line for each job; how many there are in each state, where they are more than *lines*."""
    if len(story.jobs) <= lines:
        columns = ("job", "process", "folder", "state", "for")
        return table_of(columns, [_row(story, key, now) for key in story.jobs], width)
    counts = Counter(data["state"] for data in story.jobs.values())
    over = sum(map(story.over, story.jobs))
    rows = [[_coloured(state), count] for state, count in sorted(counts.items(), key=lambda one: -one[1])]
    return table_of(("state", "jobs"), [*rows, ["over", Text(f"{over} of {story.count}")]], width)


def _row(story: Story, key: str, now: float) -> list[object]:
    data = story.jobs[key]
    return [
        key,
        data["process"]["name"],
        data["folder"]["path"],
        _coloured("no longer followed" if key in story.given_up else data["state"]),
        _lasted(data) or span(now - story.since.get(key, now)),
    ]


def _lasted(data: Mapping[str, Any]) -> str | None:
    """How long a job ran that is over, by the server's clock."""
    began, ended = data.get("startedAt"), data.get("endedAt")
    if not began or not ended:
        return None
    return span((datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds())


def span(seconds: float) -> str:
    """A time as one reads it: 7 s, 2:05, 1:00:00, 3 d 4:00:00."""
    if seconds < 60:
        return f"{max(int(seconds), 0)} s"
    whole = timedelta(seconds=int(seconds))
    clock = str(timedelta(seconds=whole.seconds)).removeprefix("0:").lstrip("0")
    return f"{whole.days} d {timedelta(seconds=whole.seconds)}" if whole.days else clock


def _coloured(state: str) -> Text:
    return Text(state, style=_COLOURS.get(state, "cyan"))


def tell_results(story: Story, output: Output) -> None:
    """What the jobs gave back, and what went wrong in them, as far as they are over."""
    for key, data in story.jobs.items():
        if data.get("output") is not None:
            output.line(f"output of job {key}:", "bold")
            output.document(data["output"])
        if data.get("outputFile"):
            output.line(f"output of job {key} is in the attachment {data['outputFile']}", "bold")
        error = data.get("error") or {}
        if error:
            output.line(f"job {key}: {error.get('title')}: {error.get('detail') or data.get('info')}", "red")
        elif data["state"] == "Stopped" or key in story.given_up:
            why = "no longer followed" if key in story.given_up else f"Stopped: {data.get('info') or ''}"
            output.line(f"job {key}: {why}".rstrip(": "), "yellow")
