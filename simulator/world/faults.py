"""What the server was told to do wrong, and the ledger of what it really did."""

import time
from collections import deque
from random import Random
from typing import Any

from simulator.moments import stored
from simulator.seed.checks import Key, SeedError, anything, flag, mapping, number, one_of, record, text
from simulator.world.jobs import Batch

OPERATIONS = (
    "Token",
    "Folders",
    "Releases",
    "Environments",
    "Robots",
    "Sessions",
    "Machines",
    "Users",
    "JobsList",
    "JobById",
    "StartJobs",
    "StopJobs",
    "RestartJob",
    "ResumeJob",
    "ValidateDynamicJob",
    "ValidateExistingJob",
    "RobotLogs",
    "QueueDefinitions",
    "AddQueueItem",
    "BulkAddQueueItems",
    "QueueItems",
    "Attachments",
    "Webhooks",
)
LIMITED = ("JobsList", "QueueItems", "StartJobs")
KINDS = {
    "status": "answers `status` (with retryAfter, code, message, body, headers) without acting",
    "commit-then-status": "acts, then answers `status`",
    "hang": "never answers, nor acts (for `seconds`, if given; then the connection is reset)",
    "commit-then-hang": "acts, then never answers",
    "reset": "resets the connection without acting",
    "commit-then-reset": "acts, then resets the connection",
    "reset-then-commit": "resets the connection, and acts `seconds` later",
    "status-then-commit": "answers `status`, and acts `seconds` later",
    "commit-then-delay": "acts, and gives the true answer `seconds` later",
    "commit-then-cut": "acts, and cuts the connection in the middle of the answer",
    "empty-400": "answers 400 with no body",
    "html": "answers 200 with an HTML page",
    "garbage": "answers 200 with JSON cut short",
    "expire-token": "lets the request's token expire, so that it answers 401",
    "delay": "waits `seconds`, then acts and answers as usual",
    "partial": "StartJobs makes only half of the jobs, rounded up, and answers 201",
}

_retry_after = Key(anything)
_FAULT = record(
    {
        "operation": Key(one_of("*", *OPERATIONS), "*"),
        "do": Key(one_of(*KINDS), required=True),
        "times": Key(
            lambda value, place: None if value is None else number(1, 2**53, whole=True)(value, place)
        ),
        "skip": Key(number(0, 2**53, whole=True), 0),
        "probability": Key(number(0, 1), 1.0),
        "reference": Key(text),
        "status": Key(number(100, 599, whole=True), 503),
        "retryAfter": _retry_after,
        "seconds": Key(number(0, 86_400)),
        "code": Key(number(0, 10**9, whole=True)),
        "message": Key(text),
        "body": Key(anything),
        "headers": Key(mapping(text), dict),
        "keepAlive": Key(flag, default=True),
    }
)


class Fault:
    """One instruction; `hits` counts how often it struck, `left` how often it still may (None: always)."""

    def __init__(self, given: Any, place: str) -> None:
        self.rule: dict[str, Any] = _FAULT(given, place)
        after = self.rule["retryAfter"]
        if after is not None and (isinstance(after, bool) or not isinstance(after, int | float | str)):
            raise SeedError(f"{place}.retryAfter", f"seconds or an HTTP-date expected, got {after!r}")
        self.left: int | None = self.rule["times"]
        self.skip: int = self.rule["skip"]
        self.hits = 0

    def strikes(self, operation: str, body: bytes, random: Random) -> bool:
        """Whether it applies to this request; counts it if so."""
        rule = self.rule
        if self.left == 0 or rule["operation"] not in ("*", operation):
            return False
        if rule["reference"] is not None and rule["reference"].encode() not in body:
            return False
        if rule["probability"] < 1 and random.random() >= rule["probability"]:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        self.left = None if self.left is None else self.left - 1
        return True


class Faults:
    """The instructions in the order in which they were given; the first that applies strikes."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def add(self, given: Any) -> None:
        """Appends a list of instructions (or one); raises SeedError with the place of a mistake."""
        items = given if isinstance(given, list) else [given]
        self.rules += [Fault(item, f"faults[{index}]") for index, item in enumerate(items)]

    def take(self, operation: str, body: bytes, random: Random) -> dict[str, Any] | None:
        """The instruction for this request, or None."""
        for rule in self.rules:
            if rule.strikes(operation, body, random):
                return rule.rule
        return None

    def listed(self) -> list[dict[str, Any]]:
        """All instructions with their hits."""
        return [{**rule.rule, "left": rule.left, "hits": rule.hits} for rule in self.rules]


class Ledger:
    """Every commit of StartJobs, answered or not, and every call by operation.

    `busiest` is the most calls of an operation within any 60 seconds, of those whose rate is limited;
    `throttled` counts the calls that were answered 429 because of that limit.
    """

    def __init__(self) -> None:
        self.starts: list[Batch] = []
        self.calls: dict[str, int] = {}
        self.throttled: dict[str, int] = {}
        self.busiest: dict[str, int] = {}
        self._minute: dict[str, deque[float]] = {name: deque() for name in LIMITED}

    def count(self, operation: str) -> None:
        """One more call of that operation."""
        self.calls[operation] = self.calls.get(operation, 0) + 1
        minute = self._minute.get(operation)
        if minute is not None:
            now = time.monotonic()
            minute.append(now)
            while minute[0] <= now - 60:
                minute.popleft()
            self.busiest[operation] = max(self.busiest.get(operation, 0), len(minute))

    def throttle(self, operation: str) -> None:
        """A call of that operation was one too many."""
        self.throttled[operation] = self.throttled.get(operation, 0) + 1

    def shown(self) -> dict[str, Any]:
        """The ledger as JSON."""
        counts = {"calls": self.calls, "busiest": self.busiest, "throttled": self.throttled}
        return {"starts": [_start(batch) for batch in self.starts], **counts}


def _start(batch: Batch) -> dict[str, Any]:
    return {
        "reference": batch.reference,
        "batchExecutionKey": batch.key,
        "jobIds": list(range(batch.first_id, batch.first_id + batch.count)),
        "at": stored(batch.created_us // 1000),
        "releaseKey": batch.release["Key"],
        "folderId": batch.folder["Id"],
        "strategy": batch.strategy,
        "noOfRobots": batch.no_of_robots,
    }
