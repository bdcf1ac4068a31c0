"""Which answer is of which kind: the one table. What follows from a kind is said in `refusals`. Pure."""

from collections.abc import Container
from enum import StrEnum

import aiohttp


class Kind(StrEnum):
    """What an answer says of the call: was it done, and is there a use in sending it again?"""

    THROTTLED = "not done: again, after Retry-After"
    AUTH = "not done: again, once, with a new token"
    AMBIGUOUS = "a start may have been done: looked up, never sent again blindly; a read is tried again"
    TRANSIENT = "a start is not done, and may be in minutes: deferred; a read is refused"
    PERMANENT = "not done, and never will be: refused"
    UNREADABLE = "a start may have been done: looked up; a read was answered by somebody else"


_ANY: range = range(-(2**31), 2**31)

TABLE: tuple[tuple[Kind, Container[int], Container[int]], ...] = (
    # kind            status                     errorCode
    (Kind.THROTTLED,  {429},                     _ANY),
    (Kind.AUTH,       {401},                     _ANY),
    (Kind.AMBIGUOUS,  {408, *range(500, 600)},   _ANY),
    (Kind.TRANSIENT,  range(400, 500),           {1670, 1678, 1691}),
    (Kind.PERMANENT,  range(400, 500),           _ANY),
    (Kind.UNREADABLE, range(1000),               _ANY),
)  # fmt: skip
"""The first row that fits says it. A 2xx comes here only where it names no jobs, or cannot be read."""

NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
"""Where there is no answer: certainly not sent (DNS, refused, TLS, connect timeout)."""

LOST = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
"""Where there is no answer and it is none of `NOT_SENT`: ambiguous (timeout, reset, cut)."""


def kind_of(status: int, error_code: int | None = None) -> Kind:
    """The kind of an answer by its numbers; its text follows the user's language."""
    code = error_code or 0
    return next(kind for kind, statuses, codes in TABLE if status in statuses and code in codes)
