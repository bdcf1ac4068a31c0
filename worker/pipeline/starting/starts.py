"""Starts: how a start-job request is read, resolved, looked up and done."""

from collections.abc import Mapping
from typing import Any

from worker.domain.outcomes import Outcome
from worker.domain.processes import Folder, Target
from worker.domain.requests import FolderRef, Kind, StartRequest, jobs_asked
from worker.pipeline.once.claim import Claim
from worker.pipeline.once.doing import Try
from worker.pipeline.once.start import Starter
from worker.pipeline.resolve import Resolver
from worker.pipeline.validate import SCHEMA, validate


class Starts:
    """Keeps the promises of `Doing` for requests to start jobs."""

    kind = Kind.START
    schema = SCHEMA

    def __init__(self, resolver: Resolver, starter: Starter) -> None:
        self._resolver = resolver
        self._starter = starter

    def read(self, document: Mapping[str, Any], default_folder: FolderRef | None) -> StartRequest:
        """What *document* asks for."""
        return validate(document, default_folder)

    async def folder(self, ref: FolderRef) -> Folder:
        """Finds a folder."""
        return await self._resolver.folder(ref)

    async def resolve(self, request: StartRequest, *, fresh: bool = False) -> Target:
        """Finds what the request names."""
        return await self._resolver.resolve(request, fresh=fresh)

    async def look_up(self, this: Try[StartRequest], folder: Folder, target: Target | None) -> Outcome | None:
        """Finds the jobs that the request may have been given."""
        return await self._starter.look_up(this.claim, folder, target, _asked(this, target))

    async def do(self, claim: Claim, target: Target) -> Outcome:
        """Starts its jobs."""
        return await self._starter.start(claim, target)


def _asked(this: Try[StartRequest], target: Target | None) -> int | None:
    """How many jobs were asked for; None where another body may have asked, elsewhere."""
    if target is not None:
        return target.asked
    return jobs_asked(this.document) if this.claim.folder_id is None else None
