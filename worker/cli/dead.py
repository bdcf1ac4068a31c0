"""`jobrelay dead`: what could not be processed: why, what exactly, and back to work or away with it."""

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.progress import Progress

from worker.broker.topology import Topology
from worker.broker.visits.letters import MOST, DeadLetters, Letter, dead_letters
from worker.broker.visits.visit import NotTaken, sender, visit
from worker.cli.output import USAGE, AsJson, Failed, Output, complain, examples, note
from worker.cli.topology import body_of
from worker.settings import Settings, read_settings

app = typer.Typer(no_args_is_help=True, help="What could not be processed, with its reason.")

Ids = Annotated[list[str] | None, typer.Option("--id", help="The letter with this id. May be repeated.")]
OfCode = Annotated[str | None, typer.Option("--code", help="The letters with this reason.")]
Everything = Annotated[bool, typer.Option("--all", help="All letters.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant: by id, by reason, or all."""

    ids: frozenset[str]
    code: str | None
    everything: bool

    def of(self, letters: Sequence[Letter]) -> list[Letter]:
        """The letters meant. Raises `Failed` where an id or reason names none."""
        unknown = sorted(self.ids - {letter.id for letter in letters})
        if unknown:
            raise Failed(f"no dead letter has the id {', '.join(unknown)}; see `jobrelay dead show --all`")
        codes = sorted({letter.code for letter in letters})
        if self.code is not None and self.code not in codes:
            raise Failed(
                f"no dead letter has the reason {self.code}; there are: {', '.join(codes) or 'none'}"
            )
        return [letter for letter in letters if self._means(letter)]

    def _means(self, letter: Letter) -> bool:
        return self.everything or letter.id in self.ids or letter.code == self.code


@app.command("list", epilog=examples("jobrelay dead list", "jobrelay dead list | jq -r .code"))
def list_reasons(as_json: AsJson = False) -> None:
    """Show how many dead letters there are for each reason. Nothing is moved."""
    output, letters = Output(as_json), asyncio.run(_read(read_settings()))
    groups = _grouped(letters)
    if output.as_json:
        for group in groups:
            output.record(group)
        return
    if not groups:
        output.line("There are no dead letters.", "green")
        return
    rows = [[g["code"], g["count"], g["lastAt"] or "", g["routingKey"], g["detail"][:80]] for g in groups]
    output.table(["reason", "letters", "last", "routing key", "for example"], rows)


@app.command(epilog=examples("jobrelay dead show --code process_unknown", "jobrelay dead show --id 5c7d…"))
def show(
    id_: Ids = None, code: OfCode = None, everything: Everything = False, as_json: AsJson = False
) -> None:
    """Show letters whole: reason, headers and body. Nothing is moved."""
    choice, output = _choice(id_, code, everything), Output(as_json)
    for letter in choice.of(asyncio.run(_read(read_settings()))):
        document = _whole(letter)
        if output.as_json:
            output.record(document)
        else:
            output.document(document)


@app.command(
    epilog=examples(
        "jobrelay dead replay --code process_unknown --rate 10",
        "jobrelay dead replay --id letter-1f0c… --routing-key job.start",
    )
)
def replay(
    id_: Ids = None,
    code: OfCode = None,
    everything: Everything = False,
    rate: Annotated[float | None, typer.Option(help="At most so many a second.", min=0.001)] = None,
    routing_key: Annotated[
        str | None, typer.Option(help="Send with this routing key instead of the letter's own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send letters again to where they were first published.

    Each is off the dead letters only when the broker has confirmed it. A request that may have been sent to
    Orchestrator before is looked up there first, as always: a replay starts nothing twice.
    """
    choice, output = _choice(id_, code, everything), Output(as_json)
    if rate is not None and not math.isfinite(rate):
        raise typer.BadParameter(f"'{rate}' is not so many a second", param_hint="--rate")
    done, failed = asyncio.run(_replay(read_settings(), output, choice, rate, routing_key))
    _say(output, "replayed", done)
    if failed:
        raise Failed(f"{failed} could not be sent again and stay where they are")


@app.command(epilog=examples("jobrelay dead drop --code expired", "jobrelay dead drop --all --yes"))
def drop(
    id_: Ids = None,
    code: OfCode = None,
    everything: Everything = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take letters off for good."""
    choice, output = _choice(id_, code, everything), Output(as_json)
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failed("dropping needs --yes where nobody can be asked", USAGE)
    settings = read_settings()
    # Nobody's letters are held while somebody thinks: they are looked at, and taken in a second visit.
    meant = frozenset(letter.id for letter in choice.of(asyncio.run(_read(settings))))
    if not yes and not typer.confirm(f"Drop {len(meant)} dead letters of '{settings.prefix}' for good?"):
        raise Failed("nothing was dropped")
    _say(output, "dropped", asyncio.run(_drop(settings, output, meant)))


def _choice(ids: Iterable[str] | None, code: str | None, everything: bool) -> Choice:
    choice = Choice(frozenset(ids or ()), code, everything)
    if not (choice.ids or code or everything):
        raise typer.BadParameter("say which letters: --id, --code or --all")
    return choice


@asynccontextmanager
async def _box(settings: Settings) -> AsyncIterator[tuple[DeadLetters, list[Letter]]]:
    """The dead letters, all of them read and held for the time of the block."""
    async with (
        visit(settings.amqp_url.get_secret_value()) as connection,
        dead_letters(connection, Topology(settings.prefix)) as box,
    ):
        letters = [letter async for letter in box]
        if box.count > MOST:
            note(f"of {box.count} letters the first {MOST} are looked at; replay or drop some and look again")
        yield box, letters


async def _read(settings: Settings) -> list[Letter]:
    async with _box(settings) as (_, letters):
        return letters


async def _replay(
    settings: Settings, output: Output, choice: Choice, rate: float | None, routing_key: str | None
) -> tuple[int, int]:
    failed = 0
    async with (
        _box(settings) as (box, letters),
        visit(settings.amqp_url.get_secret_value()) as connection,
        sender(connection) as out,
    ):
        chosen = choice.of(letters)
        for letter in _with_progress(chosen, output, "replaying"):
            try:
                await box.replay(letter, out, routing_key)
            except NotTaken as why:
                complain(f"{letter.id}: {why}")
                failed += 1
            if rate is not None:
                await asyncio.sleep(1 / rate)
    return len(chosen) - failed, failed


async def _drop(settings: Settings, output: Output, ids: frozenset[str]) -> int:
    async with _box(settings) as (box, letters):
        chosen = [letter for letter in letters if letter.id in ids]
        for letter in _with_progress(chosen, output, "dropping"):
            await box.drop(letter)
    return len(chosen)


def _with_progress(letters: Sequence[Letter], output: Output, what: str) -> Iterable[Letter]:
    if output.as_json:
        yield from letters
        return
    with Progress(console=output.console, transient=True) as progress:
        yield from progress.track(letters, description=what)


def _say(output: Output, what: str, count: int) -> None:
    if output.as_json:
        output.record({what: count})
    else:
        output.line(f"{count} {what}.")


def _grouped(letters: Iterable[Letter]) -> list[dict[str, Any]]:
    """One row for each reason, the most frequent first."""
    groups: dict[str, list[Letter]] = {}
    for letter in letters:
        groups.setdefault(letter.code, []).append(letter)
    return [
        {
            "code": code,
            "count": len(members),
            "firstAt": members[0].first_at,
            "lastAt": members[-1].last_at,
            "routingKey": members[-1].routing_key,
            "detail": members[-1].detail or "",
            "id": members[-1].id,
        }
        for code, members in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


def _whole(letter: Letter) -> dict[str, Any]:
    message = letter.message
    return {
        "id": letter.id,
        "code": letter.code,
        "detail": letter.detail,
        "exchange": letter.exchange,
        "routingKey": letter.routing_key,
        "attempt": letter.attempt,
        "replays": letter.replays,
        "firstAt": letter.first_at,
        "lastAt": letter.last_at,
        "host": letter.host,
        "messageId": message.message_id,
        "correlationId": message.correlation_id,
        "contentType": message.content_type,
        "headers": dict(message.headers),
        "body": body_of(message),
    }
