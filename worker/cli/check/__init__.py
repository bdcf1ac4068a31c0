"""`jobrelay check`: a doctor looks at all that a start needs, and changes nothing."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from worker import tls
from worker.cli.check.broker import broker
from worker.cli.check.finding import Finding, Question
from worker.cli.check.ledger import ledger
from worker.cli.check.policy import policy
from worker.cli.output import FAILED, OK, AsJson, Output, examples
from worker.cli.start.request import folder_ref
from worker.settings import Settings, read_settings, unknown_settings

EXAMPLES = examples(
    "jobrelay check",
    "jobrelay check SupportTriage --folder Operations",
    "jobrelay check SupportTriage --folder Classic --environment QuickstartDemo --robot porter-1",
)


def check(
    process: Annotated[str | None, typer.Argument(help="A process: its name, or its release key.")] = None,
    folder: Annotated[str | None, typer.Option(help="Its folder: a path, id:N or key:GUID.")] = None,
    environment: Annotated[str | None, typer.Option(help="Its environment, in a classic folder.")] = None,
    robot: Annotated[list[str] | None, typer.Option(help="A robot by name or id. May be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at all that a worker needs; say what is wrong and how to mend it.

    Settings, policy, templates, broker, ledger, Orchestrator, folder and process.
    Exit code 1 if anything failed. Nothing is started, sent or changed.
    """
    settings, output = read_settings(), Output(as_json)
    where = folder or settings.folder
    robots = [int(name) if name.isdecimal() else name for name in robot or ()]
    question = Question(process, environment, folder_ref(where) if where else None, robots)
    findings = asyncio.run(_examined(settings, question))
    for finding in findings if output.as_json else ():
        output.record(asdict(finding))
    if not output.as_json:
        output.table(["", "what", "found", "how to mend it"], [finding.row() for finding in findings])
    raise typer.Exit(FAILED if any(finding.state == "failed" for finding in findings) else OK)


async def _examined(settings: Settings, question: Question) -> list[Finding]:
    # The other commands begin sooner without a client of Orchestrator, and what reads templates.
    from worker.cli.check.orchestrator import Visit  # noqa: PLC0415
    from worker.cli.check.templates import templates  # noqa: PLC0415
    from worker.orchestrator.client import Client  # noqa: PLC0415

    findings = [*settings_of(settings), policy(settings)]
    findings += await broker(settings)
    findings += await templates(settings)
    findings += await ledger(settings)
    if settings.missing_credentials():
        return [*findings, Finding("orchestrator", "skipped", "cannot be asked without its settings")]
    async with Client(settings) as client:
        return findings + await Visit(client, settings, question).findings()


def settings_of(settings: Settings) -> list[Finding]:
    """What can be said of the settings by reading them."""
    findings = [Finding("settings", "warning", line, "correct or remove it") for line in unknown_settings()]
    findings += [
        Finding("settings", "warning", f"{name} is not encrypted", tls.ENCRYPT)
        for name in tls.unencrypted(settings)
    ]
    needed_by = f"JOBRELAY_AUTH={settings.auth} needs it"
    findings += [
        Finding("settings", "failed", f"{name} is missing", f"set it: {needed_by}")
        for name in settings.missing_credentials()
    ]
    return findings or [Finding("settings", "ok", f"prefix {settings.prefix}, {settings.auth}")]
