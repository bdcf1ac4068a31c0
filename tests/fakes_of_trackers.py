"""Stand-ins for what trackers have in common. Each keeps the promises of the real one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Hint:
    """One hint, and who asked."""

    document: Any
    reply_to: str | None = None


@dataclass
class Hints:
    """Hints of one tracker: what it sends reaches it and all *others*, unless they are deaf."""

    sent: list[Mapping[str, Any]] = field(default_factory=list)
    answers: list[tuple[Any, Mapping[str, Any]]] = field(default_factory=list)
    others: "list[Hints]" = field(default_factory=list)
    deaf: bool = False
    _heard: "asyncio.Queue[Hint]" = field(default_factory=asyncio.Queue)

    def __aiter__(self) -> AsyncIterator[Hint]:
        return self

    async def __anext__(self) -> Hint:
        """The next hint."""
        return await self._heard.get()

    def send(self, document: Mapping[str, Any]) -> None:
        """Tells all trackers, this one too."""
        self.sent.append(document)
        for one in (self, *self.others):
            one.hear(document)

    def hear(self, document: Any) -> None:
        """A hint comes."""
        if not self.deaf:
            self._heard.put_nowait(Hint(document))

    def reply(self, hint: Any, document: Mapping[str, Any]) -> None:
        """Answers who sent *hint*."""
        self.answers.append((hint, document))


@dataclass
class Leases:
    """Leases that somebody else may hold: *taken*, shared by all."""

    taken: dict[str, "Leases"] = field(default_factory=dict)

    def held(self, name: str) -> bool:
        """True while it is held here."""
        return self.taken.get(name) is self

    async def take(self, name: str) -> bool:
        """Takes it, unless somebody else holds it."""
        return self.taken.setdefault(name, self) is self

    async def release(self, name: str) -> None:
        """Gives it up."""
        if self.held(name):
            del self.taken[name]
