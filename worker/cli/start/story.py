"""What has become of one request so far, out of its events; and when there is nothing more to wait for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from worker.cli.follow import describe, kind_of
from worker.domain.failures import Later
from worker.domain.jobs import TERMINAL

_REFUSALS = ("request-rejected", "request-duplicate", "request-cancelled")


@dataclass(slots=True)
class Story:
    """What the events of one request have told so far; what is repeated is told once.

    *jobs* has the newest data of each job by its key, *since* when that was heard (monotonic seconds).
    *check* is the command that looks at what the request names; it helps while a name is *unseen*.
    """

    request_id: str
    jobs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    count: int | None = None
    last: str = "sent, waiting for a worker"
    refused: bool = False
    duplicate: bool = False
    check: str = ""
    unseen: bool = False
    since: dict[str, float] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    _heard: set[str] = field(default_factory=set)

    def take(self, event: Mapping[str, Any]) -> bool:
        """Reads an event; False when it is about another request, or has been read."""
        data = event["data"]
        if data.get("requestId") != self.request_id or event.get("id") in self._heard:
            return False
        if "id" in event:
            self._heard.add(event["id"])
        kind = kind_of(event)
        if kind in ("job-created", "job-state"):
            self.count = data["count"]
            self._take_job(data["job"]["key"], data)
        elif kind == "job-tracking-expired":
            self.given_up.add(data["job"]["key"])
        self.refused = self.refused or kind in _REFUSALS
        self.duplicate = kind == "request-duplicate"
        self.unseen = data.get("code") == Later.NOT_YET_VISIBLE
        self.last = describe(event)[0].partition(f"{self.request_id}  ")[2] or kind
        return True

    def _take_job(self, key: str, data: Mapping[str, Any]) -> None:
        known = self.jobs.get(key)
        if known is None or known["state"] not in TERMINAL:
            self.jobs[key] = data
            self.since[key] = monotonic()

    def over(self, key: str) -> bool:
        """True when nothing more will be told of that job."""
        return key in self.given_up or self.jobs[key]["state"] in TERMINAL

    def ended(self, wait: bool) -> bool | None:
        """True when all is as asked, False when it can no longer be, None while that is open."""
        if self.refused:
            return False
        if self.count is None or len(self.jobs) < self.count:
            return None
        if not wait:
            return True
        if not all(map(self.over, self.jobs)):
            return None
        return all(data["state"] == "Successful" for data in self.jobs.values())
