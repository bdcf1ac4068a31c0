"""`jobrelay template`: the files that make requests of applications' events, checked, tried and begun."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from worker.cli.output import FAILED, OK, AsJson, Failed, Output, examples, note, writing
from worker.cli.start.request import pairs
from worker.settings import Settings, read_settings

_FOLDER = "JOBRELAY_TEMPLATES_DIR"

app = typer.Typer(
    no_args_is_help=True,
    help="Templates: files that make requests of applications' events.",
    epilog=examples(
        "jobrelay template scaffold --process SupportTriage --folder Operations --output t/triage.yaml",
        "jobrelay template check t/",
        "jobrelay template test t/triage.yaml event.json",
    ),
)


@app.command(epilog=examples("jobrelay template check", "jobrelay template check templates/ --offline"))
def check(
    place: Annotated[
        Path | None, typer.Argument(metavar="DIR", envvar=_FOLDER, help="Their folder, or a file.")
    ] = None,
    connected: Annotated[
        bool | None,
        typer.Option(
            "--connected/--offline", help="Ask Orchestrator. By default: if its settings are there."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with templates: file, line, place, reason, remedy.

    Beside schema and expressions, Orchestrator is asked whether each folder,
    process, queue, robot and machine that is named is there, and whether the
    arguments are what the process declares. What an event decides is not looked
    at. It is asked once no file has a fault by itself. JOBRELAY_PREFIX says which
    exchanges are Jobrelay's own. Exit code 1 if anything is wrong. Nothing is
    sent or changed.
    """
    from worker.broker.topology import Topology  # noqa: PLC0415
    from worker.cli.template.check import examine  # noqa: PLC0415 - `--help` begins sooner without
    from worker.cli.template.finding import COLUMNS  # noqa: PLC0415

    if place is None:
        raise typer.BadParameter(f"name the templates' folder, or set {_FOLDER}", param_hint="DIR")
    output = Output(as_json)
    settings = read_settings(broker=False)
    topology = Topology(settings.prefix)
    findings = examine(place, topology, _asked(settings, connected=connected))
    for finding in findings if output.as_json else ():
        output.record(asdict(finding))
    if not output.as_json:
        output.table(COLUMNS, [finding.row() for finding in findings])
    raise typer.Exit(FAILED if any(finding.state == "failed" for finding in findings) else OK)


@app.command(
    "test",
    epilog=examples(
        "jobrelay template test templates/triage.yaml event.json",
        "jobrelay template test templates/ event.json --exchange shop --routing-key order.placed",
        "jobrelay template test templates/triage.yaml p3.json --expect condition_not_met",
        "jobrelay template test order-intake - --header source=web --property type=order < event.json",
    ),
)
def try_event(  # noqa: PLR0913 - each of the command's options is a parameter
    template: Annotated[str, typer.Argument(help=f"A file, a folder, or a name in {_FOLDER}.")],
    event: Annotated[str, typer.Argument(metavar="EVENT.json", help="The event's file; - is stdin.")],
    *,
    exchange: Annotated[
        str | None, typer.Option(help="Published to this one; by default the template's first.")
    ] = None,
    routing_key: Annotated[
        str | None, typer.Option(help="With this key; by default one that the template takes.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="name=text, or name:=JSON. May be repeated.")
    ] = None,
    prop: Annotated[
        list[str] | None,
        typer.Option(
            "--property",
            metavar="NAME=TEXT",
            help="messageId, correlationId, type, appId, contentType or timestamp. May be repeated.",
        ),
    ] = None,
    expect: Annotated[
        Literal["made", "condition_not_met", "left_alone", "failed"] | None,
        typer.Option(help="Exit code 0 exactly if each template that the event comes to has this result."),
    ] = None,
    folder: Annotated[str | None, typer.Option(hidden=True, envvar=_FOLDER)] = None,
    as_json: AsJson = False,
) -> None:
    """Show the request that a template makes of an event, or why it makes none.

    Nothing is sent, and no connection is needed. Of a file with more than one
    template, each is tried. As for a worker, the content type says whether it
    is a CloudEvent; it is application/json unless given with --property. Exit
    code 0 if a request is made, and no template failed; or as --expect says.
    """
    from worker.cli.template import trial  # noqa: PLC0415

    output = Output(as_json)
    properties = trial.properties_of(pairs(prop, "--property", typed=False))
    headers = pairs(header, "--header", typed=True)
    templates, only = trial.templates_of(template, folder)
    sent = trial.Sent(trial.body_of(event), exchange, routing_key, headers, properties)
    if doubt := trial.doubt(sent):
        note(doubt)
    results = list(trial.trials(templates, only, sent))
    for one in results:
        one.show(output)
    right = trial.as_expected((one.result for one in results), expect)
    raise typer.Exit(OK if right else FAILED)


@app.command(
    epilog=examples(
        "jobrelay template scaffold --process SupportTriage --folder Operations",
        "jobrelay template scaffold --process FileIntake --folder Classic --output files.yaml",
        "jobrelay template scaffold --queue Orders --folder Operations --output templates/orders.yaml",
    )
)
def scaffold(
    process: Annotated[str | None, typer.Option(help="The process: its name, or its release key.")] = None,
    queue: Annotated[str | None, typer.Option(help="Or the queue that items are added to: its name.")] = None,
    folder: Annotated[str | None, typer.Option(help="Its folder: a path, id:N or key:GUID.")] = None,
    environment: Annotated[str | None, typer.Option(help="Its environment, in a classic folder.")] = None,
    output: Annotated[Path | None, typer.Option(help="A file that is not there yet; else stdout.")] = None,
) -> None:
    """Write a template for a process, with its arguments as Orchestrator has them, or for a queue.

    Exchange, routing keys and expressions are yours to put in: `template check`
    refuses it until the exchange is there.
    """
    from worker.cli.template.scaffold import Order, scaffolded  # noqa: PLC0415

    if (process is None) == (queue is None):
        raise typer.BadParameter("name one of them: a process or a queue", param_hint="--process, --queue")
    settings = read_settings(broker=False)
    settings.require_credentials()
    text = asyncio.run(scaffolded(settings, Order(process, folder, environment, queue)))
    if output is None:
        with writing():
            typer.echo(text, nl=False)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failed(f"{output} cannot be written: {error.strerror}") from None
    note(f"next: put in what is yours, then `jobrelay template check {output}`")


def _asked(settings: Settings, *, connected: bool | None) -> Settings | None:
    """The *settings* by which Orchestrator is asked; None where it is not, or they are not there."""
    if connected:
        settings.require_credentials()
    return None if connected is False or settings.missing_credentials() else settings
