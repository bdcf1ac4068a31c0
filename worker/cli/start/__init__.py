"""`jobrelay start`: a request as one would send it, and what becomes of it, live."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import orjson
import typer

from worker.broker.address import Address
from worker.broker.topology import START_KEY, Topology
from worker.broker.visits.tap import events
from worker.broker.visits.visit import sender, visit
from worker.cli.follow import documents
from worker.cli.output import OK, TIMED_OUT, AsJson, Failed, Output, examples, note
from worker.cli.start.request import (
    check_line,
    folder_fields,
    hold_to_schema,
    moment,
    pairs,
    process_fields,
    seconds,
)
from worker.cli.start.screen import shown, tell_results
from worker.cli.start.story import Story
from worker.domain.messages import Message
from worker.domain.policy.custody import Custody
from worker.settings import Settings, read_settings

EXAMPLES = examples(
    "jobrelay start SupportTriage --folder Operations --arg IncidentId=INC-1 --wait",
    "jobrelay start Triage --folder id:101 --environment Demo --strategy Specific --robot porter-1",
    "jobrelay start 99587436-4ce5-480d-988c-6d7f43787a2c --count 3 --arg 'limit:=100' --expires-in 10m",
)


def start(  # noqa: PLR0913 - each of the command's options is a parameter
    process: Annotated[str, typer.Argument(help="The process: its name, or its release key (a GUID).")],
    *,
    folder: Annotated[str | None, typer.Option(help="Folder: a path, id:N or key:GUID.")] = None,
    environment: Annotated[str | None, typer.Option(help="Environment, in a classic folder.")] = None,
    arg: Annotated[
        list[str] | None, typer.Option(help="Input argument: name=text, or name:=JSON. May be repeated.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="How many jobs.", min=1, max=10_000)] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="ModernJobsCount, JobsCount (once RobotCount), Specific or All; else by the folder's kind."
        ),
    ] = None,
    robot: Annotated[list[str] | None, typer.Option(help="Robot by name or id. May be repeated.")] = None,
    request_id: Annotated[
        str | None, typer.Option(help="The request's id: the same one again is a duplicate. Else a new one.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(help="name=text that every event repeats. May be repeated.")
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option(help="Do not start later than this from now: 90s, 10m, 2h.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until the jobs are over; success only if all of them are.")
    ] = False,
    timeout: Annotated[
        str, typer.Option(help="Wait no longer than this: 90s, 10m, 2h; a bare number is seconds.")
    ] = "10m",
    as_json: AsJson = False,
) -> None:
    """Ask for a process to be started, and follow what becomes of it.

    Without --wait it ends when the jobs exist, or the request is rejected.
    Exit codes: 0 as asked, 1 rejected, asked for before (a duplicate) or not
    successful, 5 not within --timeout (the request itself goes on), 130
    interrupted.
    """
    request = {
        "requestId": request_id or str(uuid4()),
        "process": process_fields(process, environment),
        "folder": folder_fields(folder),
        "strategy": strategy,
        "jobsCount": count,
        "robots": [int(name) if name.isdecimal() else name for name in robot or ()],
        "inputArguments": pairs(arg, "--arg", typed=True),
        "expiresAt": moment(expires_in),
        "metadata": pairs(metadata, "--metadata", typed=False),
    }
    request = {name: value for name, value in request.items() if value not in (None, [], {})}
    hold_to_schema(request)
    settings = read_settings()
    raise typer.Exit(asyncio.run(_start(settings, request, Output(as_json), wait, seconds(timeout))))


async def _start(
    settings: Settings, request: dict[str, Any], output: Output, wait: bool, limit: float
) -> int:
    topology, story = Topology(settings.prefix), Story(request["requestId"], check=check_line(request))
    address = Address.of(settings)
    async with (
        visit(address) as connection,
        events(connection, topology) as messages,
        sender(connection, Custody(address.user)) as out,
    ):
        await out.send(topology.requests, START_KEY, _message(request, address.user))
        with _left(story), shown(story, output) as show:
            in_time = await _until_ended(story, documents(messages), wait, limit, show)
    return _end(story, output, wait, in_time)


@contextmanager
def _left(story: Story) -> Iterator[None]:
    """Whoever leaves before the end is told how to come back; what was asked for is not undone by that."""
    try:
        yield
    except asyncio.CancelledError:
        note(f"the request goes on: {_hint(story)}")
        raise


def _hint(story: Story) -> str:
    return f"follow it with `jobrelay follow --request {story.request_id}`"


async def _until_ended(
    story: Story,
    live: AsyncIterator[dict[str, Any]],
    wait: bool,
    limit: float,
    show: Callable[[Mapping[str, Any]], None],
) -> bool:
    try:
        async with asyncio.timeout(limit) as timer:
            async for event in live:
                if story.take(event):
                    show(event)
                if story.ended(wait) is not None:
                    return True
    except TimeoutError:
        if not timer.expired():
            raise
    return False


def _end(story: Story, output: Output, wait: bool, in_time: bool) -> int:
    if not output.as_json:
        tell_results(story, output)
    if not in_time:
        at_once = f"; `{story.check}` says at once what is wrong" if story.unseen else ""
        raise Failed(
            f"not over in time ({story.last}); the request goes on: {_hint(story)}{at_once}", TIMED_OUT
        )
    if story.ended(wait):
        return OK
    if story.duplicate:
        raise Failed(
            f"request '{story.request_id}' was asked for before: it {story.last}. Its jobs are told under "
            f"that id: `jobrelay jobs --request {story.request_id}` lists those in flight; to hear how they "
            f"end, {_hint(story)}; a new --request-id starts new ones"
        )
    raise Failed(story.last if story.refused else "not all jobs were successful")


def _message(request: Mapping[str, Any], user: str) -> Message:
    return Message(
        body=orjson.dumps(request),
        content_type="application/json",
        message_id=str(uuid4()),
        correlation_id=request["requestId"],
        timestamp=datetime.now(UTC),
        app_id="jobrelay-cli",
        user_id=user,
    )
