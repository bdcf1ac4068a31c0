"""A tenant's world: its tables, its jobs and their clock, its tokens, faults and ledger."""

import itertools
from collections import deque
from random import Random
from typing import Any

from simulator.world.clock import Announce, Clock
from simulator.world.faults import Faults, Ledger
from simulator.world.jobs import Job, Jobs
from simulator.world.rows import (
    Row,
    environment_row,
    folder_rows,
    lineage,
    machine_row,
    queue_row,
    release_row,
    robot_row,
    session_row,
    user_row,
)
from simulator.world.tokens import Limiter, Tokens

REQUESTS_KEPT = 2000


class World:
    """Everything that one simulated tenant holds. A new seed makes a new world."""

    def __init__(self, seed: dict[str, Any], announce: Announce) -> None:
        self.identity: dict[str, Any] = seed["identity"]
        self.behaviour: dict[str, Any] = seed["behaviour"]
        self.announce = announce
        self.random = Random(self.behaviour["randomSeed"])  # noqa: S311 - chance, not secrets
        self.numbers = itertools.count(100_000)
        self._build(seed)
        self.items: list[Row] = []
        self.attachments: dict[str, Row] = {}
        self.webhooks: dict[int, Row] = {}
        self.jobs = Jobs()
        self.clock = Clock(self.jobs, self.settings, self.random, announce)
        self.faults = Faults()
        self.ledger = Ledger()
        self.tokens = Tokens(self.identity["accessTokens"], self.behaviour["tokenSeconds"])
        self.limits = {"JobsList": Limiter(), "QueueItems": Limiter()}
        self.requests: deque[Any] = deque(maxlen=REQUESTS_KEPT)

    def settings(self, job: Job) -> dict[str, Any]:
        """How a job fares: the behaviour's, with what its process says otherwise."""
        own = job.batch.release["_jobs"]
        return {**self.behaviour["jobs"], **own} if own else self.behaviour["jobs"]

    def folder(
        self, *, number: int | None = None, key: str | None = None, path: str | None = None
    ) -> Row | None:
        """The folder with that id, key or path (in any case)."""
        if number is not None:
            return self.folder_by_id.get(number)
        if key is not None:
            return next((row for row in self.folders if row["Key"] == key.lower()), None)
        return next(
            (row for row in self.folders if row["FullyQualifiedName"].lower() == (path or "").lower()), None
        )

    def _build(self, seed: dict[str, Any]) -> None:
        numbers = self.numbers
        self.folders = folder_rows(seed["folders"], numbers)
        self.folder_by_id = {row["Id"]: row for row in self.folders}
        tenant = self.identity["tenant"]
        self.users = [user_row(given, numbers, tenant) for given in seed["users"] or [{"UserName": "admin"}]]
        self.machines = [
            machine_row(given, numbers, self._at(given["folders"])) for given in _machines(seed, self.folders)
        ]
        self.robots = [self._robot(given) for given in _robots(seed, self.folders)]
        self.environments = [
            environment_row(given, given["Id"] or next(numbers), self.robots, self._ids(given["folder"]))
            for given in seed["environments"] or []
        ]
        self.sessions = [session_row(robot, self.folders) for robot in self.robots]
        self.releases = [
            release_row(given, numbers, self._at(given["folder"]), self.environments)
            for given in seed["releases"] or []
        ]
        self.queues = [queue_row(given, numbers, self._at(given["folder"])) for given in seed["queues"] or []]

    def _robot(self, given: Row) -> Row:
        number = given.get("Id") or next(self.numbers)
        user = self.users[number % len(self.users)]
        row = robot_row(given, number, user, self._ids(given["folder"]))
        for folder in self.folders:
            if row["_folders"] & lineage(folder):
                folder["_robots"].append(row)
        return row

    def _at(self, paths: list[str]) -> list[Row]:
        return [row for path in paths if (row := self.folder(path=path))]

    def _ids(self, paths: list[str]) -> frozenset[int]:
        return frozenset(row["Id"] for row in self._at(paths))


def _robots(seed: dict[str, Any], folders: list[Row]) -> list[Row]:
    if seed["robots"] is not None:
        return list(seed["robots"])
    return [{"Name": f"robot-{row['Id']}", "folder": [row["FullyQualifiedName"]]} for row in folders]


def _machines(seed: dict[str, Any], folders: list[Row]) -> list[Row]:
    if seed["machines"] is not None:
        return list(seed["machines"])
    modern = [row["FullyQualifiedName"] for row in folders if row["_modern"]]
    return [{"Name": "machine-template", "folders": modern}]
