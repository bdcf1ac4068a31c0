"""Which letters a command means, and the dead letters that it looks through for them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from worker.broker.address import Address
from worker.broker.topology import Topology
from worker.broker.visits.box import DeadLetters, Held, dead_letters
from worker.broker.visits.visit import visit
from worker.cli.output import Failed, note
from worker.settings import Settings

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="The letters with these ids, or the beginnings of ids."),
]
OfCode = Annotated[str | None, typer.Option("--code", help="The letters with this reason.")]
Everything = Annotated[bool, typer.Option("--all", help="All letters.")]

_NAMED_MOST, _ID_LEAST = 5, 4


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant: by their ids or the beginnings of them, by reason, or all."""

    ids: frozenset[str]
    code: str | None
    everything: bool
    only: frozenset[str] | None = None
    """Whole ids that an earlier look has found to be meant: what came after it is not."""

    async def among(self, box: DeadLetters) -> AsyncIterator[Held]:
        """The letters meant, each as it comes; those named by id only when each name is known for one letter.

        Raises `Failed` where an id or a reason names none, or an id several: then nothing was given out.
        """
        if self.ids:
            named = [held async for held in box if self._beginnings(held)]
            self._check(named)
            for held in named:
                yield held
            return
        codes = set()
        async for held in box:
            codes.add(held.letter.code)
            if self._means(held):
                yield held
        if self.code is not None and self.code not in codes:
            raise Failed(
                f"no dead letter has the reason {self.code}; there are: {', '.join(sorted(codes)) or 'none'}"
            )

    def _means(self, held: Held) -> bool:
        if self.only is not None:
            return held.letter.id in self.only
        return self.everything or held.letter.code == self.code

    def _beginnings(self, held: Held) -> list[str]:
        return [name for name in self.ids if held.letter.id.startswith(name)]

    def _check(self, named: Iterable[Held]) -> None:
        meant: dict[str, set[str]] = {name: set() for name in self.ids}
        for held in named:
            for name in self._beginnings(held):
                meant[name].add(held.letter.id)
        unknown = sorted(name for name, ids in meant.items() if not ids)
        if unknown:
            raise Failed(f"no dead letter has the id {', '.join(unknown)}; see `jobrelay dead show --all`")
        for name, ids in sorted(meant.items()):
            if len(ids) > 1 and name not in ids:
                some = ", ".join(sorted(ids)[:_NAMED_MOST])
                raise Failed(f"{len(ids)} dead letters have an id that begins with {name}: {some}; say more")


def choice_of(ids: Iterable[str] | None, code: str | None, everything: bool) -> Choice:
    """What was typed, or a usage error where that is nothing or more than one thing."""
    choice = Choice(frozenset(text.lower() for text in ids or () if text), code, everything)
    if sum(map(bool, (choice.ids, code, everything))) != 1:
        raise typer.BadParameter("say which letters, in one way: by ID, --code or --all")
    for name in choice.ids:
        if len(name) < _ID_LEAST:
            raise typer.BadParameter(f"'{name}' could be any letter: give at least {_ID_LEAST} characters")
    return choice


@asynccontextmanager
async def looking(settings: Settings) -> AsyncIterator[DeadLetters]:
    """The dead letters for the time of the block. Says so where others have some of them in hand."""
    async with (
        visit(Address.of(settings)) as connection,
        dead_letters(connection, Topology(settings.prefix)) as box,
    ):
        yield box
        if box.seen < box.count:
            note(f"{box.count - box.seen} of {box.count} letters did not come: somebody else looks at them")
