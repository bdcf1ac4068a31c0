"""Readiness is kept true to what calls to Orchestrator have met with."""

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol

import structlog

from worker.domain.failures import Rejected, Unavailable
from worker.pipeline.holding.outage import Outage

_EVERY_S = 2.0

_log = structlog.get_logger(__name__)


class Reach(Protocol):
    """What is known of Orchestrator without asking it. A reason is None when all is well."""

    @property
    def token_ok(self) -> bool:
        """Whether there is a token, as far as is known."""

    @property
    def token_reason(self) -> str | None:
        """Why there is none."""

    @property
    def reachable(self) -> bool:
        """Whether it answers, as far as is known."""

    @property
    def reason(self) -> str | None:
        """Why it does not."""


class Asked(Protocol):
    """Orchestrator, as far as it is asked whether it is there."""

    def status(self) -> Reach:
        """The last that is known."""

    async def probe(self) -> None:
        """One cheap call: raises what stands in the way."""


async def watch(
    orchestrator: Asked, outage: Outage, report: Callable[[str, bool, str | None], None]
) -> NoReturn:
    """Tells *report* of `token` and `orchestrator`, for ever; asks where nobody else does."""
    while True:
        reach = orchestrator.status()
        if not outage and not (reach.token_ok and reach.reachable):
            await _ask(orchestrator, outage)
            reach = orchestrator.status()
        report("token", reach.token_ok, reach.token_reason)
        report("orchestrator", reach.reachable, reach.reason)
        await asyncio.sleep(_EVERY_S)


async def _ask(orchestrator: Asked, outage: Outage) -> None:
    try:
        await orchestrator.probe()
    except (Unavailable, Rejected) as why:
        _log.warning("orchestrator.not_ready", reason=why.detail)
        if isinstance(why, Unavailable) and why.outage:
            outage.failed(why)
