"""`jobrelay jobs`: which jobs are in flight, out of the trackers' own mouths."""

import asyncio
import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from worker.broker.address import Address
from worker.broker.topology import Topology
from worker.broker.visits.ask import Answers, ask_trackers
from worker.broker.visits.visit import visit
from worker.cli.output import AsJson, Failed, Output, examples, note
from worker.cli.start.request import folder_fields
from worker.cli.start.screen import span
from worker.domain.flight.listing import age_order
from worker.domain.jobs import TERMINAL
from worker.domain.words import JobState, member
from worker.settings import read_settings

EXAMPLES = examples(
    "jobrelay jobs",
    "jobrelay jobs --state Pending --state Suspended --folder Operations",
    "jobrelay jobs --request inc-1 | jq .job.key",
)
_WITHIN_S = 3.0
_STATES = [state.value for state in JobState if state not in TERMINAL]


def jobs(
    state: Annotated[
        list[str] | None, typer.Option(help="Only in this state, such as Running; may be repeated.")
    ] = None,
    process: Annotated[str | None, typer.Option(help="Only of this process: its name or package id.")] = None,
    folder: Annotated[str | None, typer.Option(help="Only in this folder: a path, id:N or key:GUID.")] = None,
    request: Annotated[str | None, typer.Option(help="Only of this requestId.")] = None,
    limit: Annotated[int, typer.Option(help="Show so many, the oldest.", min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List the jobs in flight: those that were started and whose end has not been told yet.

    The trackers are asked what they hold; the state is the one that was told
    last. Exit code 1 where the list lacks something, with a line that says what.
    """
    question = {
        "kind": "list",
        "states": list(map(_known, state or ())),
        "process": process,
        "folder": folder_fields(folder),
        "requestId": request,
        "limit": limit,
    }
    settings, output = read_settings(), Output(as_json)
    address, topology = Address.of(settings), Topology(settings.prefix)
    _show(asyncio.run(_ask(address, topology, question)), limit, output)


async def _ask(address: Address, topology: Topology, question: Mapping[str, Any]) -> Answers:
    async with visit(address) as connection:
        return await ask_trackers(connection, topology, question, _WITHIN_S)


def _known(name: str) -> str:
    found = member(JobState, name)
    if found is None or found in TERMINAL:
        near = difflib.get_close_matches(name.capitalize(), _STATES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_STATES)}"
        raise typer.BadParameter(f"no job in flight is in state '{name}'; {hint}", param_hint="--state")
    return found


def _show(answers: Answers, limit: int, output: Output) -> None:
    """The rows of all answers, the oldest first; then what is missing, as a failure."""
    rows = {row["job"]["key"]: row for document in answers.documents for row in document["rows"]}
    shown = sorted(rows.values(), key=age_order)[:limit]
    if output.as_json:
        for row in shown:
            output.record(row)
    else:
        output.table(("job", "state", "age", "process", "folder", "request"), _table(shown))
    matching = sum(document["matching"] for document in answers.documents)
    if matching > len(shown) == limit:
        note(f"these are the oldest {len(shown)} of {matching}; --limit shows more")
    _complain(answers)


def _table(rows: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    now = datetime.now(UTC)
    return [
        [
            row["job"]["id"],
            row["state"],
            span((now - datetime.fromisoformat(age_order(row)[0])).total_seconds()),
            row["process"],
            row["folder"].get("path") or f"id:{row['folder']['id']}",
            row["requestId"],
        ]
        for row in rows
    ]


def _complain(answers: Answers) -> None:
    waiting = f"{answers.waiting} jobs wait for a tracker" if answers.waiting else ""
    if not answers.consumers:
        hint = "start one with `jobrelay run`"
        raise Failed(f"no tracker is running{f', and {waiting}' if waiting else ''}; {hint}")
    if not answers.complete:
        missing = f"{answers.consumers - answers.answered} of {answers.consumers} consumers"
        raise Failed(f"the list lacks what some trackers hold ({missing} did not answer); try again")
    if waiting:
        raise Failed(f"the list is not whole: {waiting}; more trackers, or a moment, will take them")
