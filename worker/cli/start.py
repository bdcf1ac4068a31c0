"""`jobrelay start`: a request as one would send it, and what becomes of it, live."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
import typer

from worker import contracts
from worker.broker.topology import START_KEY, Topology
from worker.broker.visits.tap import events
from worker.broker.visits.visit import sender, visit
from worker.cli.follow import Story, documents
from worker.cli.output import FAILED, OK, TIMED_OUT, AsJson, Failed, Output, examples
from worker.cli.screen import live, tell_results
from worker.domain.messages import Message
from worker.domain.requests import FolderRef, ProcessRef
from worker.settings import Settings, read_settings

EXAMPLES = examples(
    "jobrelay start SupportTriage --folder Operations --arg IncidentId=INC-1 --wait",
    "jobrelay start Triage --folder id:101 --environment Demo --strategy Specific --robot porter-1",
    "jobrelay start 99587436-4ce5-480d-988c-6d7f43787a2c --count 3 --arg 'limit:=100' --expires-in 10m",
)
_PAIR = re.compile(r"(?P<name>[^=]+?)(?P<typed>:?)=(?P<value>.*)", re.DOTALL)
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


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
        typer.Option(help="ModernJobsCount, JobsCount, Specific or All; else by the folder's kind."),
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
    timeout: Annotated[str, typer.Option(help="Wait no longer than this: 90s, 10m, 2h.")] = "10m",
    as_json: AsJson = False,
) -> None:
    """Ask for a process to be started, and follow what becomes of it.

    Without --wait it ends when the jobs exist, or the request is rejected.
    Exit codes: 0 as asked, 1 rejected or not successful, 5 not within --timeout
    (the request itself goes on).
    """
    request = {
        "requestId": request_id or str(uuid4()),
        "process": _named(process, environment),
        "folder": _folder(folder),
        "strategy": strategy,
        "jobsCount": count,
        "robots": [int(name) if name.isdecimal() else name for name in robot or ()],
        "inputArguments": _pairs(arg, "--arg", typed=True),
        "expiresAt": _moment(expires_in),
        "metadata": _pairs(metadata, "--metadata", typed=False),
    }
    request = {name: value for name, value in request.items() if value not in (None, [], {})}
    _hold_to_schema(request)
    settings = read_settings()
    raise typer.Exit(asyncio.run(_start(settings, request, Output(as_json), wait, seconds(timeout))))


def seconds(text: str) -> float:
    """A duration such as 90, 90s, 10m, 2h or 1d, in seconds."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"'{text}' is not a duration such as 90s, 10m or 2h")
    return float(found["number"]) * _SECONDS[found["unit"]]


async def _start(
    settings: Settings, request: dict[str, Any], output: Output, wait: bool, limit: float
) -> int:
    topology, story = Topology(settings.prefix), Story(request["requestId"])
    async with (
        visit(settings.amqp_url.get_secret_value()) as connection,
        events(connection, topology) as messages,
        sender(connection) as out,
    ):
        await out.send(topology.requests, START_KEY, _message(request))
        show = output.record if output.as_json else None
        with nullcontext() if output.as_json else live(story, output):
            in_time = await _until_ended(story, documents(messages), wait, limit, show)
    return _end(story, output, wait, in_time)


async def _until_ended(
    story: Story,
    live: AsyncIterator[dict[str, Any]],
    wait: bool,
    limit: float,
    show: Callable[[Mapping[str, Any]], None] | None,
) -> bool:
    try:
        async with asyncio.timeout(limit) as timer:
            async for event in live:
                if story.take(event) and show is not None:
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
        hint = f"follow it with `jobrelay follow --request {story.request_id}`"
        raise Failed(f"not over in time ({story.last}); the request goes on: {hint}", TIMED_OUT)
    if story.ended(wait):
        return OK
    if not output.as_json:
        raise Failed(story.last if story.refused else "not all jobs were successful")
    return FAILED


def _message(request: Mapping[str, Any]) -> Message:
    return Message(
        body=orjson.dumps(request),
        content_type="application/json",
        message_id=str(uuid4()),
        correlation_id=request["requestId"],
        timestamp=datetime.now(UTC),
        app_id="jobrelay-cli",
    )


def _hold_to_schema(request: Mapping[str, Any]) -> None:
    found = contracts.violations("start-job.v1", request)
    if found:
        raise typer.BadParameter("; ".join(f"{violation.pointer} {violation.message}" for violation in found))


def process_ref(text: str, environment: str | None) -> ProcessRef:
    """A GUID is a release key, anything else a name."""
    try:
        return ProcessRef(release_key=str(UUID(text)))
    except ValueError:
        return ProcessRef(text, environment)


def folder_ref(text: str) -> FolderRef:
    """A folder as it is typed: a path, id:N or key:GUID."""
    try:
        return FolderRef.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--folder") from None


def _named(text: str, environment: str | None) -> dict[str, str]:
    ref = process_ref(text, environment)
    fields = {"name": ref.name, "environment": environment, "releaseKey": ref.release_key}
    return {name: value for name, value in fields.items() if value}


def _folder(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    ref = folder_ref(text)
    fields = {"path": ref.path, "id": ref.id, "key": ref.key}
    return {name: value for name, value in fields.items() if value is not None}


def _pairs(texts: Iterable[str] | None, option: str, *, typed: bool) -> dict[str, Any]:
    """Reads name=text, and where *typed* also name:=JSON."""
    read: dict[str, Any] = {}
    for text in texts or ():
        found = _PAIR.fullmatch(text)
        if found is None:
            raise typer.BadParameter(f"'{text}' is not name=value", param_hint=option)
        is_json = typed and bool(found["typed"])
        name = found["name"] if typed else found["name"] + found["typed"]
        try:
            read[name] = orjson.loads(found["value"]) if is_json else found["value"]
        except orjson.JSONDecodeError as error:
            what = f"the value of '{name}' is not JSON ({error}); {name}=… takes it as text"
            raise typer.BadParameter(what, param_hint=option) from None
    return read


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return (datetime.now(UTC) + timedelta(seconds=seconds(text))).isoformat()
    except OverflowError:
        raise typer.BadParameter(f"'{text}' from now is past the year 9999") from None
