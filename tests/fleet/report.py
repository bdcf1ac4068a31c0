"""A run's results for people."""

from rich.console import Console
from rich.table import Table

from fleet.results import Results


def show(results: Results, console: Console) -> None:
    """The goals, the figures, what is wrong, and the verdict."""
    figures = results.figures
    table = Table(title="What was promised", title_justify="left")
    for heading in ("", "figure", "at most", ""):
        table.add_column(heading, justify="left" if not heading else "right")
    for goal in results.goals:
        verdict = "[green]kept[/]" if goal.met else "[red]not kept[/]" if goal.must else "[yellow]not met[/]"
        table.add_row(goal.name, f"{goal.figure:g}", f"{goal.most:g}", verdict)
    console.print(table)
    trackers = Table(title="Trackers", title_justify="left")
    columns = ("", "held", "MiB empty", "MiB full", "CPU s, filling", "CPU s, ending")
    for heading in columns:
        trackers.add_column(heading, justify="right" if heading else "left")
    for name, seen in figures["memory"]["trackers"].items():
        cpu = (figures["CPU"][f"s, {part}"][name] for part in ("filling", "ending"))
        trackers.add_row(name, *map(str, (*seen.values(), *cpu)))
    console.print(trackers)
    later = figures["memory"]["bytes a job of the second half"]
    console.print(f"RSS: {later} bytes for each of the second half of jobs")
    for name in ("seconds", "lag", "CPU", "load average", "calls", "webhooks", "repeats", "wrong"):
        if figures[name]:
            console.print(f"{name}: {figures[name]}", markup=False, highlight=False)
    for trouble in results.troubles[:20]:
        console.print(f"trouble: {trouble}", markup=False, highlight=False, style="red")
    word = "every promise was kept" if results.good else "NOT as promised"
    console.print(f"{figures['jobs']} jobs: {word}", style="bold green" if results.good else "bold red")
