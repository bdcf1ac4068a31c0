"""What `jobrelay webhook` does in Orchestrator, and how it tells of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from worker.cli.output import FAILED, UNREACHABLE, Failed, Output, note
from worker.domain.failures import Failure, Later, OutcomeUnknown, Rejected, Unavailable
from worker.domain.webhooks import PATH, same_address, subscription
from worker.orchestrator.client import Client
from worker.orchestrator.webhooks import Subscription, Webhooks, Wish
from worker.settings import Settings

_SCOPE = "OR.Webhooks"
_NO_RIGHT = (
    f"give the external application the scope {_SCOPE} (JOBRELAY_SCOPE need not name it), and its account "
    "a role of the tenant with Webhooks.View, .Create, .Edit and .Delete"
)


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: where to, under which name (None: as it is called, or by the prefix)."""

    url: str
    name: str | None
    insecure_ssl: bool


async def subscribe(settings: Settings, output: Output, order: Order) -> None:
    """Makes the webhook, or changes the one with that URL, and tells of it."""
    async with _webhooks(settings) as webhooks:
        there = [one for one in await webhooks.every() if same_address(one.url, order.url)]
        old = there[0] if there else None
        wish = Wish(
            name=order.name or (old and old.name) or settings.prefix,
            url=order.url,
            events=subscription(await webhooks.event_types()),
            insecure_ssl=order.insecure_ssl,
            secret=settings.webhook_secrets[0],
        )
        now = await (webhooks.change(old.id, wish) if old else webhooks.create(wish))
    done = "updated" if old else "created"
    if output.as_json:
        output.record({"action": done, **document(now)})
    else:
        output.line(
            f"Webhook {now.id} '{now.name}' is {done}: {', '.join(now.events)} go to {shown(now.url)}."
        )
    _advise(order.url, [one.id for one in there[1:]])


async def show_all(settings: Settings, output: Output) -> None:
    """One row for each webhook."""
    async with _webhooks(settings) as webhooks:
        found = await webhooks.every()
    if output.as_json:
        for one in found:
            output.record(document(one))
    elif found:
        output.table(["id", "name", "URL", "enabled", "events"], list(map(row, found)))
    else:
        output.line("There are no webhooks.")


async def remove_those(settings: Settings, output: Output, which: str) -> None:
    """Removes the one with that id, or all with that URL."""
    async with _webhooks(settings) as webhooks:
        meant = [
            one for one in await webhooks.every() if which == str(one.id) or same_address(one.url, which)
        ]
        if not meant:
            raise Failed(f"there is no webhook {which}: jobrelay webhook list shows those that are there")
        for one in meant:
            await webhooks.remove(one.id)
            if output.as_json:
                output.record({"action": "removed", **document(one)})
            else:
                output.line(f"Webhook {one.id} '{one.name}' is removed.")


def document(one: Subscription) -> dict[str, Any]:
    """The webhook for programs."""
    return {
        "id": one.id,
        "name": one.name,
        "url": shown(one.url),
        "enabled": one.enabled,
        "allEvents": one.all_events,
        "events": [] if one.all_events else one.events,
    }


def row(one: Subscription) -> list[object]:
    """The webhook for a person."""
    events = "all" if one.all_events else ", ".join(one.events)
    return [one.id, one.name, shown(one.url), "yes" if one.enabled else "no", events]


def shown(url: str) -> str:
    """A URL without what often is a secret: a user with a password, and a query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "?"
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def _advise(url: str, others: Sequence[int]) -> None:
    """What may be otherwise than meant."""
    if not urlsplit(url).path.endswith(PATH):
        note(f"note: workers take notices at {PATH}; something before them must lead there from this URL")
    if others:
        ids = ", ".join(map(str, others))
        note(f"note: this URL has other webhooks, {ids}, left as they are: jobrelay webhook remove ID")


@asynccontextmanager
async def _webhooks(settings: Settings) -> AsyncIterator[Webhooks]:
    """The verbs, signed in with the one scope that they need; a failure is told with its remedy."""
    own = [scope for scope in settings.scope.split() if scope.startswith(_SCOPE)]
    try:
        async with Client(settings.model_copy(update={"scope": " ".join(own) or _SCOPE})) as client:
            yield client.webhooks
    except Failure as failure:
        raise why(failure) from failure


def why(failure: Failure) -> Failed:
    """The failure for a person, with its remedy and exit code."""
    if isinstance(failure, Rejected):
        forbidden = failure.answer is not None and failure.answer.status == 403
        return Failed(f"{failure}: {_NO_RIGHT if forbidden else failure.remedy}", FAILED)
    if isinstance(failure, Unavailable) and failure.code is Later.CREDENTIALS_REFUSED:
        return Failed(f"{failure}; the scope asked for was {_SCOPE}: {_NO_RIGHT}", FAILED)
    again = "; run it again: what is there by then is updated" if isinstance(failure, OutcomeUnknown) else ""
    return Failed(f"{failure}{again}", UNREACHABLE)
