"""What trackers need of each other, in their own words. Adapters keep these promises, unimported."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol


class Hint(Protocol):
    """Something that a tracker, a webhook or a command says: true when it was said, at best."""

    @property
    def document(self) -> Any:
        """Whatever JSON it was."""


class Hints(Protocol):
    """Hints among all trackers. Any may be lost, late or there twice; nobody waits for one."""

    def __aiter__(self) -> AsyncIterator[Hint]:
        """Those that come, for ever."""

    def send(self, document: Mapping[str, Any]) -> None:
        """Tells all trackers, this one too."""

    def reply(self, hint: Any, document: Mapping[str, Any]) -> None:
        """Answers who sent *hint*, if he wants to know."""


class Telemetry(Protocol):
    """Counts what happens to jobs in flight; never in the way."""

    def tracked(self, states: Mapping[str, int]) -> None:
        """How many jobs are tracked here now, by the state that was announced last."""

    def looked(self, seconds_late: float) -> None:
        """A job is looked at, so long after its time had come."""

    def told(self, state: str, seconds_since_end: float | None) -> None:
        """A state was announced; None where it is no end, or nobody knows when that was."""

    def expired(self) -> None:
        """A job is followed no more, and its end is not known."""

    def duplicates(self, jobs: int) -> None:
        """A request was found to have *jobs* more than it should: a second start had happened."""

    def defect(self) -> None:
        """An error of ours put off the look at a job."""


class Leases(Protocol):
    """What one tracker at a time may do, by name."""

    def held(self, name: str) -> bool:
        """True while this tracker holds the lease."""

    async def take(self, name: str) -> bool:
        """Takes the lease, unless another tracker holds it; never raises."""

    async def release(self, name: str) -> None:
        """Gives the lease up; never raises."""
