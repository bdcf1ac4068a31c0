"""A RabbitMQ for one command: a given one, a private node or a container; what was started ends with it.

`python -m simulator.rabbitmq -- COMMAND` for a shell, `running()` and `PrivateNode` for Python.
Only the standard library is used, so that this works before anything is installed.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from simulator.rabbitmq.container import container, docker_answers
from simulator.rabbitmq.loopback import NoBroker
from simulator.rabbitmq.node import PrivateNode, installed_server

__all__ = ["NoBroker", "PrivateNode", "running"]

_WHAT_TO_DO = """\
There is no RabbitMQ to work with. One of these mends it:
  - set JOBRELAY_AMQP_URL to a broker that may be used (amqp://USER:PASSWORD@HOST:PORT);
  - install one: "apt-get install rabbitmq-server" or "brew install rabbitmq" (scripts/install does it,
    given root or sudo);
  - start Docker."""


@contextmanager
def running(plugins: Sequence[str] = ()) -> Iterator[str]:
    """The AMQP URL of a broker that runs inside this context.

    JOBRELAY_AMQP_URL if it is set (then nothing is started), else a private node of an installed RabbitMQ,
    else a Docker container; `NoBroker` if none can be had.
    """
    if given := os.environ.get("JOBRELAY_AMQP_URL"):
        yield given
    elif installed_server():
        with PrivateNode(plugins) as node:
            yield node.url
    elif docker_answers():
        with container(plugins) as url:
            yield url
    else:
        raise NoBroker(_WHAT_TO_DO)
