"""`docs/events.md`: every request and every event, with its fields and examples."""

from collections.abc import Iterable, Iterator

from reference.catalogue import TOLD, Entry, Row, envelope, events, head_of, requests
from reference.contract import endings

_TOP = """\
# Requests and events

<!-- Written by scripts/docs from schemas/: change those. -->

Every message that Jobrelay takes and gives, by the default prefix `jobrelay`. The same for machines:
[`schemas/asyncapi.yaml`](../schemas/asyncapi.yaml) and the JSON Schemas in [`schemas/`](../schemas); as a page for a
browser: [`api.html`](api.html). Programs that do it: [`clients/`](clients/README.md).
"""
_REQUESTS = """\
## Requests

JSON (`application/json`), or a CloudEvent that carries it. A field that has nothing to say is left out, not null; an
unknown field is refused. Each request gets an answer as events; one that cannot be carried out gets `request.rejected`.
"""
_EVENTS = """\
## Events

CloudEvents 1.0 in structured JSON (`application/cloudevents+json`); the headers `cloudEvents_…` say the same as the
attributes. The `id` is derived from the fact: an event that is told twice has the same one. Optional values are null,
not left out; ignore fields that you do not know. These attributes are those of every event; the tables further below
are of its `data`.
"""


def page() -> str:
    """The page as Markdown."""
    asked, told = requests(), events()
    parts = [
        _TOP,
        table(("message", "exchange", "routing key", "says"), _overview([*asked, *told])),
        _REQUESTS,
        *(_section(one, "requests") for one in asked),
        _EVENTS,
        table(TOLD, envelope()),
        *(_section(one, "events") for one in told),
    ]
    return "\n".join(parts)


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines, ""])


def key_in_words(key: str) -> str:
    """The routing key, with the words that it may end in."""
    ends = "".join(f" with the {name} one of {', '.join(words)}" for name, words in endings(key).items())
    return f"`{_shown(key)}`{ends}"


def first_sentence(text: str) -> str:
    """The first sentence of a description."""
    return text.partition(". ")[0].rstrip(".") + "."


def _overview(entries: Iterable[Entry]) -> Iterator[Row]:
    for one in entries:
        about = f"`{one.exchange}`", f"`{_shown(one.key)}`", first_sentence(one.says)
        yield f"[{one.title}](#{_anchor(one)})", *about


def _section(one: Entry, folder: str) -> str:
    schema = f"Schema: [`{one.name}`](../schemas/{folder}/{one.name}.json)."
    where = f"Exchange `{one.exchange}`, routing key {key_in_words(one.key)}. {schema}"
    examples = (
        f"<details><summary>Example: {name.replace('-', ' ')}</summary>\n\n```json\n{text.strip()}\n```\n</details>\n"
        for name, text in one.examples.items()
    )
    return "\n".join(
        [f"### {one.title}\n", f"{one.says}\n", f"{where}\n", table(head_of(one.rows), one.rows), *examples]
    )


def _shown(key: str) -> str:
    return key.replace("{", "<").replace("}", ">")


def _anchor(one: Entry) -> str:
    return one.title.lower().replace(" ", "-")
