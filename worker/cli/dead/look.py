"""Looking at dead letters: how many there are for each reason, and each one whole. Nothing is moved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.broker.visits.letters import Letter
from worker.cli.dead.choice import Choice, looking
from worker.cli.output import Output
from worker.cli.topology import body_of
from worker.domain.policy.custody import EVENT_EXCHANGE, EVENT_KEY
from worker.settings import Settings

_NAMED_MOST, _BEGINNING = 2, 8


@dataclass(slots=True)
class Group:
    """The letters of one reason, as far as they are seen."""

    code: str
    count: int = 0
    first_at: str | None = None
    last_at: str | None = None
    last: Letter | None = None
    some: list[str] = field(default_factory=list)

    def add(self, letter: Letter) -> None:
        """One more of them."""
        self.count += 1
        self.first_at = min(filter(None, (self.first_at, letter.first_at)), default=None)
        self.last_at = max(filter(None, (self.last_at, letter.last_at)), default=None)
        self.last = letter
        self.some += [letter.id][: _NAMED_MOST - len(self.some)]

    def document(self) -> dict[str, Any]:
        """The group for programs; what one letter has is of the youngest."""
        return {
            "code": self.code,
            "count": self.count,
            "firstAt": self.first_at,
            "lastAt": self.last_at,
            "routingKey": self.last.routing_key if self.last else None,
            "detail": self.last.detail if self.last else None,
            "event": _event(self.last) if self.last else None,
            "id": self.last.id if self.last else None,
            "someIds": self.some,
        }


async def list_groups(settings: Settings, output: Output) -> None:
    """One row for each reason, the most frequent first."""
    groups: dict[str, Group] = {}
    async with looking(settings) as box:
        async for held in box:
            letter = held.letter
            groups.setdefault(letter.code, Group(letter.code)).add(letter)
    documents = [group.document() for group in sorted(groups.values(), key=lambda group: -group.count)]
    if output.as_json:
        for document in documents:
            output.record(document)
    elif documents:
        output.table(["reason", "letters", "ids", "first", "last", "for example"], list(map(row, documents)))
    else:
        output.line("There are no dead letters.", "green")


def row(group: Mapping[str, Any]) -> list[object]:
    """The group for a person, with the beginnings of some ids: as much of one as the commands need."""
    ids = [name[:_BEGINNING] for name in group["someIds"]]
    more = ["…"] if group["count"] > len(ids) else []
    dates = [_moment(group["firstAt"]), _moment(group["lastAt"])]
    return [group["code"], group["count"], " ".join(ids + more), *dates, group["detail"] or ""]


async def show_letters(settings: Settings, output: Output, choice: Choice) -> None:
    """The letters meant, whole."""
    async with looking(settings) as box:
        async for held in choice.among(box):
            if output.as_json:
                output.record(_whole(held.letter))
            else:
                output.document(_whole(held.letter))


async def count_letters(settings: Settings, choice: Choice) -> tuple[int, Choice]:
    """How many letters are meant, and the choice of exactly these, whatever may come after them."""
    async with looking(settings) as box:
        ids = [held.letter.id async for held in choice.among(box)]
    return len(ids), Choice(frozenset(), None, everything=False, only=frozenset(ids))


def _moment(text: str | None) -> str:
    """To the second, as short as it can be read."""
    return (text or "")[:19].replace("T", " ")


def _event(letter: Letter) -> dict[str, Any] | None:
    """Where an application published it, if it is an event that templates were for."""
    exchange, key = (letter.message.headers.get(name) for name in (EVENT_EXCHANGE, EVENT_KEY))
    return {"exchange": exchange, "routingKey": key} if letter.buried and exchange else None


def _whole(letter: Letter) -> dict[str, Any]:
    message = letter.message
    return {
        "id": letter.id,
        "code": letter.code,
        "detail": letter.detail,
        "remedy": letter.remedy,
        "violations": letter.violations,
        "exchange": letter.exchange,
        "routingKey": letter.routing_key,
        "event": _event(letter),
        "attempt": letter.attempt,
        "replays": letter.replays,
        "firstAt": letter.first_at,
        "lastAt": letter.last_at,
        "host": letter.host,
        "messageId": message.message_id,
        "correlationId": message.correlation_id,
        "contentType": message.content_type,
        "headers": dict(message.headers),
        "body": body_of(message),
    }
