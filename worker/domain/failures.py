"""What can go wrong, in the pipeline's words.

    Failure
    ├── Rejected         will never work as asked: announced, and kept in the dead letters
    ├── Unavailable      certainly did not happen, may work later: retried, then held or deferred
    └── OutcomeUnknown   may have happened: looked up by Reference, never sent again blindly

Anything else that is raised is a defect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """Why a request was rejected. The words are public: schemas, dead letters and docs use them."""

    INVALID_JSON = "invalid_json"
    INVALID_REQUEST = "invalid_request"
    TOO_LARGE = "too_large"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    UNKNOWN_ROUTING_KEY = "unknown_routing_key"
    REQUEST_ID_MISSING = "request_id_missing"
    FOLDER_MISSING = "folder_missing"
    FOLDER_UNKNOWN = "folder_unknown"
    PROCESS_UNKNOWN = "process_unknown"
    PROCESS_AMBIGUOUS = "process_ambiguous"
    ROBOT_UNKNOWN = "robot_unknown"
    ROBOT_IS_SESSION = "robot_is_session"
    MACHINE_UNKNOWN = "machine_unknown"
    STRATEGY_NOT_OFFERED = "strategy_not_offered"
    ARGUMENTS_INVALID = "arguments_invalid"
    ARGUMENTS_TOO_LONG = "arguments_too_long"
    ORCHESTRATOR_REFUSED = "orchestrator_refused"
    JOB_UNKNOWN = "job_unknown"
    QUEUE_UNKNOWN = "queue_unknown"
    EXPIRED = "expired"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    CANCELLED = "cancelled"
    NOT_ALLOWED = "not_allowed"
    TEMPLATE_FAILED = "template_failed"
    OUTCOME_UNKNOWN = "outcome_unknown"


class Later(StrEnum):
    """Why a request is deferred or held. Public too: `request-deferred` carries it."""

    THROTTLED = "orchestrator_throttled"
    UNREACHABLE = "orchestrator_unreachable"
    FAILING = "orchestrator_failing"
    CREDENTIALS_REFUSED = "credentials_refused"
    BUSY = "orchestrator_busy"
    NOT_YET_VISIBLE = "not_yet_visible"
    OUTCOME_UNKNOWN = "outcome_unknown"
    INTERNAL_ERROR = "internal_error"


class Overtaken(Exception):
    """No failure: somebody else has the message by now, and says what becomes of it."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong in a request: a JSON pointer to the place, and what is wrong there."""

    pointer: str
    message: str

    def document(self) -> dict[str, str]:
        """The violation as events and headers write it."""
        return {"pointer": self.pointer, "message": self.message}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of several processes that a name could mean."""

    name: str
    release_key: str
    folder: str
    environment: str | None = None

    def document(self) -> dict[str, str | None]:
        """The candidate as events write it."""
        return {
            "name": self.name,
            "releaseKey": self.release_key,
            "folder": self.folder,
            "environment": self.environment,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Candidate":
        """The candidate that wrote *document*."""
        return cls(document["name"], document["releaseKey"], document["folder"], document["environment"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What Orchestrator said when it refused: enough to find it in its own logs."""

    status: int
    error_code: int | None = None
    trace_id: str | None = None
    message: str | None = None

    def document(self) -> dict[str, str | int | None]:
        """The answer as events write it."""
        return {
            "status": self.status,
            "errorCode": self.error_code,
            "traceId": self.trace_id,
            "message": self.message,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Answer":
        """The answer that wrote *document*."""
        return cls(document["status"], document["errorCode"], document["traceId"], document["message"])


class Failure(Exception):
    """The root of the three kinds above."""

    detail: str

    def __str__(self) -> str:
        """The detail, so that a log line or a traceback says it."""
        return self.detail


@dataclass(eq=False)
class Rejected(Failure):
    """Will never work as asked.

    *detail* says what is wrong and where, *remedy* what the sender can do about it.
    """

    code: Code
    detail: str
    remedy: str = ""
    violations: tuple[Violation, ...] = field(default=(), kw_only=True)
    candidates: tuple[Candidate, ...] = field(default=(), kw_only=True)
    answer: Answer | None = field(default=None, kw_only=True)

    def document(self) -> dict[str, Any]:
        """Why, as events write it."""
        return {
            "code": self.code,
            "detail": self.detail,
            "remedy": self.remedy,
            "violations": [violation.document() for violation in self.violations],
            "candidates": [candidate.document() for candidate in self.candidates],
            "orchestrator": self.answer.document() if self.answer else None,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Rejected":
        """The rejection that wrote *document*."""
        answer = document["orchestrator"]
        return cls(
            Code(document["code"]),
            document["detail"],
            document["remedy"],
            violations=tuple(Violation(**one) for one in document["violations"]),
            candidates=tuple(Candidate.of(one) for one in document["candidates"]),
            answer=Answer.of(answer) if answer else None,
        )


@dataclass(eq=False)
class Unavailable(Failure):
    """Certainly did not happen, and may work later.

    *outage* tells a fault of the whole Orchestrator (or of its credentials) from one of this request:
    in an outage requests are held and attempts do not count. *sent* is true where a call was on its way and
    its answer was lost: that may be this request's alone after all. *retry_after* is in seconds.
    """

    code: Later
    detail: str
    outage: bool = field(default=False, kw_only=True)
    sent: bool = field(default=False, kw_only=True)
    retry_after: float | None = field(default=None, kw_only=True)
    answer: Answer | None = field(default=None, kw_only=True)


DEFECT = Unavailable(Later.INTERNAL_ERROR, "Jobrelay failed at this request; its log has the reason")
"""What a defect is told as, of the request that met it."""


@dataclass(eq=False)
class OutcomeUnknown(Failure):
    """May or may not have happened: the answer was lost. *heard*: it is counted already, with another's."""

    detail: str
    answer: Answer | None = field(default=None, kw_only=True)
    heard: bool = field(default=False, kw_only=True)
