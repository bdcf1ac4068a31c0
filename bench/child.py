"""Processes of the bench: started, listened to, asked for their CPU time, and ended for certain."""

import asyncio
import os
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

_END_S = 20.0
_CHUNKS_KEPT = 4
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """The bench cannot go on; the text says why."""


class Child(asyncio.SubprocessProtocol):
    """One process. What it prints is read at once and dropped, but for the last of it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.pid = 0
        self._said: deque[bytes] = deque(maxlen=_CHUNKS_KEPT)
        self._spoke, self._gone = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: Any) -> None:  # uvloop's is no asyncio.SubprocessTransport
        """Called by the loop when the process runs."""
        self._transport, self.pid = transport, transport.get_pid()

    def pipe_data_received(self, _fd: int, data: bytes) -> None:
        """Called by the loop with what the process prints."""
        self._said.append(data)
        self._spoke.set()

    def process_exited(self) -> None:
        """Called by the loop when the process is over."""
        self._gone.set()
        self._spoke.set()

    async def first_words(self, within_s: float) -> bytes:
        """What it says first, or nothing if it says nothing."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._spoke.wait(), within_s)
        return b"".join(self._said)

    def check(self) -> None:
        """Raises `Failed` with its last words if it is over."""
        if self._gone.is_set():
            raise Failed(
                f"{self} ended by itself, code {self._transport.get_returncode()}: {self.last_words}"
            )

    @property
    def last_words(self) -> str:
        """The end of what it printed."""
        return b"".join(self._said).decode(errors="replace")[-2000:].strip()

    def cpu_s(self) -> float:
        """Seconds of CPU, user and system, of all its threads: what its own getrusage would say.

        Read from outside, so that the product is measured without a line of it being changed; the system
        gives it in hundredths of a second.
        """
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    async def end(self) -> None:
        """Asks it to end, and makes it."""
        for stop in (self._transport.terminate, self._transport.kill):
            with suppress(ProcessLookupError, TimeoutError):
                stop()
                await asyncio.wait_for(self._gone.wait(), _END_S)
        self._transport.close()

    def __str__(self) -> str:
        return " ".join(Path(word).name for word in self.command)


@asynccontextmanager
async def running(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Child]:
    """Runs *command* for the time of the block, in a session of its own: Ctrl-C reaches only the bench."""
    _, child = await asyncio.get_running_loop().subprocess_exec(
        lambda: Child(command),
        *command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        await child.end()
