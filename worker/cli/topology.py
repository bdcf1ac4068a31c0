"""`jobrelay topology` and `jobrelay audit tail`: what is on the broker, and the log kept there."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer

from worker.broker.address import Address
from worker.broker.topology import Topology, declare
from worker.broker.visits.tap import Offset
from worker.broker.visits.tap import audit as read_audit
from worker.broker.visits.visit import visit
from worker.cli.output import AsJson, Output, examples, note
from worker.domain.messages import Message
from worker.settings import Settings, read_settings

app = typer.Typer(
    no_args_is_help=True,
    help="The exchanges and queues on the broker.",
    epilog=examples("jobrelay topology declare", "jobrelay topology export > definitions.json"),
)
audit = typer.Typer(
    no_args_is_help=True,
    help="The log of every request, event and dead letter.",
    epilog=examples("jobrelay audit tail --from first"),
)


@app.command("declare", epilog=examples("jobrelay topology declare"))
def declare_topology(as_json: AsJson = False) -> None:
    """Declare the exchanges and queues; what is there already stays as it is.

    A worker does the same at its start. What is there with other arguments is
    named, and left alone.
    """
    settings, output = read_settings(), Output(as_json)
    topology = Topology(settings.prefix)
    asyncio.run(_declare(settings, topology))
    exchanges = [exchange.name for exchange in topology.exchanges()]
    queues = [queue.name for queue in topology.queues()]
    if output.as_json:
        output.record({"exchanges": exchanges, "queues": queues})
    else:
        output.line(f"{len(exchanges)} exchanges and {len(queues)} queues of '{settings.prefix}' are there.")


@app.command(epilog=examples("jobrelay topology export > definitions.json"))
def export() -> None:
    """Write the same as RabbitMQ definitions (JSON), for those who import them themselves."""
    settings, output = read_settings(broker=False), Output()
    output.document(Topology(settings.prefix).definitions())


@audit.command(
    epilog=examples(
        "jobrelay audit tail",
        "jobrelay audit tail --from first --count 100",
        "jobrelay audit tail --from 2026-01-31T08:00:00Z | jq .body.type",
    )
)
def tail(
    begin: Annotated[
        str, typer.Option("--from", help="first, next, an offset, or a time such as 2026-01-31T08:00:00Z.")
    ] = "next",
    count: Annotated[int | None, typer.Option(help="End after so many.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Show the audit stream from a point on, until Ctrl-C.

    RabbitMQ finds a time to the chunk: some entries from just before it may come
    first.
    """
    offset = _offset(begin)
    asyncio.run(_tail(read_settings(), Output(as_json), offset, count))


async def _declare(settings: Settings, topology: Topology) -> None:
    async with visit(Address.of(settings)) as connection:
        await declare(connection, topology)


async def _tail(settings: Settings, output: Output, begin: Offset, count: int | None) -> None:
    seen = 0
    async with (
        visit(Address.of(settings)) as connection,
        read_audit(connection, Topology(settings.prefix), begin) as messages,
    ):
        note(f"reading the audit stream of '{settings.prefix}'")
        async for message in messages:
            entry = _entry(message)
            if output.as_json:
                output.record(entry)
            else:
                output.line(
                    f"{entry['offset']:>8}  {message.exchange}  {message.routing_key}  {_gist(entry['body'])}"
                )
            seen += 1
            if seen == count:
                return


def _entry(message: Message) -> dict[str, Any]:
    headers = dict(message.headers)
    return {
        "offset": headers.pop("x-stream-offset", None),
        "exchange": message.exchange,
        "routingKey": message.routing_key,
        "messageId": message.message_id,
        "correlationId": message.correlation_id,
        "timestamp": message.timestamp,
        "contentType": message.content_type,
        "headers": headers,
        "body": body_of(message),
    }


def body_of(message: Message) -> Any:
    """A body for JSON: the document where it is one, else its text."""
    try:
        return orjson.loads(message.body)
    except orjson.JSONDecodeError:
        return message.body.decode(errors="replace")


def _gist(body: Any) -> str:
    """What identifies an entry at a glance."""
    if not isinstance(body, dict):
        return str(body)[:60]
    data = body.get("data") if isinstance(body.get("data"), dict) else body
    return " ".join(str(data[name]) for name in ("requestId", "state", "code") if data and data.get(name))


def _offset(text: str) -> Offset:
    if text in ("first", "last", "next"):
        return text
    if text.isdecimal():
        return int(text)
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        what = f"'{text}' is neither first, next, an offset nor a time such as 2026-01-31T08:00:00Z"
        raise typer.BadParameter(what, param_hint="--from") from None
