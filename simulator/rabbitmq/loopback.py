"""Free ports on the loopback interface, and whether a broker answers on one."""

import random
import socket
import sys
import time
from collections.abc import Callable

_UP_WITHIN_S = 120  # a start takes 3 to 5 s; on a busy machine with a cold disk much longer
_SPEAK_AFTER_S = 2
_GREETING = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


class NoBroker(Exception):
    """There is no RabbitMQ and none can be started; the text says what to do."""


def free_ports(count: int) -> range:
    """`count` neighbouring ports that nobody listens on.

    They lie below the range from which systems take the ports of outgoing connections: a client that tries a
    port of that range again and again while its server is away can end up connected to itself.
    """
    starts = range(10_000, 32_000, count)
    for start in random.sample(starts, len(starts)):
        if all(map(_is_free, range(start, start + count))):
            return range(start, start + count)
    raise NoBroker(f"There are no {count} free ports between 10000 and 32000 on 127.0.0.1.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def await_broker(port: int, died: Callable[[], bool]) -> None:
    """Returns when a broker answers on the port; raises `NoBroker` if it died or takes two minutes.

    Says on stderr what is being waited for once that takes longer than two seconds.
    """
    began = time.monotonic()
    said = _SPEAK_AFTER_S - 1
    while not _answers(port):
        waited = time.monotonic() - began
        if died():
            raise NoBroker("RabbitMQ ended while it was starting.")
        if waited > _UP_WITHIN_S:
            raise NoBroker(f"RabbitMQ did not answer on port {port} within {_UP_WITHIN_S} s.")
        if waited > said + 1:
            said = int(waited)
            _say(f"Starting a private RabbitMQ: {said} s", first=said == _SPEAK_AFTER_S)
        time.sleep(0.05)
    if said >= _SPEAK_AFTER_S and sys.stderr.isatty():
        print(file=sys.stderr)


def _say(text: str, *, first: bool) -> None:
    """A line that counts on a terminal; elsewhere one line is enough."""
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr, flush=True)
    elif first:
        print(text, file=sys.stderr, flush=True)


def _answers(port: int) -> bool:
    """Whether a broker greets us: its greeting, not the open port, says that it takes connections."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
            line.sendall(_GREETING)
            return line.recv(1) == _METHOD_FRAME
    except OSError:
        return False
