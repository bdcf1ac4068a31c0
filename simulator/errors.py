"""The errors that the server answers: one table, easy to change, also from a seed (`behaviour.errors`).

Numbers are those of the published enum; where the HTTP status or the text is not known, this is a guess.
"""

from secrets import token_hex
from typing import Any, NamedTuple


class Error(NamedTuple):
    """HTTP status, error code and message."""

    status: int
    code: int
    message: str


ERRORS: dict[str, Error] = {
    "NotAuthenticated": Error(401, 0, "You are not authenticated!"),
    "NotAuthorized": Error(403, 0, "You are not authorized!"),
    "NotFound": Error(404, 0, "An error has occurred."),
    "InvalidRequest": Error(400, 1000, "Invalid request!"),
    "BadCredentials": Error(400, 1000, "Invalid username/email address or password."),
    "ItemNotFound": Error(404, 1002, "The item does not exist."),
    "ReleaseNotFound": Error(404, 1002, "The release does not exist."),
    "AttachmentNotFound": Error(404, 1002, "The attachment does not exist."),
    "InvalidArgument": Error(400, 1009, "Invalid argument."),
    "ParameterMissing": Error(400, 1014, "startInfo must not be null"),
    "DuplicateReference": Error(409, 1016, "Error creating Transaction. Duplicate Reference."),
    "InvalidOrganizationUnit": Error(
        400, 1100, "Folder does not exist or the user does not have access to the folder."
    ),
    "RequiredOrganizationUnit": Error(400, 1101, "A folder is required for this action."),
    "UserDoesNotHaveRobot": Error(
        409, 1230, "Foreground job requires an unattended robot to be defined on your user"
    ),
    "JobCannotBeCancelled": Error(409, 1658, "The job cannot be stopped in its present state."),
    "PendingJobsAlreadyExist": Error(409, 1670, "The robots already have pending jobs for this Process"),
    "InvalidStartJobRobotIds": Error(
        409, 1671, "Couldn't find the specified unattended user/robot in the current folder."
    ),
    "NoUnattendedUser": Error(
        409, 1671, "Couldn't find any user with unattended robot permissions in the current folder."
    ),
    "InvalidReleaseKey": Error(404, 1674, "Invalid release key."),
    "PackageNotFound": Error(409, 1677, "The package of this process was not found."),
    "NoRobotsAvailable": Error(409, 1678, "There are no robots available in the environment."),
    "InvalidReleaseKeyAndName": Error(409, 1687, "Either a release key or a release name is needed."),
    "MaxNumberJobsAlreadyExist": Error(409, 1691, "The maximum number of pending jobs already exists."),
    "CannotRestartUnfinishedJob": Error(409, 1697, "Cannot restart a job that is not finished."),
    "StrategyNotAvailableInModernFolder": Error(
        409, 2815, "The selected strategy is not available in modern folders."
    ),
    "StrategyNotAvailableInClassicFolder": Error(
        409, 2816, "The selected strategy is not available in classic folders."
    ),
    "NoMachineAssociatedWithFolder": Error(
        409, 2818, "Could not find a machine with {wanted} runtimes in the current folder"
    ),
    "TooManyRequests": Error(429, 0, "Too many requests."),
}


class Refusal(Exception):
    """A request refused for a reason in the table; `message` in place of the table's, `headers` beside it.

    `words` fill the places in the table's message.
    """

    def __init__(
        self, name: str, message: str | None = None, headers: dict[str, str] | None = None, **words: str
    ) -> None:
        super().__init__(name)
        self.name = name
        self.message = message or (ERRORS[name].message.format(**words) if words else None)
        self.headers = headers or {}


def look_up(name: str, changed: dict[str, dict[str, Any]]) -> Error:
    """The table's entry with what a seed changed."""
    error, change = ERRORS[name], changed.get(name, {})
    return error._replace(
        status=change.get("status", error.status), message=change.get("message", error.message)
    )


def body(error: Error, version: int) -> dict[str, Any]:
    """The error as JSON in the shape of that API version."""
    shown = {"message": error.message, "errorCode": error.code, "traceId": trace_id()}
    return shown if version >= 15 else {**shown, "resourceIds": None}


def wrapped(error: Error) -> dict[str, Any]:
    """The shape that old on-prem servers use for what their web framework refuses."""
    return {
        "message": error.message,
        "errorCode": error.code,
        "result": None,
        "targetUrl": None,
        "success": False,
        "error": {"code": error.code, "message": error.message, "details": None, "validationErrors": None},
        "unAuthorizedRequest": False,
        "__abp": True,
    }


def trace_id() -> str:
    """A new W3C trace id, as the server makes one for each error."""
    return f"00-{token_hex(16)}-{token_hex(8)}-00"
