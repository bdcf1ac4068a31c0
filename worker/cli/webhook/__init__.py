"""`jobrelay webhook`: the subscription by which Orchestrator tells workers of its jobs' changes."""

import asyncio
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from worker.cli.output import AsJson, Output, examples
from worker.forms import Url
from worker.settings import Settings, SettingsError, read_settings

_URL = "https://jobrelay.example.com/webhooks/orchestrator"
_LONGEST_URL = 2000

app = typer.Typer(
    no_args_is_help=True,
    help="Orchestrator's webhooks: it tells workers of changes before they look.",
    epilog=examples(f"jobrelay webhook register {_URL}", "jobrelay webhook list"),
)


@app.command(
    epilog=examples(
        f"jobrelay webhook register {_URL}",
        f"jobrelay webhook register {_URL} --name 'jobrelay, production'",
        "jobrelay webhook register https://10.0.0.7:8443/webhooks/orchestrator --insecure-ssl",
    )
)
def register(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where Orchestrator reaches the workers.")],
    name: Annotated[str | None, typer.Option(help="Its name in Orchestrator; at first the prefix.")] = None,
    insecure_ssl: Annotated[
        bool, typer.Option("--insecure-ssl", help="Take a certificate that cannot be verified.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Subscribe the workers at URL to what happens to jobs.

    Its notices are signed with JOBRELAY_WEBHOOK_SECRET. What is there with that
    URL is updated: run it again after the secret was changed, workers first.

    Orchestrator turns a webhook off for an hour after one delivery that failed,
    and tells nobody: workers should be reachable at URL before.
    """
    from worker.cli.webhook.subscribe import Order, subscribe  # noqa: PLC0415 - `--help` begins sooner without

    settings = _settings()
    if not settings.webhook_secrets:
        raise SettingsError("JOBRELAY_WEBHOOK_SECRET is missing: what Orchestrator signs its notices with")
    order = Order(_address(url), _short(name), insecure_ssl)
    asyncio.run(subscribe(settings, Output(as_json), order))


@app.command("list", epilog=examples("jobrelay webhook list", "jobrelay webhook list | jq .url"))
def list_webhooks(as_json: AsJson = False) -> None:
    """Show the tenant's webhooks, all of them. No secret is shown, and no query of a URL."""
    from worker.cli.webhook.subscribe import show_all  # noqa: PLC0415

    asyncio.run(show_all(_settings(), Output(as_json)))


@app.command(epilog=examples("jobrelay webhook remove 12", f"jobrelay webhook remove {_URL}"))
def remove(
    which: Annotated[str, typer.Argument(metavar="ID|URL", help="Its id, or the URL of one or more.")],
    as_json: AsJson = False,
) -> None:
    """Remove a webhook. What it told of is then found by polling, as ever."""
    from worker.cli.webhook.subscribe import remove_those  # noqa: PLC0415

    asyncio.run(remove_those(_settings(), Output(as_json), which))


def _settings() -> Settings:
    settings = read_settings(broker=False)
    settings.require_credentials()
    return settings


def _address(url: str) -> str:
    try:
        TypeAdapter(Url).validate_python(url)
    except ValidationError:
        what = "it must be like https://host/path, with no user and no password in it"
        raise typer.BadParameter(what, param_hint="URL") from None
    if len(url) > _LONGEST_URL:
        raise typer.BadParameter(f"Orchestrator takes {_LONGEST_URL} characters at most", param_hint="URL")
    return url


def _short(name: str | None) -> str | None:
    if name is not None and not 0 < len(name) <= 128:
        raise typer.BadParameter("Orchestrator takes 1 to 128 characters", param_hint="--name")
    return name
