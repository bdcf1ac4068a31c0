"""A RabbitMQ for one command: a given one, a private node or a container; what was started ends with it.

`python -m simulator.rabbitmq -- COMMAND` for a shell, `running()` and `PrivateNode` for Python.
Only the standard library is used, so that this works before anything is installed.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from simulator.rabbitmq.container import container, docker_answers
from simulator.rabbitmq.loopback import NoBroker, await_broker
from simulator.rabbitmq.node import PrivateNode, installed_server

__all__ = ["PRIVATE", "NoBroker", "PrivateNode", "await_broker", "ends_with_us", "running"]

PRIVATE = "PRIVATE_RABBITMQ"
"""The environment variable that names a broker which ends with the command that sees it."""

_WHAT_TO_DO = """\
There is no RabbitMQ to work with. One of these mends it:
  - set JOBRELAY_AMQP_URL to a broker that may be used (amqp://USER:PASSWORD@HOST:PORT);
  - install one: "apt-get install rabbitmq-server" or "brew install rabbitmq" (scripts/install does it,
    given root or sudo);
  - start Docker."""


def ends_with_us(url: str) -> bool:
    """Whether *url* is the broker that `python -m simulator.rabbitmq` runs around this process."""
    return os.environ.get(PRIVATE) == url


@contextmanager
def running(plugins: Sequence[str] = (), *, wait: bool = True, tick_s: int = 5) -> Iterator[str]:
    """The AMQP URL of a broker that runs inside this context; unless *wait*, it may have only begun to start.

    JOBRELAY_AMQP_URL if it is set (then nothing is started), else a private node of an installed RabbitMQ,
    else a Docker container; `NoBroker` if none can be had. *tick_s* is for the node: see there.
    """
    if given := os.environ.get("JOBRELAY_AMQP_URL"):
        yield given
    elif installed_server():
        with PrivateNode(plugins, wait=wait, tick_s=tick_s) as node:
            yield node.url
    elif docker_answers():
        with container(plugins) as url:
            yield url
    else:
        raise NoBroker(_WHAT_TO_DO)
