"""`python -m simulator`: runs the simulator until SIGTERM (exit code 0) or SIGINT (130)."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

import orjson
import uvloop
from aiohttp import web

from simulator.front.server import Simulator
from simulator.seed import SeedError

_EXAMPLES = """examples:
  python -m simulator                                     a free port, the built-in seed
  python -m simulator --port 8090 --seed seed.json --log
  curl http://127.0.0.1:8090/_sim/faults -d '[{"operation": "StartJobs", "times": 1, "do": "reset"}]'
  curl http://127.0.0.1:8090/_sim/ledger
"""
# A worker's own, and with OR.Queues what queue items take.
_SCOPES = "OR.Jobs OR.Execution.Read OR.Folders.Read OR.Robots.Read OR.Machines.Read OR.Queues"


def main() -> int:
    """Reads the command line, serves, and gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="A faithful UiPath Orchestrator in memory, for trying and testing clients.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0, the default, takes a free one"
    )
    parser.add_argument(
        "--seed", type=Path, metavar="FILE", help="what the tenant holds, JSON (default: built in)"
    )
    parser.add_argument("--log", action="store_true", help="write a line for each request to stderr")
    arguments = parser.parse_args()
    gc.set_threshold(
        100_000, 20, 1000
    )  # jobs stay: looking through them all again and again only stops the server
    try:
        simulator = Simulator(orjson.loads(arguments.seed.read_bytes()) if arguments.seed else None)
        return uvloop.run(_serve(simulator, arguments))
    except (SeedError, OSError, orjson.JSONDecodeError) as error:
        _say(f"simulator: {arguments.seed or ''} {error}", sys.stderr)
        return 1


async def _serve(simulator: Simulator, arguments: argparse.Namespace) -> int:
    """Serves until a signal comes; a connection still open is then cut."""
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        asyncio.get_running_loop().add_signal_handler(number, _end, ended, code)
    async with asyncio.TaskGroup() as tasks:
        handle = _logged(simulator) if arguments.log else simulator.handle
        server = web.Server(handle, access_log=None, handler_cancellation=True)
        # Not 0, which the library takes for "until all have been answered": a fault may answer never.
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await _listen(runner, arguments)
            simulator.url = f"http://{arguments.host}:{runner.addresses[0][1]}"
            simulator.begin(tasks)
            _announce(simulator)
            return await ended
        finally:
            await simulator.end()
            await runner.cleanup()


async def _listen(runner: web.ServerRunner, arguments: argparse.Namespace) -> None:
    try:
        await web.TCPSite(runner, arguments.host, arguments.port).start()
    except OSError as error:
        where = f"{arguments.host}:{arguments.port}"
        _say(
            f"simulator: cannot listen on {where}: {os.strerror(error.errno or 0)}; choose another --port",
            sys.stderr,
        )
        raise SystemExit(1) from None


def _end(ended: asyncio.Future[int], code: int) -> None:
    if not ended.done():
        ended.set_result(code)


def _logged(simulator: Simulator) -> Any:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        answer = await simulator.handle(request)
        _say(f"{request.method} {request.path_qs} {answer.status}", sys.stderr)
        return answer

    return handle


def _announce(simulator: Simulator) -> None:
    """Says where it listens: for a person on a terminal, else one line of JSON."""
    identity = simulator.world.identity
    cloud = f"{simulator.url}/{identity['organization']}/{identity['tenant']}/orchestrator_"
    if sys.stdout.isatty():
        _say(
            f"Simulated Orchestrator, Ctrl-C ends it\n  on-prem  {simulator.url}\n  cloud    {cloud}\n"
            f"  control  {simulator.url}/_sim/ledger\n{_invitation(simulator)}",
            sys.stdout,
        )
        return
    shown = {"url": simulator.url, "cloud": cloud, "onprem": simulator.url, "pid": os.getpid()}
    _say(orjson.dumps(shown).decode(), sys.stdout)


def _invitation(simulator: Simulator) -> str:
    """What a worker needs to work with it; nothing here is secret, it is all made up."""
    lines = [f"export JOBRELAY_ORCHESTRATOR_URL={simulator.url}"]
    for client in simulator.world.identity["clients"][:1]:
        lines += [f"export JOBRELAY_CLIENT_ID={client['id']} JOBRELAY_CLIENT_SECRET={client['secret']}"]
    lines += [f"export JOBRELAY_SCOPE='{_SCOPES}'"]
    return "\n".join(("for a worker:", *(f"  {line}" for line in lines)))


def _say(text: str, stream: Any) -> None:
    stream.write(text + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
