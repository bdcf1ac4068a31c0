"""`docs/api.html`: the AsyncAPI document for people, one page that needs nothing else.

AsyncAPI's own generator needs React, a browser and npm to write it; this takes the standard library.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reference.catalogue import ASKED, TOLD, Entry, Row, envelope, events, head_of, requests, rows
from reference.contract import document
from reference.events import key_in_words

_CSS = Path(__file__).with_name("page.css")
_QUEUES = ("deadLetters", "audit", "replies")


def page() -> str:
    """The page as HTML."""
    api = document()
    return f"""<!doctype html>
<html lang="en">
<!-- Written by scripts/docs: change what that reads. -->
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(api["info"]["title"])}: requests and events</title>
<style>
{_CSS.read_text().strip()}
</style>
<body>
{_lines(_body(api))}
</body>
</html>
"""


def _body(api: Mapping[str, Any]) -> Iterator[str]:
    info, schemas = api["info"], api["components"]["schemas"]
    yield f"<h1>{_text(info['title'])} {_text(info['version'])}: requests and events</h1>"
    yield from (f"<p>{_inline(part)}</p>" for part in info["description"].strip().split("\n\n"))
    yield _section("broker", "Broker", _servers(api))
    yield _section("overview", "Overview", _overview())
    yield _section("requests", "Requests", *map(_entry, requests()), _headers(schemas["requestHeaders"]))
    attributes = ["<h3>Attributes of every event</h3>", _table(TOLD, envelope())]
    told = [*attributes, _headers(schemas["eventHeaders"]), *map(_entry, events())]
    yield _section("events", "Events", *told)
    yield _section("queues", "Queues", *_queues(api["channels"]), _headers(schemas["deadLetterHeaders"]))


def _servers(api: Mapping[str, Any]) -> str:
    ways = api["components"]["securitySchemes"]
    lines = (
        (
            f"`{name}`",
            f"`{server['variables']['host']['default']}`",
            server["description"],
            " ".join(ways[way["$ref"].rpartition("/")[2]]["description"] for way in server["security"]),
        )
        for name, server in api["servers"].items()
    )
    return _table(("protocol", "for example", "", "sign in"), lines)


def _overview() -> str:
    told = [("you publish", one) for one in requests()] + [("you read", one) for one in events()]
    lines = (
        (way, f"[{one.title}](#{one.name})", f"`{one.exchange}`", key_in_words(one.key)) for way, one in told
    )
    return _table(("", "message", "exchange", "routing key"), lines)


def _queues(channels: Mapping[str, Any]) -> Iterator[str]:
    for name in _QUEUES:
        its = channels[name]
        where = f"`{its['address']}`: " if its["address"] else ""
        yield f"<h3>{_text(its['title'])}</h3>\n<p>{_inline(where + its['description'])}</p>"


def _headers(schema: Mapping[str, Any]) -> str:
    return f"<h3>Headers</h3>\n<p>{_text(schema['description'])}</p>\n{_table(ASKED, rows(schema))}"


def _entry(one: Entry) -> str:
    examples = (
        f"<details><summary>Example: {name.replace('-', ' ')}</summary><pre>{_text(text.strip())}</pre></details>"
        for name, text in one.examples.items()
    )
    where = f"Exchange `{one.exchange}`, routing key {key_in_words(one.key)}, schema `{one.name}`."
    return _lines(
        [
            f'<h3 id="{one.name}">{_text(one.title)}</h3>',
            f"<p>{_inline(one.says)}</p>",
            f'<p class="where">{_inline(where)}</p>',
            _table(head_of(one.rows), one.rows),
            *examples,
        ]
    )


def _section(name: str, title: str, *parts: str) -> str:
    return _lines([f'<section id="{name}">', f"<h2>{title}</h2>", *parts, "</section>"])


def _table(head: Row, lines: Iterable[Row]) -> str:
    kind = ' class="fields"' if head in (ASKED, TOLD) else ""
    cells = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = ("".join(f"<td>{_inline(cell)}</td>" for cell in row) for row in lines)
    marked = (f"<tr>{row}</tr>" for row in body)
    return _lines([f'<div class="wide"><table{kind}>', f"<tr>{cells}</tr>", *marked, "</table></div>"])


def _inline(text: str) -> str:
    """Markdown's code, bold, emphasis and links as HTML; the rest is text."""
    told = re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))
    told = re.sub(r"\[([^\]]+)\]\((#[^)]+)\)", r'<a href="\2">\1</a>', told)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", told))


def _text(text: str) -> str:
    return html.escape(text, quote=False)


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)
