"""What readiness, the log and commands say of a broker that refuses: what, and what mends it."""

import re

import pytest
from aio_pika.exceptions import AMQPConnectionError
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from worker.broker.address.trouble import reason, refusal


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ProbableAuthenticationError("ACCESS_REFUSED"), "refuses the user .*; correct JOBRELAY_AMQP_URL"),
        (AuthenticationError("ACCESS_REFUSED"), "refuses the user .*; correct JOBRELAY_AMQP_URL"),
        (ConnectionNotAllowed("<Frame at 0x7f>"), "virtual host of JOBRELAY_AMQP_URL; .*create it"),
        (InvalidFrameError("<Frame at 0x7f>"), "virtual host of JOBRELAY_AMQP_URL; .*create it"),
        (ChannelAccessRefused("configure access to queue 'q' refused"), "configure access .*; give it to"),
    ],
)
def test_what_is_refused_is_said_with_what_mends_it(error: Exception, said: str) -> None:
    """After a semicolon, for a table; and no address in memory."""
    told = refusal(error)
    assert told is not None
    assert reason(error) == f"the broker {told}"
    assert told.count(";") == 1
    assert re.search(said, told)
    assert "0x7f" not in told


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "[Errno 111] Connect call failed"),
        (TimeoutError(), "no answer in time"),
        (AMQPConnectionError(), "AMQPConnectionError"),
    ],
)
def test_what_is_away_refuses_nothing(error: Exception, said: str) -> None:
    """Then the reason is the system's word, or at least one."""
    assert refusal(error) is None
    assert reason(error) == said
