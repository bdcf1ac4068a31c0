"""`jobrelay dead`: what could not be processed: why, what exactly, and back to work or away with it."""

import asyncio
import re
import sys
from typing import Annotated

import typer

from worker.cli.dead.choice import Everything, Ids, OfCode, choice_of
from worker.cli.output import USAGE, AsJson, Failed, Output, examples
from worker.settings import read_settings

app = typer.Typer(
    no_args_is_help=True,
    help="What could not be processed, with its reason.",
    epilog=examples("jobrelay dead list", "jobrelay dead replay --code expired --dry-run"),
)

_RATE = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,6})?)(?:/(?P<unit>[smh]))?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600}


@app.command("list", epilog=examples("jobrelay dead list", "jobrelay dead list | jq -r .code"))
def list_reasons(as_json: AsJson = False) -> None:
    """Show how many dead letters there are for each reason. Nothing is moved."""
    from worker.cli.dead.look import list_groups  # noqa: PLC0415 - each command loads what it needs

    asyncio.run(list_groups(read_settings(), Output(as_json)))


@app.command(
    epilog=examples(
        "jobrelay dead show 5c7d",
        "jobrelay dead show --code process_unknown | jq .body.process",
    )
)
def show(
    ids: Ids = None, code: OfCode = None, everything: Everything = False, as_json: AsJson = False
) -> None:
    """Show letters whole: reason, headers and body. Nothing is moved."""
    from worker.cli.dead.look import show_letters  # noqa: PLC0415

    choice = choice_of(ids, code, everything)
    asyncio.run(show_letters(read_settings(), Output(as_json), choice))


@app.command(
    epilog=examples(
        "jobrelay dead replay --code process_unknown --rate 10/s",
        "jobrelay dead replay --all --dry-run",
        "jobrelay dead replay 5c7d 81f0 --routing-key job.start",
    )
)
def replay(  # noqa: PLR0913 - each of the command's options is a parameter
    ids: Ids = None,
    code: OfCode = None,
    everything: Everything = False,
    *,
    rate: Annotated[str | None, typer.Option(help="No faster than this: 10/s, 300/m, 5000/h.")] = None,
    routing_key: Annotated[
        str | None, typer.Option(help="Send requests with this routing key instead of their own.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be sent, and to where.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send letters again to where they were first published.

    Each is off the dead letters only when the broker has confirmed it, and the
    event request-replayed. As ever, what may have been sent to Orchestrator before
    is looked up there first; what is made of an event again waits until no earlier
    call can take effect any more, 88 s by default. Interrupted, it ends what it
    has begun and leaves the others where they are.
    """
    from worker.cli.dead.resend import Order, replay_letters  # noqa: PLC0415

    choice = choice_of(ids, code, everything)
    order = Order(choice, per_second(rate) if rate is not None else None, routing_key, dry_run)
    asyncio.run(replay_letters(read_settings(), Output(as_json), order))


@app.command(epilog=examples("jobrelay dead drop --code expired", "jobrelay dead drop 5c7d --yes"))
def drop(
    ids: Ids = None,
    code: OfCode = None,
    everything: Everything = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take letters off for good. Each that is dropped is a line of the log (stderr)."""
    from worker.cli.dead.look import count_letters  # noqa: PLC0415
    from worker.cli.dead.resend import drop_letters  # noqa: PLC0415

    choice, output = choice_of(ids, code, everything), Output(as_json)
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failed("dropping needs --yes where nobody can be asked", USAGE)
    settings = read_settings()
    if not yes:
        # Nobody's letters are held while somebody thinks: they are looked at, and taken in a second visit.
        count, choice = asyncio.run(count_letters(settings, choice))
        if not typer.confirm(f"Drop {count} dead letters of '{settings.prefix}' for good?"):
            raise Failed("nothing was dropped")
    asyncio.run(drop_letters(settings, output, choice))


def per_second(text: str) -> float:
    """A rate such as 10, 10/s, 300/m or 5000/h, in so many a second."""
    found = _RATE.fullmatch(text.strip())
    if found is None or not float(found["number"]):
        raise typer.BadParameter(f"'{text}' is not a rate such as 10/s or 300/m", param_hint="--rate")
    return float(found["number"]) / _SECONDS[found["unit"]]
