"""What is done for requests of one kind, in the words of whoever makes attempts at them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from worker.domain.failures import Rejected
from worker.domain.outcomes import Outcome
from worker.domain.processes import Folder
from worker.domain.requests import FolderRef, Kind
from worker.pipeline.case import Case
from worker.pipeline.once.claim import Claim


class Asked(Protocol):
    """A request that kept to its schema."""

    @property
    def expires_at(self) -> datetime | None:
        """When it is of no use any more."""


class Placed(Protocol):
    """A request whose names are resolved."""

    @property
    def folder(self) -> Folder:
        """Where it is done."""

    @property
    def name(self) -> str:
        """What it is done to, by its name in Orchestrator: what a policy speaks of."""


R = TypeVar("R", bound=Asked)
T = TypeVar("T", bound=Placed)


@dataclass(frozen=True, slots=True)
class Try(Generic[R]):
    """One attempt's matter. *request* is what *document* asks for, or why it asks for nothing that can be."""

    case: Case
    claim: Claim
    document: Mapping[str, Any]
    request: R | Rejected

    @property
    def folder(self) -> FolderRef | None:
        """The folder that the document names, however little else in it is right."""
        folder = self.document.get("folder")
        try:
            return FolderRef.of(folder) if folder else None
        except (AttributeError, TypeError):
            return None

    @property
    def expires_at(self) -> float:
        """When it is of no use any more; never, where that may not end it (invariant 3). Epoch seconds."""
        if self.claim.look or isinstance(self.request, Rejected) or self.request.expires_at is None:
            return math.inf
        return self.request.expires_at.timestamp()


class Doing(Protocol[R, T]):
    """What is done for requests of one kind. All but `kind` and `schema` may raise `Rejected`."""

    @property
    def kind(self) -> Kind:
        """What they ask for."""

    @property
    def schema(self) -> str:
        """What they are held to."""

    def read(self, document: Mapping[str, Any], default_folder: FolderRef | None) -> R:
        """What *document* asks for, in *default_folder* where it names none."""

    async def folder(self, ref: FolderRef) -> Folder:
        """Finds a folder."""

    async def resolve(self, request: R, *, fresh: bool = False) -> T:
        """Finds what the request names. *fresh* distrusts what was cached."""

    async def look_up(self, this: Try[R], folder: Folder, target: T | None) -> Outcome | None:
        """Finds out what became of what was sent to *folder*. None: nothing did, and nothing can any more.

        *target* is None where it was sent elsewhere, or where nothing is known of the request but that.
        """

    async def do(self, claim: Claim, target: T) -> Outcome:
        """Does it, once."""
