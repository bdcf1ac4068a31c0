"""A mixed load of requests, each with what must become of it: good ones of every kind, and bad ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson

from worker.broker.topology import START_KEY
from worker.domain.failures import Code

STARTED, ADDED, IGNORED = "started", "added", "ignored"
_JSON = "application/json"
_BAD_SHARE, _COPIES_SHARE = 0.08, 0.04
_MODERN, _CLASSIC = {"path": "Operations"}, {"path": "Classic"}
_TRIAGE = {"name": "SupportTriage", "environment": "QuickstartDemo"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One message as a sender would publish it, and what must become of it.

    *expects* is `started`, `added` (a queue item), `ignored` (nobody wants it), or the code of its refusal;
    *jobs* and *items* how many it must make; *copies* how often its sender publishes it. Its id is the
    requestId and the message's correlation id. Without *exchange* it is a request; else an event, of which
    *template* makes one.
    """

    id: str
    body: bytes
    expects: str = STARTED
    jobs: int = 0
    items: int = 0
    copies: int = 1
    exchange: str = ""
    template: str = ""
    routing_key: str = START_KEY
    content_type: str = _JSON

    @property
    def good(self) -> bool:
        """True when something must be started, or added, for it."""
        return self.expects in (STARTED, ADDED)


def mixed_load(count: int, seed: int, run: str = "") -> list[Asked]:
    """*count* requests in an order of chance, the same ones for a *seed*; their ids begin with *run*."""
    random = Random(seed)  # noqa: S311 - a load, not a secret
    bad = max(len(_BAD), round(count * _BAD_SHARE)) if count >= 2 * len(_BAD) else count // 4
    kinds = [_BAD[i % len(_BAD)] for i in range(bad)]
    load = [_bad(f"{run}bad-{i:04}-{code}", code, parts) for i, (code, parts) in enumerate(kinds)]
    load += [_good(f"{run}good-{i:04}", i, random) for i in range(count - bad)]
    random.shuffle(load)
    return load


def copies_of(load: list[Asked]) -> int:
    """How many messages the load is, its senders' duplicates included."""
    return sum(asked.copies for asked in load)


def _good(name: str, index: int, random: Random) -> Asked:
    if index < len(_ONCE):
        request, jobs = _ONCE[index]
        request = {**request, "folder": _CLASSIC, "inputArguments": {"IncidentId": name}}
    else:
        request, jobs = random.choice(_GOOD)(name, random)
    copies = 2 if random.random() < _COPIES_SHARE else 1
    return Asked(name, orjson.dumps({"requestId": name, **request}), jobs=jobs, copies=copies)


def _modern(name: str, random: Random) -> tuple[dict[str, Any], int]:
    jobs = random.choice((1, 1, 1, 2, 3))
    process, folder = random.choice(
        (
            ({"name": "InvoiceIntake"}, _MODERN),
            ({"name": "invoiceintake"}, {"id": 501}),
            ({"releaseKey": "b41d77a2-3c5f-4d0b-9f25-7e3d5f0a7007"}, _MODERN),
            ({"name": "Überweisung prüfen"}, {"path": "Operations/Zürich Süd"}),
            ({"name": "Kim's report & more"}, {"path": "Kim's folder"}),
            ({"name": "AlwaysFaults"}, {"key": "6a1d0c2e-7d0f-4b53-8f0e-0d6a52b10501"}),
        )
    )
    return {"process": process, "folder": folder, "jobsCount": jobs, "metadata": {"load": name}}, jobs


def _with_arguments(name: str, random: Random) -> tuple[dict[str, Any], int]:
    arguments = {"in_Text": name, "in_Count": random.randrange(1000), "in_Names": ["a", "ö"], "in_Rate": 0.5}
    process = {"name": "TypedArguments"}
    return {"process": process, "folder": _MODERN, "inputArguments": arguments, "priority": "High"}, 1


def _classic(name: str, random: Random) -> tuple[dict[str, Any], int]:
    strategy, jobs = random.choice((("JobsCount", 1), ("JobsCount", 2), ("RobotCount", 1)))
    request = {"process": _TRIAGE, "folder": _CLASSIC, "inputArguments": {"IncidentId": name}}
    return {**request, "strategy": strategy, "jobsCount": jobs}, jobs


_GOOD = (_modern, _modern, _with_arguments, _classic)
# A classic folder refuses a robot that has a pending job of the process, so these come once.
_ONCE: tuple[tuple[dict[str, Any], int], ...] = (
    ({"process": _TRIAGE, "strategy": "Specific", "robots": ["porter-1"]}, 1),
    ({"process": _TRIAGE, "strategy": "Specific", "robots": [62]}, 1),
    ({"process": {**_TRIAGE, "environment": "Production"}, "strategy": "All"}, 1),
)


def _bad(name: str, code: str, parts: dict[str, Any]) -> Asked:
    about = {"content_type": parts.get("content_type", _JSON), "routing_key": parts.get("key", START_KEY)}
    # Two refusals of the same bytes are one fact, and one event: each body has its own.
    if "body" in parts:
        return Asked(name, parts["body"].replace(b"NAME", name.encode()), code, **about)
    request = {"requestId": name, "process": {"name": "InvoiceIntake"}, "folder": _MODERN}
    request |= {"metadata": {"load": name}, **parts["request"]}
    return Asked(name, orjson.dumps(dict(_present(request))), code, **about)


def _present(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in request.items() if value is not None)


_ENDED = datetime(2020, 1, 1, tzinfo=UTC).isoformat()
_BAD: tuple[tuple[str, dict[str, Any]], ...] = (
    (Code.INVALID_JSON, {"body": b'{"requestId": "NAME'}),
    (
        Code.INVALID_JSON,
        {"body": b'{"requestId": "a", "requestId": "NAME", "process": {"name": "InvoiceIntake"}}'},
    ),
    (Code.INVALID_REQUEST, {"request": {"jobCount": 2, "strategy": "Some"}}),
    (Code.REQUEST_ID_MISSING, {"request": {"requestId": None}}),
    (Code.FOLDER_MISSING, {"request": {"folder": None}}),
    (Code.WRONG_CONTENT_TYPE, {"body": b"<start>NAME</start>", "content_type": "text/xml"}),
    (Code.TOO_LARGE, {"request": {"inputArguments": {"a": "x" * 1_100_000}}}),
    (Code.EXPIRED, {"request": {"expiresAt": _ENDED}}),
    (Code.PROCESS_AMBIGUOUS, {"request": {"process": {"name": "SupportTriage"}, "folder": _CLASSIC}}),
    (
        Code.ROBOT_IS_SESSION,
        {"request": {"process": _TRIAGE, "folder": _CLASSIC, "strategy": "Specific", "robots": [8061]}},
    ),
    (Code.STRATEGY_NOT_OFFERED, {"request": {"strategy": "All"}}),
    (
        Code.ARGUMENTS_INVALID,
        {"request": {"process": {"name": "TypedArguments"}, "inputArguments": {"in_Count": "ten"}}},
    ),
    (Code.UNKNOWN_ROUTING_KEY, {"request": {}, "key": "job.begin"}),
)
