"""Jobs as compact records: what one is, and what those of one start share. `store` keeps and finds them."""

from typing import Any

Row = dict[str, Any]
FINAL = frozenset({"Successful", "Faulted", "Stopped"})
OPEN = frozenset({"Pending", "Running", "Stopping", "Terminating", "Suspended", "Resumed"})


_PLAIN = frozenset(
    {"ReleaseKey", "ReleaseName", "Strategy", "InputArguments", "Reference", "JobsCount", "NoOfRobots"}
)
_NOTHING: dict[str, Any] = {}


class Batch:
    """What the jobs of one StartJobs call share: where they run, when they were committed, and what was sent.

    `extra` is what was sent beside the usual properties; mostly nothing.
    """

    __slots__ = (
        "count",
        "created_us",
        "extra",
        "first_id",
        "folder",
        "input_text",
        "key",
        "no_of_robots",
        "priority",
        "reference",
        "release",
        "strategy",
    )

    def __init__(self, release: Row, folder: Row, info: dict[str, Any], key: str, created_us: int) -> None:
        self.release = release
        self.folder = folder
        self.key = key
        self.created_us = created_us
        self.reference: str = info.get("Reference") or ""
        self.strategy: str | None = info.get("Strategy")
        self.no_of_robots: int | None = info.get("NoOfRobots")
        self.input_text: str | None = info.get("InputArguments")
        self.extra = {name: info[name] for name in info.keys() - _PLAIN} or _NOTHING
        self.priority: int = 45
        self.first_id = 0
        self.count = 0

    @property
    def info(self) -> dict[str, Any]:
        """The startInfo that would start the like again."""
        sent = {
            "ReleaseKey": self.release["Key"],
            "Strategy": self.strategy,
            "InputArguments": self.input_text,
            "Reference": self.reference,
        }
        return {**sent, **self.extra}


class Job:
    """One job. Instants are milliseconds since 1970; `due` is the loop time of its next step, 0 for none."""

    __slots__ = (
        "batch",
        "due",
        "ended",
        "error",
        "host",
        "id",
        "info",
        "key",
        "machine",
        "modified",
        "next",
        "output",
        "output_file",
        "persistence",
        "plan",
        "resumed",
        "resumes",
        "robot",
        "started",
        "state",
        "stop_strategy",
    )

    def __init__(self, number: int, key: str, batch: Batch, plan: str) -> None:
        self.id = number
        self.key = key
        self.batch = batch
        self.plan = plan
        self.state = "Pending"
        self.next = ""
        self.due = 0.0
        self.robot: Row | None = None
        self.machine: Row | None = None
        self.host: str | None = None
        self.started: int | None = None
        self.ended: int | None = None
        self.resumed: int | None = None
        self.resumes: int | None = None
        self.persistence: str | None = None
        self.modified: int | None = None
        self.info: str | None = None
        self.output: str | None = None
        self.output_file: str | None = None
        self.error: dict[str, Any] | None = None
        self.stop_strategy: str | None = batch.extra.get("StopStrategy")

    @property
    def created(self) -> int:
        """When it was committed, as stored."""
        return self.batch.created_us // 1000

    @property
    def changed(self) -> int:
        """When it was last moved; when it was committed, if never."""
        return self.created if self.modified is None else self.modified
