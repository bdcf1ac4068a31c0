"""Orchestrator's enumerated types, complete, by its own names and numbers, and read from either.

The names and numbers are those of its documentation ("Enumerated types", 2024.10). The published OpenAPI (11,
17 and 20) knows more members of some types; these are here too, with a number where its lists, which have the
documented ones at their numbers, leave no doubt. Where the two call one number by different names, the API's
name is read as the documentation's: `SPELLINGS`. What nobody has told us yet stays the text that came.
"""

from enum import StrEnum
from functools import cache
from typing import Any, Self, TypeVar


class Word(StrEnum):
    """A member of an enumerated type: the text is its name, *number* its value, None where not known."""

    number: int | None

    def __new__(cls, name: str, number: int | None = None) -> Self:
        """A member of that name and number."""
        word = str.__new__(cls, name)
        word._value_ = name
        word.number = number
        return word


W = TypeVar("W", bound=Word)


class JobState(Word):
    """The states of a job."""

    PENDING = "Pending", 0
    RUNNING = "Running", 1
    STOPPING = "Stopping", 2
    TERMINATING = "Terminating", 3
    FAULTED = "Faulted", 4
    SUCCESSFUL = "Successful", 5
    STOPPED = "Stopped", 6
    SUSPENDED = "Suspended", 7
    RESUMED = "Resumed", 8


class JobSource(Word):
    """Where a job was started. The documentation has the first two; the API calls a trigger `Schedule`."""

    MANUAL = "Manual", 0
    TRIGGER = "Trigger", 1
    AGENT = "Agent", 2
    QUEUE = "Queue", 3
    STUDIO_WEB = "StudioWeb"
    INTEGRATION_TRIGGER = "IntegrationTrigger"
    STUDIO_DESKTOP = "StudioDesktop"
    AUTOMATION_OPS_PIPELINES = "AutomationOpsPipelines"
    APPS = "Apps"
    SAP = "SAP"
    HTTP_TRIGGER = "HttpTrigger"
    HTTP_TRIGGER_CALLBACK = "HttpTriggerCallback"
    ROBOT_API = "RobotAPI"
    ASSISTANT = "Assistant"
    COMMAND_LINE = "CommandLine"
    ROBOT_NET_API = "RobotNetAPI"
    AUTOPILOT = "Autopilot"
    TEST_MANAGER = "TestManager"
    AGENT_SERVICE = "AgentService"
    PROCESS_ORCHESTRATION = "ProcessOrchestration"
    PLUGIN_ECOSYSTEM = "PluginEcosystem"
    PERFORMANCE_TESTING = "PerformanceTesting"
    AGENT_HUB = "AgentHub"
    API_WORKFLOW = "ApiWorkflow"


class JobType(Word):
    """Whether a job was started from Orchestrator or from its robot. The API alone has the last."""

    UNATTENDED = "Unattended", 0
    ATTENDED = "Attended", 1
    SERVERLESS_GENERIC = "ServerlessGeneric", 2


class RobotState(Word):
    """Whether a robot is there and free; the State of a session."""

    AVAILABLE = "Available", 0
    BUSY = "Busy", 1
    DISCONNECTED = "Disconnected", 2
    UNKNOWN = "Unknown", 3


class ProcessingStatus(Word):
    """The Status of a queue item."""

    NEW = "New", 0
    IN_PROGRESS = "InProgress", 1
    FAILED = "Failed", 2
    SUCCESSFUL = "Successful", 3
    ABANDONED = "Abandoned", 4
    RETRIED = "Retried", 5
    DELETED = "Deleted", 6


class ProcessingExceptionType(Word):
    """Why the processing of a queue item failed."""

    APPLICATION = "ApplicationException", 0
    BUSINESS = "BusinessException", 1


class ReviewStatus(Word):
    """How far the review of a failed queue item is."""

    NONE = "None", 0
    IN_REVIEW = "InReview", 1
    VERIFIED = "Verified", 2
    RETRIED = "Retried", 3


class AssetValueScope(Word):
    """For whom an asset has its value."""

    GLOBAL = "Global", 0
    PER_ROBOT = "PerRobot", 1


class AssetValueType(Word):
    """What an asset keeps. The documentation has Text to Credential."""

    DB_CONNECTION_STRING = "DBConnectionString", 0
    HTTP_CONNECTION_STRING = "HttpConnectionString", 1
    TEXT = "Text", 2
    BOOL = "Bool", 3
    INTEGER = "Integer", 4
    CREDENTIAL = "Credential", 5
    WINDOWS_CREDENTIAL = "WindowsCredential", 6
    KEY_VALUE_LIST = "KeyValueList", 7
    SECRET = "Secret", 8


class LogLevel(Word):
    """How severe a line of a log is, the least first."""

    TRACE = "Trace", 0
    DEBUG = "Debug", 1
    INFO = "Info", 2
    WARN = "Warn", 3
    ERROR = "Error", 4
    FATAL = "Fatal", 5


class UserType(Word):
    """What kind of account a user is. The API alone has the last two."""

    USER = "User", 0
    ROBOT = "Robot", 1
    DIRECTORY_USER = "DirectoryUser", 2
    DIRECTORY_GROUP = "DirectoryGroup", 3
    DIRECTORY_ROBOT = "DirectoryRobot", 4
    DIRECTORY_EXTERNAL_APPLICATION = "DirectoryExternalApplication", 5


SPELLINGS: dict[str, Word] = {
    "Schedule": JobSource.TRIGGER,
    "HttpTriggerWithCallback": JobSource.HTTP_TRIGGER_CALLBACK,
}
"""Other names of the API's for members, the latter in StartJobs."""


def member(kind: type[W], value: Any) -> W | None:
    """The member that *value* means: its name in any case, its number, or that as text; None: no such one."""
    if isinstance(value, str):
        return _members(kind).get(value) or _members(kind).get(value.strip().lower())
    return _members(kind).get(str(value)) if type(value) is int else None


def read(kind: type[W], value: Any) -> str | None:
    """The member that *value* means, else its own text (a number's, too); None for what is neither."""
    known = member(kind, value)
    if known is not None:
        return known
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int else None


@cache
def _members(kind: type[W]) -> dict[str, W]:
    named = {word.value: word for word in kind}
    named |= {name: word for name, word in SPELLINGS.items() if isinstance(word, kind)}
    numbered = {str(word.number): word for word in kind if word.number is not None}
    return numbered | named | {name.lower(): word for name, word in named.items()}
