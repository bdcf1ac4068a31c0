"""`jobrelay follow`: events as they come, a line each."""

import asyncio
import difflib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import orjson
import typer

from worker import contracts
from worker.broker.address import Address
from worker.broker.topology import Topology
from worker.broker.visits.tap import events
from worker.broker.visits.visit import visit
from worker.cli.output import AsJson, Output, examples, note
from worker.domain.messages import Message
from worker.settings import Settings, read_settings

EXAMPLES = examples(
    "jobrelay follow",
    "jobrelay follow --request inc-1",
    "jobrelay follow --type request-rejected | jq .data.code",
)
_STYLES = {
    "Successful": "green", "Faulted": "red", "Failed": "red", "Stopped": "yellow", "rejected": "red",
    "deferred": "yellow", "duplicate": "yellow", "cancelled": "yellow",
}  # fmt: skip


def follow(
    request: Annotated[str | None, typer.Option(help="Only the events of this requestId.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, such as job-state; may be repeated.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="End after so many events.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Show events as they are published, until Ctrl-C. Nobody else misses one for it."""
    kinds = frozenset(map(_known, kind or ()))
    asyncio.run(_follow(read_settings(), Output(as_json), request, kinds, count))


@asynccontextmanager
async def live_events(
    settings: Settings,
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The documents of the events that are published from now on."""
    async with (
        visit(Address.of(settings)) as connection,
        events(connection, Topology(settings.prefix)) as messages,
    ):
        yield documents(messages)


async def documents(messages: AsyncIterator[Message]) -> AsyncIterator[dict[str, Any]]:
    """The messages that are events, read."""
    async for message in messages:
        document = read_event(message.body)
        if document is not None:
            yield document


def read_event(body: bytes) -> dict[str, Any] | None:
    """An event's document; None for what somebody else has published there."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    whole = isinstance(document, dict) and isinstance(document.get("data"), dict) and "type" in document
    return document if whole else None


def kind_of(event: Mapping[str, Any]) -> str:
    """The event's type without what all types share: `job-state` for `jobrelay.job-state.v1`."""
    return str(event["type"]).removeprefix("jobrelay.").partition(".")[0]


def describe(event: Mapping[str, Any]) -> tuple[str, str]:
    """What an event says, in a line for a person, and the colour of that news."""
    data, kind = event["data"], kind_of(event)
    process, error = data.get("process") or {}, data.get("error") or {}
    match kind:
        case "job-created":
            words = f"job {data['index']} of {data['count']} of {process.get('name')}"
        case "job-state":
            words = f"{process.get('name')} {data['state']} {error.get('title') or ''}"
        case "request-rejected":
            words = "; ".join(filter(None, (f"{data['code']}: {data['detail']}", data.get("remedy"))))
        case "request-deferred":
            words = f"{data['code']}: {data['detail']}, again in {data['delaySeconds']} s"
        case "request-duplicate":
            words = _duplicate(data)
        case "job-stop-requested":
            words = f"{data['strategy']} of job {data['job']['key']}" + ", over already" * data["terminal"]
        case "queue-item-added":
            words = f"{data['item']['reference']} in {data['queue']['name']}" + ", adopted" * data["adopted"]
        case "queue-item-state":
            error = data.get("exception") or {}
            words = f"{data['item']['reference']} {data['status']} {error.get('reason') or ''}"
        case "request-cancelled":
            words = f"will not be started, by the stop request {data['stopRequestId']}"
        case _:
            words = ""
    news = data.get("state") or data.get("status") or kind.removeprefix("request-")
    return f"{event['time'][11:19]}  {kind:<17}  {data.get('requestId')}  {words}".rstrip(), _STYLES.get(
        news, ""
    )


def _duplicate(data: Mapping[str, Any]) -> str:
    """Of what it is one, as far as that is known."""
    first = f" by message {data['firstMessageId']}" if data.get("firstMessageId") else ""
    other = ", with another body" if data["bodyDiffers"] else ""
    return f"was started before{first}{other}; its jobs have the Reference {data.get('reference')}"


async def _follow(
    settings: Settings, output: Output, request: str | None, kinds: frozenset[str], count: int | None
) -> None:
    seen = 0
    async with live_events(settings) as live:
        note(f"following the events of '{settings.prefix}'")
        async for event in live:
            about = (event["data"].get(name) for name in ("requestId", "targetRequestId"))
            if (request and request not in about) or (kinds and kind_of(event) not in kinds):
                continue
            if output.as_json:
                output.record(event)
            else:
                output.line(*describe(event))
            seen += 1
            if seen == count:
                return


def _known(name: str) -> str:
    kind = name.removeprefix("jobrelay.").partition(".")[0]
    known = [
        n.partition(".")[0] for n in contracts.names() if "specversion" in contracts.schema(n)["required"]
    ]
    if kind in known:
        return kind
    near = difflib.get_close_matches(kind, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise typer.BadParameter(f"'{name}' is no type of event; {hint}", param_hint="--type")
