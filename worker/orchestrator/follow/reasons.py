"""Why a job waits, and what its robot logged: what is told beside its states, as far as it is to be had.

Paths and names are those of Orchestrator's OpenAPI 20.0: ValidateExistingJob (since API 15) wants OR.Jobs,
RobotLogs wants OR.Monitoring.Read and Logs.View. All texts have bounds: they go into events.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from worker.domain.failures import Rejected
from worker.domain.words import LogLevel, read
from worker.orchestrator import wire
from worker.orchestrator.http.budget import Budget, Turns
from worker.orchestrator.http.transport import Transport
from worker.orchestrator.rows import LONGEST_NAME, moment_of, text_of

MOST_LINES = 10
LONGEST_LINE = 2_000
"""Characters of a line of a log that are passed on."""
_MOST_REASONS = 32
_SEVERE = " or ".join(f"Level eq '{level}'" for level in (LogLevel.ERROR, LogLevel.FATAL))
_NOT_OFFERED = frozenset({404, 405})
Line = Mapping[str, str | None]


class Reasons:
    """What one Orchestrator says of single jobs."""

    def __init__(self, transport: Transport, base: str, budget: Budget) -> None:
        self._transport = transport
        self._base = base
        self._budget = budget

    async def pending(self, folder_id: int, job_id: int) -> Sequence[str]:
        """Keeps the promise of `pipeline.ports.Orchestrator.pending_reasons`."""
        path = f"/odata/Jobs({job_id})/{wire.ODATA}.ValidateExistingJob"
        call = wire.Call("ValidateExistingJob", "POST", wire.url(self._base, path))
        reply = await self._transport.post(call, folder_id, b"{}", safe=True)
        if reply.status in _NOT_OFFERED and not reply.is_page:
            return ()
        return self._transport.read(call, reply, reasons_of)

    async def error_lines(self, folder_id: int, job_key: str) -> Sequence[Line]:
        """Keeps the promise of `pipeline.ports.Orchestrator.error_lines`."""
        address = wire.url(
            self._base,
            "/odata/RobotLogs",
            filter=f"JobKey eq {UUID(job_key)} and ({_SEVERE})",
            orderby="TimeStamp desc",
            top=MOST_LINES,
            select="TimeStamp,Level,Message",
        )
        turns = Turns(self._budget, urgent=False, patient=False)
        try:
            return await self._transport.get(
                wire.Call("RobotLogs", "GET", address), lines_of, folder_id, gate=turns
            )
        except Rejected:
            return ()

    async def look_at_logs(self, folder_id: int) -> None:
        """Reads one line of any job's log, or raises why not."""
        call = wire.Call("RobotLogs", "GET", wire.url(self._base, "/odata/RobotLogs", top=1))
        await self._transport.get(call, wire.page_of, folder_id, gate=Turns(self._budget, urgent=False))


def reasons_of(document: Any) -> tuple[str, ...]:
    """A ValidationResultDto's codes; its texts where there are none."""
    row = wire.mapping(document)
    found = row.get("ErrorCodes") or row.get("Errors") or []
    if not isinstance(found, list):
        raise ValueError("the reasons are no list")  # noqa: TRY004 - all that does not fit is a ValueError
    return tuple(text for each in found[:_MOST_REASONS] if (text := text_of(each, LONGEST_NAME)))


def lines_of(document: Any) -> tuple[Line, ...]:
    """The lines of a page that has the newest first."""
    rows = wire.page_of(document).rows[:MOST_LINES]
    return tuple(_line(row) for row in reversed(rows))


def _line(row: Mapping[str, Any]) -> Line:
    return {
        "time": moment_of(row.get("TimeStamp")),
        "level": text_of(read(LogLevel, row.get("Level"))),
        "message": text_of(row.get("Message"), LONGEST_LINE),
    }
