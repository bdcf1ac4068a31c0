"""Whether the worker can do its work, condition by condition, each with its reason."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from worker.domain.events import rfc3339

REQUIRED = ("broker-consume", "broker-publish", "topology", "token")
# Without these the worker holds requests, or promises less; it is still the right one to send them to.
OPTIONAL = ("orchestrator", "ledger")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Condition:
    """How one condition stands, and since when (epoch seconds)."""

    ok: bool
    required: bool
    reason: str | None
    since: float

    def document(self) -> dict[str, Any]:
        """The condition as `/readyz` shows it."""
        return {
            "ok": self.ok,
            "required": self.required,
            "reason": self.reason,
            "since": rfc3339(self.since),
        }


class Health:
    """The conditions of one worker. Ready means: every required one holds.

    A condition begins as not ok, "not known yet"; only the ledger, which needs nobody, begins as ok.
    *without* names conditions that the roles of this worker do not need.
    """

    def __init__(self, without: Iterable[str] = (), clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._stuck: str | None = None
        self._without = frozenset(without)
        now = clock()
        names = [name for name in (*REQUIRED, *OPTIONAL) if name not in self._without]
        self._conditions = {name: Condition(False, name in REQUIRED, "not known yet", now) for name in names}
        self.set("ledger", True, None)

    @property
    def ready(self) -> bool:
        """True when every required condition holds."""
        return all(condition.ok for condition in self._conditions.values() if condition.required)

    @property
    def stuck(self) -> str | None:
        """Why only a restart can help; None while all is well."""
        return self._stuck

    def set(self, name: str, ok: bool, reason: str | None) -> None:
        """Tells how a condition stands; *reason* says what is wrong. Its `since` changes with *ok* only.

        One that is named nowhere else is optional, and not shown before.
        """
        if name in self._without:
            return
        before = self._conditions.get(name) or Condition(True, False, None, self._clock())
        was_ready = self.ready
        since = before.since if before.ok == ok else self._clock()
        self._conditions[name] = replace(before, ok=ok, reason=None if ok else reason, since=since)
        if self.ready != was_ready:
            _log.info("worker.ready" if self.ready else "worker.not_ready", condition=name, reason=reason)

    def give_up(self, reason: str) -> None:
        """Says that only a restart can help: `/livez` fails from now on."""
        self._stuck = reason

    def holding(self) -> dict[str, bool]:
        """Whether each condition holds."""
        return {name: condition.ok for name, condition in self._conditions.items()}

    def document(self) -> dict[str, Any]:
        """The body of `/readyz`."""
        conditions = {name: condition.document() for name, condition in self._conditions.items()}
        return {"ready": self.ready, "conditions": conditions}
