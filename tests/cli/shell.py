"""The command line as a test types it, and what a test does at the broker beside it."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel
from typed import typed_here
from typer.main import get_command
from warm import started

T = TypeVar("T")
_WITHIN_S = 60
made_once = cache(get_command)
"""Commands out of Typer's declarations: what its `CliRunner` makes anew for each call takes long."""
IDS = tuple(f"{n}a5e0000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
CODES = ("expired", "process_unknown", "process_unknown")


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Runs commands in this process; their output is not a terminal."""

    def __call__(self, *arguments: str, answer: str | None = None) -> Said:
        """Types `jobrelay ARGUMENTS` and returns what came of it."""
        result = typed_here(*arguments, answer=answer)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Said(result.exit_code, result.stdout, result.stderr)


class Running:
    """A command in a process of its own; *terminal* is where it writes instead of into pipes."""

    def __init__(self, *arguments: str, terminal: int | None = None) -> None:
        pipes = [os.pipe() for _ in range(2)]
        self._said = [open(hears) for hears, _ in pipes]  # noqa: PTH123, SIM115 - closed by `end`
        (_, out), (_, err) = pipes
        output = (out if terminal is None else terminal, err)
        self._process = started("-m", "worker", *arguments, output=output)
        for says in (out, err):
            os.close(says)

    def first(self, stream: str = "stdout") -> str:
        """The first line it writes there."""
        return self._said[("stdout", "stderr").index(stream)].readline()

    def interrupt(self) -> int:
        """Its exit code after Ctrl-C."""
        self.signal()
        return self.end()[0]

    def signal(self) -> None:
        """Types Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        """Its exit code and what it wrote."""
        code = self._process.wait(_WITHIN_S)
        out, err = [stream.read() for stream in self._said]
        for stream in self._said:
            stream.close()
        return code, out, err


@dataclass(frozen=True, slots=True)
class Broker:
    """What a test does at the broker itself, beside the command line."""

    url: str
    prefix: str

    def act(self, what: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        """Does something on a channel."""
        return asyncio.run(self.visit(what))

    async def visit(self, what: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        """The same, from within a loop."""
        async with await aio_pika.connect(self.url) as connection, connection.channel() as channel:
            return await what(channel)

    def publish(self, exchange: str, key: str, messages: Iterable[aio_pika.Message]) -> None:
        """Publishes, confirmed, to an exchange of the prefix."""

        async def publish(channel: AbstractChannel) -> None:
            to = await channel.get_exchange(f"{self.prefix}.{exchange}", ensure=False)
            for message in messages:
                await to.publish(message, key)

        self.act(publish)

    def take(self, queue: str) -> list[Any]:
        """Takes everything off a queue of the prefix."""

        async def take(channel: AbstractChannel) -> list[Any]:
            found = await channel.get_queue(f"{self.prefix}.{queue}", ensure=False)
            taken = []
            while (message := await found.get(no_ack=True, fail=False)) is not None:
                taken.append(message)
            return taken

        return self.act(take)

    def bury(self, letter: str, code: str, **more: Any) -> None:
        """Puts a letter there as a worker does."""
        headers = {
            "jobrelay-code": code,
            "jobrelay-detail": f"{code} it is",
            "jobrelay-attempt": 4,
            "jobrelay-first-at": "2026-01-01T00:00:00.000Z",
            "jobrelay-last-at": "2026-01-02T00:00:00.000Z",
            "jobrelay-host": "worker-1",
            "jobrelay-dead-letter-id": letter,
            "jobrelay-exchange": f"{self.prefix}.requests",
            "jobrelay-routing-key": "job.start",
            "mine": letter,
        }
        request = json.dumps({"requestId": f"r-{letter[0]}", "metadata": {"team": "blue"}}).encode()
        self.publish("dead", "job.start", [sent(request, headers | more)])


def sent(body: bytes, headers: dict[str, Any] | None = None, **properties: Any) -> aio_pika.Message:
    """A message as a sender would publish it."""
    properties = {"delivery_mode": 2, "correlation_id": "c-1", "reply_to": "answers", **properties}
    return aio_pika.Message(body, headers=headers, **properties)
