"""`jobrelay`: every command, ended with one of `EXIT_CODES`, and with a line where it fails."""

import asyncio
import os
import re
import sys
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from typer.core import TyperGroup

from worker import logs, tls
from worker.broker.topology import TopologyMismatch
from worker.broker.visits.visit import BrokerAway, NotTaken, NotThere
from worker.cli import check, dead, demo, follow, interrupt, jobs, probe, start, template, topology, webhook
from worker.cli.output import (
    EXIT_CODES,
    FAILED,
    INTERRUPTED,
    SETTINGS,
    UNREACHABLE,
    Failed,
    complain,
    examples,
    writing,
)
from worker.settings import NOT_USED_YET, Settings, SettingsError, read_settings, unknown_settings
from worker.version import version

_new_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop as _new_loop
except ImportError:  # no such loop on this platform; asyncio's own does the same, slower
    from asyncio import new_event_loop as _new_loop

_CODES: dict[type[BaseException], int] = {
    SettingsError: SETTINGS,
    BrokerAway: UNREACHABLE,
    NotThere: FAILED,
    NotTaken: FAILED,
    TopologyMismatch: FAILED,
}

_ENDS = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

_log = structlog.get_logger(__name__)


class Commands(TyperGroup):
    """Ends a command that fails with its exit code and a line of what to do: never with a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuses bytes that are no text: nothing that they could be sent as."""
        for typed in args:
            if re.search(r"[\udc80-\udcff]", typed):
                ctx.fail(f"'{os.fsencode(typed).decode(errors='backslashreplace')}' is not UTF-8 text")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was typed."""
        interrupt.begin()
        try:
            return super().invoke(ctx)
        except Failed as failure:
            complain(str(failure))
            raise typer.Exit(failure.code) from None
        except tuple(_CODES) as failure:
            for line in str(failure).splitlines():
                complain(line)
            raise typer.Exit(_CODES[type(failure)]) from None
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader has left: nobody misses anything
            raise typer.Exit(FAILED) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Start-job requests from RabbitMQ, started once in UiPath Orchestrator, told as events.",
    epilog=f"{examples('jobrelay demo', 'jobrelay check', 'jobrelay run')}\n\n{_ENDS}",
)
app.command(epilog=start.EXAMPLES)(start.start)
app.command(epilog=follow.EXAMPLES)(follow.follow)
app.command(epilog=jobs.EXAMPLES)(jobs.jobs)
app.command(epilog=check.EXAMPLES)(check.check)
app.command(epilog=demo.EXAMPLES)(demo.demo)
app.add_typer(dead.app, name="dead")
app.add_typer(topology.app, name="topology")
app.add_typer(topology.audit, name="audit")
app.add_typer(webhook.app, name="webhook")
app.add_typer(template.app, name="template")


def main() -> None:
    """Runs the command line and exits."""
    # The AMQP library says this when a connection could not be made; we have said it better by then.
    warnings.filterwarnings("ignore", message="coroutine 'Connection.close' was never awaited")
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - to the end of the process
    if sys.stdout is None:
        complain("stdout is closed; send it to /dev/null if nobody is to read it")
        sys.exit(FAILED)
    try:
        with writing():
            try:
                app(prog_name="jobrelay")
            finally:
                sys.stdout.flush()
    except Failed as failure:
        complain(str(failure))
        sys.exit(failure.code)
    except BrokenPipeError:
        sys.exit(FAILED)


def _say_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"jobrelay {version()}\n")
        raise typer.Exit


@app.callback()
def _always(
    *,
    _wanted: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and end."),
    ] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours.")] = False,
) -> None:
    if no_color:
        os.environ["NO_COLOR"] = "1"
    logs.configure("warning")


@app.command(
    epilog=examples("jobrelay run", "jobrelay run --role track,web", "JOBRELAY_PREFIX=test jobrelay run")
)
def run(
    role: Annotated[
        str, typer.Option(help="What this process does, separated by commas: start, track, web.")
    ] = "start,track,web",
) -> None:
    """Work: start the jobs that are asked for, follow them, and say what becomes of them.

    The settings come from the environment, each named JOBRELAY_…; SIGTERM
    finishes what is in hand.
    """
    from worker import app as worker_app  # noqa: PLC0415 - the other commands begin sooner without it

    interrupt.leave_no_zombies()
    roles = _roles(role, worker_app.ROLES)
    settings = read_settings()
    settings.require_credentials()
    logs.configure(settings.log_level, settings.log_format, to=sys.stdout)
    _warn_of(settings)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            code = runner.run(worker_app.run(settings, roles))
    except SettingsError:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, the operator reads it in the log
        _log.exception("worker.failed")
        raise Failed("the worker failed; its last log line says where") from None
    raise typer.Exit(code)


@app.command("probe", epilog=examples("jobrelay probe", "jobrelay probe --ready"))
def _probe(
    ready: Annotated[bool, typer.Option("--ready", help="Whether it is ready to work, too.")] = False,
) -> None:
    """Say whether the worker on this machine's JOBRELAY_HTTP_PORT is alive: exit code 0 or 1."""
    raise typer.Exit(probe.probe(ready))


@app.command(epilog=examples("jobrelay simulate", "jobrelay simulate --port 8090 --seed my-seed.json"))
def simulate(
    port: Annotated[int, typer.Option(help="Port; 0 picks one.", min=0, max=65535)] = 0,
    host: Annotated[str, typer.Option(help="Address; 0.0.0.0 is all that this machine has.")] = "127.0.0.1",
    seed: Annotated[
        str | None, typer.Option(help="JSON file of folders, processes, robots, clients.")
    ] = None,
) -> None:
    """Run the Orchestrator simulator. Its first line says its addresses."""
    place = ["--host", host, "--port", str(port)]
    command = [sys.executable, "-m", "simulator", *place, *(["--seed", seed] if seed else [])]
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - it takes this process's place, so that signals are its own


def _roles(text: str, known: Collection[str]) -> frozenset[str]:
    roles = frozenset(filter(None, (role.strip() for role in text.split(","))))
    strangers = sorted(roles.difference(known))
    if strangers or not roles:
        there_are = ", ".join(sorted(known))
        raise typer.BadParameter(f"'{', '.join(strangers)}' is none of {there_are}", param_hint="--role")
    return roles


def _warn_of(settings: Settings) -> None:
    for stranger in unknown_settings():
        _log.warning("settings.unknown", detail=stranger)
    for name in settings.model_fields_set & NOT_USED_YET:
        _log.warning("settings.not_used_yet", name=f"JOBRELAY_{name.upper()}")
    for name in tls.unencrypted(settings):
        _log.warning("settings.not_encrypted", name=name, remedy=tls.ENCRYPT)
