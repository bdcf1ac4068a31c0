"""What an answer means: status and errorCode -> a failure with its remedy. Pure.

Codes by Orchestrator's documentation and the order of its published enum; messages follow the user's
language, so only numbers decide.
"""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from worker.domain.failures import Answer, Code, Failure, Later, OutcomeUnknown, Rejected, Unavailable
from worker.orchestrator.kinds import Kind, kind_of
from worker.orchestrator.wire import Reply

TRIES = 4
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
LONGEST_WAIT_S = 3600.0
"""No Retry-After is believed beyond this, in seconds."""

LONGEST_MESSAGE = 1000
LONGEST_ID = 128
"""Characters of a trace's id, a date or an address."""
_DEEPEST = 20
_LARGEST_CODE = 2**31

_WORTH_ANOTHER_TRY = frozenset({Kind.THROTTLED, Kind.AMBIGUOUS})
FOLDER_GONE = frozenset({1100, 1101, 1103})
WRONG_BASE = (
    "a web page came instead of JSON: JOBRELAY_ORCHESTRATOR_URL is probably wrong; it is what stands before "
    "/odata, such as https://cloud.uipath.com/ORGANISATION/TENANT/orchestrator_ or https://HOST"
)
_COOKIES = (
    "it refused with an empty 400, twice and on a fresh connection: probable antiforgery/cookie trouble; "
    "something between here and there (a proxy?) adds cookies to requests"
)
_BY_CODE = {
    1001: "choose another name",
    1002: "check that the process (or queue, or attachment) is still in this folder",
    1009: "correct the value that the message names; some properties exclude each other",
    1100: "check that the folder exists and that the worker's account is assigned to it",
    1101: "name the folder in the request or in JOBRELAY_FOLDER",
    1103: "assign the worker's account to the folder",
    1202: "a licence is missing: ask Orchestrator's administrator",
    1230: "define an unattended robot for the account that starts the job",
    1671: "take robots by name or by the ids of Robots (not of Sessions) that belong to the folder, "
    "and give one of its accounts an unattended robot",
    1672: "license Orchestrator: ask its administrator",
    1673: "the licence has expired: ask Orchestrator's administrator",
    1674: "check the release key: it is the Key of a process in this folder",
    1675: "the process names a package version that is gone: update the process",
    1676: "the tenant is disabled: ask Orchestrator's administrator",
    1677: "publish the process's package again",
    1687: "name the process or its release key",
    2815: "use strategy ModernJobsCount in a modern folder",
    2816: "use strategy Specific, JobsCount or All in a classic folder",
    2818: "assign a machine template with a runtime of the asked type to the folder",
    2828: "leave out machines or robots, or use a strategy that takes them",
    2829: "check that the folder exists",
}
_BY_STATUS = {
    403: "give the external application the scope, and its account the role in this folder, that the call "
    "needs (StartJobs: OR.Jobs and Jobs.Create; processes: OR.Execution.Read; robots: OR.Robots.Read; "
    "queues: OR.Queues with Transactions.Create)",
    404: "check the names; if everything is refused so, check JOBRELAY_ORCHESTRATOR_URL",
    405: "check JOBRELAY_ORCHESTRATOR_URL",
    413: "make the request smaller",
}


def why_not_done(operation: str, reply: Reply, perhaps: str) -> Failure:
    """The failure behind an answer that does not say that it was done; *perhaps* it was all the same."""
    answer = answer_of(reply)
    kind = kind_of(reply.status, answer.error_code)
    if kind is Kind.THROTTLED:
        return throttled(operation, reply)
    if kind in (Kind.AMBIGUOUS, Kind.UNREADABLE):
        hint = WRONG_BASE if reply.is_page and reply.ok else perhaps
        return OutcomeUnknown(f"{said(operation, answer)}: {hint}", answer=answer)
    if reply.is_page and reply.status in (404, 405):
        return wrong_base(operation, reply)
    if kind is Kind.TRANSIENT:
        return Unavailable(Later.BUSY, said(operation, answer), answer=answer)
    if is_empty_400(reply):
        return Rejected(
            Code.ORCHESTRATOR_REFUSED, f"{operation}: {_COOKIES}", "look at the proxy", answer=answer
        )
    return refused(operation, answer)


def why_not_read(operation: str, reply: Reply, problem: str = "") -> Failure:
    """The failure behind an answer to a call that changes nothing, once it is not tried again.

    *problem* says what is wrong with the content of a 2xx.
    """
    answer = answer_of(reply)
    kind = kind_of(reply.status)
    if kind is Kind.THROTTLED:
        return throttled(operation, reply)
    if kind is Kind.AMBIGUOUS:
        wait = retry_after(reply)
        detail = said(operation, answer)
        return Unavailable(Later.FAILING, detail, outage=True, retry_after=wait, answer=answer)
    if 300 <= reply.status < 400 or (reply.is_page and reply.status in (200, 404, 405)):
        return wrong_base(operation, reply)
    if reply.ok:
        return Unavailable(
            Later.FAILING,
            f"{operation} gave an answer that cannot be read: {reply.conceal(problem)[:LONGEST_ID]}",
            outage=True,
        )
    if is_empty_400(reply):
        # Whatever was asked is not to blame for it, nor is the request that needs to know.
        return Unavailable(Later.FAILING, f"{operation}: {_COOKIES}", answer=answer)
    return refused(operation, answer)


