"""A tenant's world: its tables, its jobs and their clock, its tokens, faults and ledger."""

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any
from uuid import UUID

from simulator.moments import new_guid, now_ms, now_us, stored
from simulator.world.clock import Announce, Clock
from simulator.world.faults import LIMITED, Faults, Ledger
from simulator.world.jobs import Batch, Job
from simulator.world.jobs.store import Jobs
from simulator.world.rows import (
    Row,
    environment_row,
    folder_rows,
    key_of,
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
PRIORITIES = {"Low": 25, "Normal": 45, "High": 65}
Post = Callable[[Row, Row], None]


class World:
    """Everything that one simulated tenant holds. A new seed makes a new world."""

    def __init__(self, seed: dict[str, Any], announce: Announce, post: Post) -> None:
        self.identity: dict[str, Any] = seed["identity"]
        self.behaviour: dict[str, Any] = seed["behaviour"]
        self.announce = announce
        self.post = post
        self.random = Random(self.behaviour["randomSeed"])  # noqa: S311 - chance, not secrets
        self.numbers = itertools.count(100_000)
        self._build(seed)
        self.items: dict[int, Row] = {}
        self.attachments: dict[str, Row] = {}
        self.webhooks = {row["Id"]: row for row in map(self._webhook, seed["webhooks"] or [])}
        self.jobs = Jobs()
        self.clock = Clock(self.jobs, self.settings, self.random, (announce, self.keep_file))
        self.faults = Faults()
        self.ledger = Ledger()
        self.tokens = Tokens(self.identity["accessTokens"], self.behaviour["tokenSeconds"])
        self.limits = {name: Limiter() for name in LIMITED}
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

    def items_added(self) -> list[Row]:
        """Every item that was ever added, for the ledger; retries are none."""
        return [
            {
                "id": row["Id"],
                "reference": row["Reference"],
                "queue": row["_queue"]["Name"],
                "folderId": row["OrganizationUnitId"],
                "at": stored(row["CreationTime"]),
            }
            for row in self.items.values()
            if not row["RetryNumber"]
        ]

    def keep_file(self, text: str) -> str:
        """A new attachment with that content; its id."""
        number = new_guid()
        row = {"Id": number, "Name": "Output.json", "CreationTime": now_ms(), "_secret": new_guid()}
        self.attachments[number] = {**row, "_content": text.encode()}
        return number

    def commit(self, release: Row, folder: Row, info: Row, robots: Sequence[Row | None]) -> list[Job]:
        """Makes one job for each entry of `robots` (a robot where that is fixed) and starts their clock."""
        key = info.get("BatchExecutionKey") if self.behaviour["honourBatchExecutionKey"] else None
        batch = Batch(release, folder, info, str(UUID(key)) if key else new_guid(), now_us())
        named = PRIORITIES[info["JobPriority"]] if "JobPriority" in info else release["SpecificPriorityValue"]
        batch.priority = int(info.get("SpecificPriorityValue") or named)
        batch.first_id, batch.count = self.jobs.next_id, len(robots)
        made = []
        for robot, fate in zip(robots, self._fates(release, len(robots)), strict=True):
            job = Job(self.jobs.next_id, new_guid(), batch, fate)
            job.robot = robot
            self.jobs.add(job)
            made.append(job)
        self.jobs.add_batch(batch)
        self.announce("job.created", made[0])
        for job in made:
            self.clock.begin(job)
        return made

    def _fates(self, release: Row, count: int) -> list[str]:
        """What will become of each of `count` new jobs."""
        return self.fates(release["_jobs"].get("outcomes") or self.behaviour["jobs"]["outcomes"], count)

    def fates(self, outcomes: dict[str, float], count: int) -> list[str]:
        """One outcome for each of `count` jobs, by their weights."""
        if len(outcomes) == 1:
            return [*outcomes] * count
        return self.random.choices([*outcomes], [*outcomes.values()], k=count)

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

    def _webhook(self, given: Row) -> Row:
        row = {name: given[name] for name in ("Name", "Url", "Secret", "Enabled")}
        return {
            **row,
            "Id": next(self.numbers),
            "Key": key_of("webhook", given["Name"]),
            "SubscribeToAllEvents": not given["events"],
            "AllowInsecureSsl": False,
            "Events": [{"EventType": name} for name in given["events"]],
            "_open_until": 0.0,
        }

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
