"""What a person sees of the jobs of one request: how they stand, and in the end what they gave back."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from worker.cli.follow import Story
from worker.cli.output import Output, table_of

_COLOURS = {"Successful": "green", "Faulted": "red", "Stopped": "yellow"}


def live(story: Story, output: Output) -> Live:
    """The story as it stands, drawn anew by itself until the block ends."""
    spinner = Spinner("dots")

    def draw() -> Group:
        rows = [
            [key, data["process"]["name"], data["folder"]["path"], _state(data)]
            for key, data in story.jobs.items()
        ]
        spinner.update(text=Text(f"{story.request_id}: {story.last}"))
        table = table_of(("job", "process", "folder", "state"), rows, output.console.width)
        return Group(table, spinner) if rows else Group(spinner)

    return Live(get_renderable=draw, console=output.console, refresh_per_second=10)


def _state(data: Mapping[str, Any]) -> Text:
    return Text(str(data["state"]), style=_COLOURS.get(data["state"], "cyan"))


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
