"""The form of a seed: every key, its check and its value when left out."""

from pathlib import Path
from typing import Any

import orjson

from simulator.seed.checks import (
    Key,
    SeedError,
    anything,
    flag,
    mapping,
    number,
    optional,
    record,
    several,
    span,
    text,
)
from simulator.seed.tables import FOLDER, JOBS, OUTCOMES, TABLES

DEFAULT_SEED = Path(__file__).with_name("default.json")

_seconds = number(0, 10_000_000)
_all_scopes = (
    "OR.Jobs OR.Execution OR.Folders OR.Queues OR.Robots OR.Machines OR.Users OR.Webhooks OR.Monitoring "
    "OR.Settings.Read"
)

BEHAVIOUR = {
    "apiVersion": Key(number(11, 20, whole=True), 20),
    "strictApiVersion": Key(flag, default=False),  # a classic folder, too, answers as apiVersion says
    "cloudRules": Key(optional(flag)),  # null: yes from API 18 on, and for calls to a /{org}/{tenant} URL
    "latencyMs": Key(span, (0.0, 0.0)),
    "cookies": Key(flag, default=True),
    "rateLimitPerMinute": Key(number(0, 1_000_000, whole=True), 100),
    "rateLimitSeconds": Key(number(0.1, 3600), 60),
    "startsPerSecond": Key(number(0, 1_000_000, whole=True), 0),  # 0: no limit, as the real one; else 429
    "tokenSeconds": Key(mapping(_seconds), dict),  # by mode: client_credentials, user_key, password
    "randomSeed": Key(number(0, 2**63, whole=True), 1),
    "inOperator": Key(flag, default=True),
    "notFilterable": Key(several(text), list),  # properties of Jobs that $filter refuses
    "honourBatchExecutionKey": Key(flag, default=True),
    "strictStrategies": Key(flag, default=False),  # modern folders take ModernJobsCount and Specific only
    "maxPendingJobs": Key(number(0, 10_000_000, whole=True), 0),  # 0: no limit; else 1691
    "webhookBreakerSeconds": Key(_seconds, 3600),
    "webhookTimeoutSeconds": Key(number(0.1, 60), 5),
    "errors": Key(
        mapping(record({"status": Key(number(400, 599, whole=True)), "message": Key(text)}, partial=True)),
        dict,
    ),
    "jobs": Key(record(JOBS, partial=True), lambda: record(JOBS)({}, "")),
}

IDENTITY = record(
    {
        "organization": Key(text, "acorn"),
        "tenant": Key(text, "Main"),
        "clients": Key(
            several(
                record(
                    {
                        "id": Key(text, required=True),
                        "secret": Key(text, required=True),
                        "scope": Key(text, _all_scopes),
                    }
                )
            ),
            list,
        ),
        "accessTokens": Key(several(text), list),
        "users": Key(
            several(record({"username": Key(text, required=True), "password": Key(text, required=True)})),
            list,
        ),
        "userKeys": Key(
            several(record({"clientId": Key(text, required=True), "userKey": Key(text, required=True)})), list
        ),
    }
)

SEED = record(
    {
        "identity": Key(IDENTITY),
        **{name: Key(several(record(keys))) for name, keys in TABLES.items()},
        "behaviour": Key(mapping(anything), dict),
    }
)


def load(raw: Any = None) -> dict[str, Any]:
    """A complete seed from parsed JSON; the built-in one for None.

    An identity left out is the built-in one. Tables left out are the built-in ones if *all* are; else they
    are small: one modern folder `Shared`, a robot and a machine template for every folder, no queue.
    """
    defaults = orjson.loads(DEFAULT_SEED.read_bytes())
    given = SEED(defaults if raw is None else raw, "")
    if given["identity"] is None:
        given["identity"] = IDENTITY(defaults["identity"], "identity")
    if all(given[name] is None for name in TABLES):
        given.update(
            {name: several(record(keys))(defaults.get(name, []), name) for name, keys in TABLES.items()}
        )
    given["behaviour"] = behaviour(given["behaviour"])
    return _checked(given)


def behaviour(given: dict[str, Any], base: dict[str, Any] | None = None) -> dict[str, Any]:
    """The whole behaviour: `given` over `base` (a running one) or over the defaults; `jobs` key by key."""
    checked = record(BEHAVIOUR, partial=True)(given, "behaviour")
    _check_outcomes(checked.get("jobs", {}), "behaviour.jobs")
    whole = base or record(BEHAVIOUR)({}, "behaviour")
    return {**whole, **checked, "jobs": {**whole["jobs"], **checked.get("jobs", {})}}


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """The tables completed, and every folder that they name known."""
    given["folders"] = given["folders"] or [record(FOLDER)({"FullyQualifiedName": "Shared"}, "folders[0]")]
    paths = {folder["FullyQualifiedName"].lower() for folder in given["folders"]}
    for table in TABLES:
        for index, row in enumerate(given[table] or []):
            for path in row.get("folder") or row.get("folders") or []:
                if path.lower() not in paths:
                    raise SeedError(f"{table}[{index}].folder", f"no folder '{path}' in folders")
            _check_outcomes(row.get("jobs") or {}, f"{table}[{index}].jobs")
    return given


def _check_outcomes(jobs: dict[str, Any], place: str) -> None:
    for name in jobs.get("outcomes", {}):
        if name not in OUTCOMES:
            raise SeedError(f"{place}.outcomes.{name}", f"one of {', '.join(sorted(OUTCOMES))} expected")
