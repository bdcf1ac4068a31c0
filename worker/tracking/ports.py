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


class Leases(Protocol):
    """What one tracker at a time may do, by name."""

    def held(self, name: str) -> bool:
        """True while this tracker holds the lease."""

    async def take(self, name: str) -> bool:
        """Takes the lease, unless another tracker holds it; never raises."""

    async def release(self, name: str) -> None:
        """Gives the lease up; never raises."""
