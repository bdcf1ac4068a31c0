"""Why the broker is not spoken to: in words that say what mends it, and quote no secret."""

import asyncio
from asyncio import IncompleteReadError

from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from worker import tls

CREDENTIALS = (AuthenticationError, ProbableAuthenticationError)
"""What refused credentials raise."""
# A frame of AMQP is never as long as another protocol's text read as one says.
_NO_FRAME = 2**24
# In place of what the broker said then, the library has an object's address.
_VIRTUAL_HOST = (ConnectionNotAllowed, InvalidFrameError)


def refusal(error: BaseException) -> str | None:
    """What the broker refuses, to follow its name, and after a semicolon what mends it; else None."""
    if isinstance(error, CREDENTIALS):
        return "refuses the user or its password; correct JOBRELAY_AMQP_URL"
    if isinstance(error, _VIRTUAL_HOST):
        return (
            "does not let us into the virtual host of JOBRELAY_AMQP_URL; "
            "correct its name, or create it and give the user its permissions there"
        )
    if isinstance(error, ChannelAccessRefused):
        return f"refuses a permission: {error}; give it to the user of JOBRELAY_AMQP_URL"
    return None


def unconnected(error: BaseException) -> str:
    """Why a connection was not made, to follow the broker's place, and what to look at."""
    if (refused := refusal(error)) is not None:
        return refused
    if (trouble := tls_trouble(error)) is not None:
        return f"is not connected to: {trouble}"
    if isinstance(error, TimeoutError):
        return "does not answer; check the host and port in JOBRELAY_AMQP_URL, and that it runs"
    cause = error.__cause__
    if isinstance(cause, IncompleteReadError) and (cause.expected or 0) > _NO_FRAME:
        return "is no RabbitMQ: what answers there does not speak AMQP; correct the port in JOBRELAY_AMQP_URL"
    return f"cannot be reached: {text_of(error)}; check JOBRELAY_AMQP_URL, and that it runs"


def text_of(error: BaseException) -> str:
    """What an error says, without its number."""
    return str(error.args[-1]) if error.args else type(error).__name__


def reason(error: BaseException) -> str:
    """Why a connection was not made, or was lost, for readiness and the log."""
    if (refused := refusal(error)) is not None:
        return f"the broker {refused}"
    if (trouble := tls_trouble(error)) is not None:
        return trouble
    if isinstance(error, asyncio.CancelledError):
        # The library cancels its own reading of the connection.
        return "nothing was heard of the broker for three heartbeats"
    silent = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    return str(error) or silent


def tls_trouble(error: BaseException) -> str | None:
    """What is wrong with whose certificate, and what mends it; None where TLS is not the trouble."""
    return tls.trouble(error, "JOBRELAY_AMQP_CA_FILE", "JOBRELAY_AMQP_URL", tls.OURS)
