"""The other processes of a demonstration: an Orchestrator simulator and a worker, and what they are told.

Each is a child of its own, out of reach of the terminal's Ctrl-C, and is gone when its block ends; but for a
simulator that runs already.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from worker.cli.output import UNREACHABLE, Failed

_START_S = 30.0
_STOP_S = 20.0
_LOOK_S = 0.05
# The simulator's own, known to everybody.
_CLIENT = {
    "JOBRELAY_CLIENT_ID": "5c7d3f10-6b1e-4f6a-9d55-2f1f6f0c0a01",
    "JOBRELAY_CLIENT_SECRET": "simulated-secret",
}
# Short windows, so that a lost answer or a killed worker costs seconds.
_PACE = {
    "HTTP_TIMEOUT_S": "2",
    "GRACE_S": "12",
    "HEARTBEAT_S": "1",
    "COMMIT_SLACK_S": "1",
    "POLL_INTERVAL_S": "0.5",
    "CONCURRENCY": "32",
    "HTTP_PORT": "0",
    "LOG_FORMAT": "json",
}

# The first that matches strikes. Every answer also takes its time, as it does in life.
FAULTS: list[dict[str, Any]] = [
    {"operation": "StartJobs", "do": "commit-then-reset", "probability": 0.02},
    {"operation": "StartJobs", "do": "commit-then-hang", "probability": 0.01},
    {"operation": "StartJobs", "do": "commit-then-status", "status": 502, "probability": 0.01},
    {"operation": "StartJobs", "do": "status", "status": 503, "probability": 0.02},
    {"operation": "StartJobs", "do": "reset", "probability": 0.01},
    {"operation": "StartJobs", "do": "status", "status": 429, "retryAfter": 1, "probability": 0.02},
    {"operation": "StartJobs", "do": "expire-token", "times": 2, "skip": 20},
    {"operation": "StartJobs", "do": "delay", "seconds": 0.1},
    {"operation": "JobsList", "do": "status", "status": 503, "times": 2},
    *(
        {"operation": operation, "do": do, "probability": 0.05}
        for operation in ("AddQueueItem", "BulkAddQueueItems")
        for do in ("commit-then-reset", "reset")
    ),
]


class Simulator:
    """The running simulator: `cloud` is the worker's ORCHESTRATOR_URL."""

    def __init__(self, cloud: str, client: aiohttp.ClientSession) -> None:
        self.cloud = cloud
        self._client = client
        self._before: dict[str, int] = {}

    async def begin_anew(self) -> None:
        """From now on it does nothing wrong, and its calls are counted anew; what it has done stays."""
        await self.drop_faults()
        self._before = (await self.ledger())["calls"]

    async def drop_faults(self) -> None:
        """From now on it does nothing wrong."""
        async with self._client.delete("/_sim/faults") as answer:
            answer.raise_for_status()

    async def faults(self, rules: list[dict[str, Any]]) -> None:
        """Tells it what to do wrong from now on."""
        async with self._client.post("/_sim/faults", json=rules) as answer:
            answer.raise_for_status()

    async def struck(self) -> dict[str, int]:
        """How often it did each thing wrong that it was told to."""
        async with self._client.get("/_sim/faults") as answer:
            rules: list[dict[str, Any]] = await answer.json()
        struck: dict[str, int] = {}
        for rule in rules:
            if rule["do"] == "delay":  # to take one's time is no fault
                continue
            what = " ".join(map(str, filter(None, (rule["operation"], rule["do"], _status(rule)))))
            struck[what] = struck.get(what, 0) + rule["hits"]
        return struck

    async def ledger(self) -> dict[str, Any]:
        """What it has really done."""
        async with self._client.get("/_sim/ledger") as answer:
            document: dict[str, Any] = await answer.json()
        calls = {operation: n - self._before.get(operation, 0) for operation, n in document["calls"].items()}
        return {**document, "calls": {operation: n for operation, n in calls.items() if n}}


def _status(rule: Mapping[str, Any]) -> int | None:
    return rule["status"] if rule["do"].endswith("status") else None


@asynccontextmanager
async def simulator() -> AsyncIterator[Simulator]:
    """A simulator on a free port with its own seed."""
    async with _child("simulator", "--port", "0", stdout=PIPE) as child:
        if child.stdout is None:
            raise TypeError("a pipe was asked for")
        async with asyncio.timeout(_START_S):
            line = await child.stdout.readline()
        if not line:
            raise Failed("the Orchestrator simulator did not start; try `jobrelay simulate`")
        places = orjson.loads(line)
        async with _client(places["url"]) as client:
            yield Simulator(places["cloud"], client)


@asynccontextmanager
async def running_simulator(url: str) -> AsyncIterator[Simulator]:
    """The simulator that is at *url* already: without faults at the beginning, and at the end."""
    away = (aiohttp.ClientError, TimeoutError, ValueError)
    async with AsyncExitStack() as stack:
        try:
            simulator = Simulator(url, await stack.enter_async_context(_client(url)))
            await simulator.begin_anew()
        except away as error:
            why = f"no simulator answers at {url} ({error}); `jobrelay simulate` is one"
            raise Failed(why, UNREACHABLE) from None
        try:
            yield simulator
        finally:
            with suppress(*away):
                await asyncio.shield(simulator.drop_faults())


def _client(url: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=_START_S))


class Worker:
    """A running worker, and its log."""

    def __init__(self, child: Process, log: Path) -> None:
        self._child = child
        self.log = log

    async def ready(self, *words: str) -> None:
        """Waits until its log has all of *words*, or says how it ends."""
        try:
            async with asyncio.timeout(_START_S):
                while not all(f'"{word}"'.encode() in self.log.read_bytes() for word in words):
                    if self._child.returncode is not None:
                        raise Failed(f"the worker ended: {self._last_words()} (its log is {self.log})")
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise Failed(f"the worker was not ready in {_START_S:.0f} s; its log is {self.log}") from None

    def kill(self) -> None:
        """Ends it as a lost machine would: no word, nothing finished."""
        self._child.kill()

    async def stop(self) -> None:
        """Asks it to finish what it has in hand and go."""
        await _stop(self._child)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return lines[-1][:300] if lines else "it said nothing"


@asynccontextmanager
async def worker(
    orchestrator_url: str, prefix: str, log: Path, more: Mapping[str, str]
) -> AsyncIterator[Worker]:
    """A worker of its own prefix with *more* settings, logging to *log*."""
    pace = {f"JOBRELAY_{name}": value for name, value in _PACE.items()}
    told = {"JOBRELAY_ORCHESTRATOR_URL": orchestrator_url, "JOBRELAY_PREFIX": prefix}
    url = {"JOBRELAY_AMQP_URL": os.environ["JOBRELAY_AMQP_URL"]}
    with log.open("wb") as output:
        async with _child(
            "worker", "run", stdout=output, more={**pace, **told, **url, **_CLIENT, **more}
        ) as child:
            yield Worker(child, log)


@asynccontextmanager
async def _child(
    module: str, *arguments: str, stdout: Any, more: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """Runs a Python module. Settings of ours in this environment are not its."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBRELAY_")}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=DEVNULL,
        stdout=stdout,
        stderr=None if stdout == PIPE else stdout,
        env={**environment, **(more or {})},
        start_new_session=True,
    )
    try:
        yield child
    finally:
        await asyncio.shield(_stop(child))


async def _stop(child: Process) -> None:
    with suppress(ProcessLookupError):
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
