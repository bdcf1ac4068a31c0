"""The requests of a run, drawn by chance from its seed: what is asked, how often, and what may come of it."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
from tenant import MODERN, QUOTE, UMLAUT

GOOD = ""
START, ADD = "job.start", "queue-item.add"
_BAD_SHARE = 0.01
_LATER_S = (0.2, 6.0)


@dataclass(frozen=True, slots=True)
class Copy:
    """One message: sent *after_s* seconds after the first one of its request."""

    message_id: str
    body: bytes
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, sent by the routing key *key*. *expects* is `GOOD`, or the code of its refusal.

    What it makes is *followed* to its end: a job always, an item where that is asked for.
    """

    name: str
    copies: tuple[Copy, ...]
    expects: str = GOOD
    key: str = START
    followed: bool = True
    resend: bool = field(default=False)
    """Whether its sender sends an unconfirmed message once more, as careful ones do."""


def asks(seed: str, duplicates: float, items: float = 0.0) -> Iterator[Ask]:
    """Requests without end; the same *seed* gives the same ones.

    A share of *duplicates* is sent again, and a share of *items* asks for queue items.
    """
    random = Random(seed)  # noqa: S311 - a load, not a secret
    for number in itertools.count():
        name = f"c{number:06}"
        key = ADD if random.random() < items else START
        if random.random() < _BAD_SHARE:
            expects, asked = random.choice(_BAD[key])
        else:
            expects, asked = GOOD, _GOOD[key](random)
        first = Copy(f"{name}-1", _body(name, asked))
        copies = (first, *_again(name, asked, random)) if random.random() < duplicates else (first,)
        followed = key == START or asked.get("track", False)
        yield Ask(name, copies, expects, key, followed, resend=random.random() < 0.5)


def _item(random: Random) -> dict[str, Any]:
    asked = {**_INTO, "queue": random.choice(_QUEUES), "track": random.random() < 0.5}
    return asked | {"specificContent": {"n": random.randrange(10_000)}}


def _start(random: Random) -> dict[str, Any]:
    process, folder = random.choice(_PROCESSES)
    asked: dict[str, Any] = {"process": {"name": process}, "folder": {"path": folder}}
    if process == "SupportTriage_QuickstartDemo":
        asked["inputArguments"] = {"IncidentId": f"INC-{random.randrange(10_000)}"}
    return asked | {"jobsCount": random.choice(_JOBS)}


def _again(name: str, asked: dict[str, Any], random: Random) -> Iterator[Copy]:
    """A second message with the id, at times a third: at the same instant or later, other words or not."""
    for number in range(2, 4 if random.random() < 0.1 else 3):
        words = {**asked, "metadata": {"copy": str(number)}} if random.random() < 0.3 else asked
        after = 0.0 if random.random() < 0.4 else random.uniform(*_LATER_S)
        yield Copy(f"{name}-{number}", _body(name, words), after)


def _body(name: str, asked: dict[str, Any]) -> bytes:
    return orjson.dumps({"requestId": name, **asked})


_JOBS = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
_TRIAGE = "SupportTriage_QuickstartDemo"
_PROCESSES = ((_TRIAGE, MODERN), (_TRIAGE, MODERN), ("Überprüfung", UMLAUT), ("Kim's report & more", QUOTE))
_IN = {"process": {"name": _TRIAGE}, "folder": {"path": MODERN}, "inputArguments": {"IncidentId": "I"}}
_QUEUES = ("Plain-0", "Unique-0")
_INTO = {"queue": _QUEUES[0], "folder": {"path": MODERN}}
_PAST = {"expiresAt": "2020-01-01T00:00:00Z"}
_GOOD: Mapping[str, Callable[[Random], dict[str, Any]]] = {START: _start, ADD: _item}
_BAD: Mapping[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    START: (
        ("invalid_request", {**_IN, "jobCount": 2}),
        ("arguments_invalid", {**_IN, "inputArguments": {"IncidentId": 7}}),
        ("expired", {**_IN, **_PAST}),
        ("strategy_not_offered", {**_IN, "strategy": "All"}),
    ),
    ADD: (
        ("invalid_request", {**_INTO, "specificContent": {"lines": [1]}}),
        ("expired", {**_INTO, **_PAST}),
    ),
}
