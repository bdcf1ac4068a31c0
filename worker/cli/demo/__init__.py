"""`jobrelay demo`: a worker between a broker and a failing Orchestrator, and proof that nothing is lost."""

import asyncio
import os
import secrets
import sys
from typing import Annotated

import typer

from worker.cli.demo.plan import Plan
from worker.cli.output import FAILED, OK, AsJson, Output, examples

EXAMPLES = examples(
    "jobrelay demo",
    "jobrelay demo --kill",
    "jobrelay demo --templates",
    "jobrelay demo --requests 2000 | jq .lost",
    "jobrelay demo --simulator http://127.0.0.1:8090",
)
_BROKER = "JOBRELAY_AMQP_URL"


def demo(  # noqa: PLR0913 - each of the command's options is a parameter
    *,
    requests: Annotated[int, typer.Option(help="How many requests, or events.", min=1, max=100_000)] = 200,
    kill: Annotated[bool, typer.Option("--kill", help="Kill the worker once, in the middle.")] = False,
    seed: Annotated[int | None, typer.Option(help="The same number makes the same load.")] = None,
    templates: Annotated[
        bool, typer.Option("--templates", help="Events of applications, of which templates make requests.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the queues and the worker's log.")] = False,
    simulator: Annotated[
        str | None, typer.Option(metavar="URL", help="Judge workers that run already, with this simulator.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show it all: a worker, an Orchestrator that fails now and then, and what came of every request.

    Everything is its own and is removed at the end. Success only if nothing was
    lost and nothing was started twice. Uses the broker of JOBRELAY_AMQP_URL, else
    a private one that lives as long as the demo.

    With --simulator it begins nothing and removes nothing: the load goes to the
    workers that run on JOBRELAY_AMQP_URL and JOBRELAY_PREFIX. For trials only: the
    simulator fails as it is told to, and forgets what faults it had. The workers
    have no JOBRELAY_FOLDER; if they are several, they share a ledger.
    """
    if simulator and (kill or keep or templates):
        raise typer.BadParameter("--kill, --keep and --templates are for a worker and queues of its own")
    seed = secrets.randbelow(10_000) if seed is None else seed
    plan = Plan(requests, kill, seed, keep, templates, simulator)
    if not (simulator or os.environ.get(_BROKER)):
        _again_with_a_broker(plan, as_json)
    # What a demonstration needs, the other commands begin sooner without.
    from worker.cli.demo.screen import tell  # noqa: PLC0415
    from worker.cli.demo.show import Show  # noqa: PLC0415

    output = Output(as_json)
    report = asyncio.run(Show(plan, output).run())
    tell(report, output)
    raise typer.Exit(OK if report.good else FAILED)


def _again_with_a_broker(plan: Plan, as_json: bool) -> None:
    """Begins anew beneath a private RabbitMQ, which ends with us."""
    flags = {
        "--kill": plan.kill,
        "--keep": plan.keep,
        "--templates": plan.templates,
        "--json": as_json,
    }
    command = [sys.executable, "-m", "worker", "demo"]
    command += ["--requests", str(plan.requests), "--seed", str(plan.seed)]
    command += [flag for flag, given in flags.items() if given]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "simulator.rabbitmq", "--", *command])  # noqa: S606 - fixed words