def throttled(operation: str, reply: Reply) -> Unavailable:
    """The server asks for patience; nothing was done."""
    return Unavailable(
        Later.THROTTLED,
        said(operation, answer_of(reply)),
        retry_after=retry_after(reply),
        answer=answer_of(reply),
    )


def wrong_base(operation: str, reply: Reply) -> Unavailable:
    """Somebody else than Orchestrator's API answers at this address."""
    target = reply.conceal(reply.headers.get("Location", "").partition("?")[0])[:LONGEST_ID]
    detail = f"{operation} (status {reply.status}{f', sent on to {target}' if target else ''}): {WRONG_BASE}"
    return Unavailable(Later.UNREACHABLE, detail, outage=True, answer=Answer(reply.status))


def refused(operation: str, answer: Answer) -> Rejected:
    """The server's no, with what is known of the cure."""
    remedy = _BY_CODE.get(answer.error_code or 0) or _BY_STATUS.get(answer.status)
    return Rejected(
        Code.ORCHESTRATOR_REFUSED,
        said(operation, answer),
        remedy or "correct what the message names and send the request again",
        answer=answer,
    )


def is_empty_400(reply: Reply) -> bool:
    """The antiforgery filter's refusal, from before Orchestrator looks at a request at all."""
    return reply.status == 400 and not reply.body.strip()


def said(operation: str, answer: Answer) -> str:
    """An answer in one line, with what finds it in Orchestrator's own logs."""
    code = f" errorCode {answer.error_code}" if answer.error_code else ""
    trace = f" (traceId {answer.trace_id})" if answer.trace_id else ""
    return f"{operation} got {answer.status}{code}: {answer.message or 'no message'}{trace}"


def pause_after(outcome: Reply | Unavailable, attempt: int) -> float | None:
    """Seconds before the next try of a call that may be repeated; None: no next try."""
    if attempt + 1 >= TRIES:
        return None
    if isinstance(outcome, Reply):
        if kind_of(outcome.status) not in _WORTH_ANOTHER_TRY or b'"__abp"' in outcome.body:
            return None  # ABP's envelope is the application's own word: a wrong password may come as a 500
        asked = retry_after(outcome)
        if asked is not None:
            return asked
    return random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - jitter


def retry_after(reply: Reply, now: datetime | None = None) -> float | None:
    """Seconds to wait by Retry-After, in either of its forms, or by an edge's `retry_after` in the body."""
    text = reply.headers.get("Retry-After") or _document(reply.body).get("retry_after")
    if text is None:
        return None
    try:
        seconds = float(text)
    except (TypeError, ValueError):
        seconds = _until(str(text), now or datetime.now(UTC))
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if seconds == seconds else None  # noqa: PLR0124 - NaN


def _until(date: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(date[:LONGEST_ID])
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError, TypeError):  # a year or a zone beyond all calendars
        return float("nan")


def answer_of(reply: Reply) -> Answer:
    """Reads every error form: plain, ABP-wrapped, RFC 7807, OData's and OAuth's, `errors` lists.

    Its texts have bounds and none of our secrets in them: they go into events and dead letters.
    """
    document = _document(reply.body)
    inner = document.get("error")
    error = inner if isinstance(inner, dict) else {}
    code = document.get("errorCode") or error.get("code") or error.get("errorCode")
    messages = list(dict.fromkeys(text for text in _messages(document, error) if text))
    trace = document.get("traceId")
    trace = reply.conceal(trace)[:LONGEST_ID] if isinstance(trace, str) else None
    message = reply.conceal("; ".join(messages))[:LONGEST_MESSAGE]
    return Answer(reply.status, _number(code), trace or None, message or None)


def _messages(document: Mapping[str, Any], error: Mapping[str, Any]) -> Iterator[str]:
    for text in (
        document.get("message"),
        error.get("message"),
        document.get("title"),
        document.get("detail"),
    ):
        yield text if isinstance(text, str) else ""
    if isinstance(document.get("error"), str):
        yield f"{document['error']} {document.get('error_description') or ''}".strip()
    yield from _listed(document.get("errors"), "", _DEEPEST)
    yield from _listed(error.get("validationErrors"), "", _DEEPEST)


def _listed(errors: Any, field: str, room: int) -> Iterator[str]:
    """The texts inside `errors`, which is a list, an object of lists, or a mixture."""
    if isinstance(errors, str):
        yield f"{field}: {errors}" if field else errors
    elif isinstance(errors, dict) and isinstance(errors.get("message"), str):
        yield from _listed(errors["message"], field, room)
    elif isinstance(errors, list | dict) and room:
        named = errors.items() if isinstance(errors, dict) else ((field, each) for each in errors)
        for name, each in named:
            yield from _listed(each, name, room - 1)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _number(code: Any) -> int | None:
    try:
        number = int(code)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < abs(number) < _LARGEST_CODE else None
