"""A load of applications' events for the three worked cases, each with what must become of it.

Tickets, orders and files: what templates want, what they do not want, and what nobody could make anything of.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import orjson

from worker.cli.demo.load import ADDED, IGNORED, STARTED, Asked
from worker.contracts.schemas import root
from worker.domain.cloud_events import CONTENT_TYPE as CLOUD_EVENT
from worker.domain.failures import Code

CASES = ("incident-created", "order-placed", "file-arrived")
_TEMPLATES = {"tickets": "incident-triage", "shop": "order-intake", "storage": "file-to-all-robots"}
EXCHANGES = tuple(_TEMPLATES)
_Maker = Callable[[str, Random], Asked]
_JSON = "application/json"
_COPIES_SHARE, _UNWANTED_SHARE, _BAD_SHARE = 0.2, 0.15, 0.1


def write_templates(folder: Path, prefix: str) -> None:
    """The three cases as the documentation has them, but for exchanges that begin with *prefix*."""
    folder.mkdir()
    for case in CASES:
        text = (root() / "examples" / "template.v1" / f"{case}.yaml").read_text("utf-8")
        named = text.replace("- exchange: ", f"- exchange: {prefix}.")
        (folder / f"{case}.yaml").write_text(named, "utf-8")


def templated_load(count: int, seed: int, prefix: str) -> list[Asked]:
    """*count* events in an order of chance, the same ones for a *seed*; exchanges begin with *prefix*."""
    random = Random(seed)  # noqa: S311 - a load, not a secret
    unwanted, bad = round(count * _UNWANTED_SHARE), round(count * _BAD_SHARE)
    # One file: a classic folder refuses a robot that has a pending job of the process.
    makers: list[_Maker] = [
        _file,
        *(random.choice((_triage, _order)) for _ in range(count - 1 - unwanted - bad)),
    ]
    makers += [_UNWANTED[number % len(_UNWANTED)] for number in range(unwanted)]
    load = [maker(f"{number:04}", random) for number, maker in enumerate(makers)]
    load += [_bad(f"{number:04}", *_BAD[number % len(_BAD)]) for number in range(bad)]
    random.shuffle(load)
    return [replace(asked, exchange=f"{prefix}.{asked.exchange}") for asked in load]


def _copies(random: Random) -> int:
    return 2 if random.random() < _COPIES_SHARE else 1


def _triage(number: str, random: Random) -> Asked:
    incident = {"id": f"INC-{number}", "version": 1, "priority": "P1", "title": "Mail is down"}
    about = {"routing_key": random.choice(("incident.created", "incident.reopened")), "jobs": 1}
    return _asked(f"inc-INC-{number}-1", "tickets", incident, STARTED, copies=_copies(random), **about)


def _order(number: str, random: Random) -> Asked:
    lines = [{"article": "lamp", "count": random.randrange(1, 9)}] * random.randrange(1, 4)
    order = {"orderId": f"O-{number}", "customer": {"name": "Ada"}, "total": 9.5, "lines": lines}
    about = {"routing_key": "order.placed.web", "items": 1}
    return _asked(f"order-O-{number}", "shop", order, ADDED, copies=_copies(random), **about)


def _file(number: str, random: Random) -> Asked:
    key, version = f"inbound/{number}.csv", "v1"
    name = f"file-{sha256(f'{key}@{version}'.encode()).hexdigest()}"
    event = _cloud_event({"key": key, "version": version, "size": random.randrange(10**6)})
    return _asked(name, "storage", event, STARTED, jobs=2, copies=2, content_type=CLOUD_EVENT)


def _cloud_event(data: dict[str, Any]) -> dict[str, Any]:
    attributes = {"specversion": "1.0", "id": f"e-{data['key']}", "source": "/stores/inbound"}
    return {**attributes, "type": "com.example.file.arrived", "data": data}


def _minor(number: str, _: Random) -> Asked:
    incident = {"id": f"INC-{number}", "version": 1, "priority": "P3", "title": "A new keyboard"}
    return _asked(f"inc-INC-{number}-1", "tickets", incident, IGNORED, routing_key="incident.created")


def _free(number: str, _: Random) -> Asked:
    order: dict[str, Any] = {"orderId": f"O-{number}", "customer": None, "total": 0, "lines": []}
    return _asked(f"order-O-{number}", "shop", order, IGNORED, routing_key="order.placed")


def _picture(number: str, _: Random) -> Asked:
    event = _cloud_event({"key": f"inbound/{number}.png", "version": "v1"})
    return _asked(f"picture-{number}", "storage", event, IGNORED, content_type=CLOUD_EVENT)


_UNWANTED: tuple[_Maker, ...] = (_minor, _free, _picture)


def _asked(name: str, exchange: str, event: Any, expects: str, **about: Any) -> Asked:
    given = {"routing_key": "", **about}
    return Asked(
        name, orjson.dumps(event), expects, exchange=exchange, template=_TEMPLATES[exchange], **given
    )


# NAME makes each body its own: two refusals of the same bytes are one fact, and one event.
_BAD: tuple[tuple[str, str, bytes, str], ...] = (
    (Code.TEMPLATE_FAILED, "tickets", b'{"id": {"of": "NAME"}, "version": 1, "priority": "P1"}', _JSON),
    (Code.INVALID_JSON, "tickets", b'{"id": "NAME', _JSON),
    (Code.TEMPLATE_FAILED, "shop", b'{"orderId": "NAME", "total": 1, "lines": 7}', _JSON),
    (Code.INVALID_JSON, "shop", b'{"note": "NAME", "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", _JSON),
    (Code.TOO_LARGE, "tickets", b'{"id": "NAME", "big": "' + b"x" * 1_100_000 + b'"}', _JSON),
    (Code.INVALID_JSON, "shop", b'{"orderId": "NAME", "total": NaN}', _JSON),
    (Code.TEMPLATE_FAILED, "tickets", b'{"note": "NAME", "priority": "P1"}', _JSON),
    (Code.INVALID_JSON, "tickets", b'{"id": "1", "id": "NAME"}', _JSON),
    (Code.WRONG_CONTENT_TYPE, "shop", b"<order>NAME</order>", "text/xml"),
    (Code.INVALID_JSON, "tickets", b'{"id": "NAME\xff"}', _JSON),
)
_KEYS = {"tickets": "incident.created", "shop": "order.placed"}


def _bad(number: str, code: str, exchange: str, body: bytes, kind: str) -> Asked:
    name = f"bad-{number}-{code}"
    return Asked(
        name,
        body.replace(b"NAME", name.encode()),
        code,
        exchange=exchange,
        routing_key=_KEYS[exchange],
        template=_TEMPLATES[exchange],
        content_type=kind,
    )
