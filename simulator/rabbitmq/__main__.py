"""Runs a command with a RabbitMQ in JOBRELAY_AMQP_URL: `python -m simulator.rabbitmq -- COMMAND ARG…`.

Exits with the command's code (128 + n if signal n ended it), 4 if there is no broker, 127 if there is no such
command.
"""

import argparse
import os
import signal
import subprocess
import sys
from types import FrameType
from typing import NoReturn

from simulator.rabbitmq import PRIVATE, NoBroker, running


def main() -> int:
    """Runs the command of this process's arguments and returns the exit code."""
    arguments = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        given = os.environ.get("JOBRELAY_AMQP_URL")
        with running(arguments.plugins, wait=not arguments.at_once, tick_s=arguments.tick) as url:
            ours = {} if url == given else {PRIVATE: url}
            return _run(arguments.command, os.environ | {"JOBRELAY_AMQP_URL": url} | ours)
    except NoBroker as reason:
        print(reason, file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator.rabbitmq",
        description="Runs COMMAND with the URL of a RabbitMQ in JOBRELAY_AMQP_URL: the one already named"
        " there, else a private node of an installed RabbitMQ, else a Docker container. What it starts ends"
        " with COMMAND.",
    )
    parser.add_argument(
        "--plugins", type=lambda names: names.split(","), default=[], metavar="A,B", help="plugins to enable"
    )
    parser.add_argument(
        "--at-once",
        action="store_true",
        help="begin COMMAND while a private node starts",
    )
    parser.add_argument(
        "--tick",
        type=int,
        default=5,
        metavar="SECONDS",
        help="how often a private node's queues check themselves; a thousand of them do little else",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, after --")
    return parser


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """While the broker starts or ends, a signal unwinds the stack, and with it what was started."""
    raise SystemExit(128 + number)


def _run(command: list[str], environment: dict[str, str]) -> int:
    seen: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        for child in children:
            _tell(child, number, len(seen))

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    try:
        children.append(subprocess.Popen(command, env=environment))
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    if seen:  # while it was being started
        _tell(children[0], seen[0], 1)
    code = children[0].wait()
    return code if code >= 0 else 128 - code


def _tell(child: subprocess.Popen[bytes], number: int, nth: int) -> None:
    """The command decides what the first signal means; the second tells it to end, the third kills it."""
    if nth > 1:
        child.send_signal(signal.SIGTERM if nth == 2 else signal.SIGKILL)
    elif number != signal.SIGINT or not _from_terminal():
        child.send_signal(number)


def _from_terminal() -> bool:
    """Whether Ctrl-C reaches the command by itself: a terminal sends it to all in its foreground."""
    try:
        with open("/dev/tty") as terminal:  # noqa: PTH123 - a descriptor is what is needed
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
