"""A certificate authority of the tests' own, and what it signs, as the files that settings name."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import orjson
import trustme
from aiohttp import web
from tenant import SEED

from simulator.front.server import Simulator

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Authority:
    """Signs certificates, and writes each into *folder*: `ca.pem`, `NAME.pem`, `NAME.key`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = trustme.CA()
        folder.mkdir(exist_ok=True)
        self._ca.cert_pem.write_to_path(str(folder / "ca.pem"))

    @property
    def ca(self) -> str:
        """The file by which its certificates are trusted."""
        return str(self.folder / "ca.pem")

    def issue(self, name: str, *identities: str, ends: datetime | None = None) -> tuple[str, str]:
        """A certificate of a host's *identities*, good until *ends*: the files of it and of its key."""
        begins = datetime(2019, 1, 1, tzinfo=UTC) if ends else None
        made = self._ca.issue_cert(*identities, not_before=begins, not_after=ends)
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        made.private_key_pem.write_to_path(str(key))
        cert.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
        return str(cert), str(key)

    @cached_property
    def hosts(self) -> Mapping[str, tuple[str, str]]:
        """Certificates that a server here may show: its own, another host's, one that was good once."""
        return {
            "good": self.issue("good", "localhost", "127.0.0.1"),
            "another": self.issue("another", "broker.example"),
            "expired": self.issue("expired", "localhost", "127.0.0.1", ends=LONG_AGO),
        }

    def serving(self, shown: str) -> ssl.SSLContext:
        """The context of a server that shows one of `hosts`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.hosts[shown])
        return context


@asynccontextmanager
async def orchestrator(authority: Authority, shown: str) -> AsyncIterator[tuple[str, Simulator]]:
    """The simulator behind TLS, showing that certificate, and its URL."""
    simulator = Simulator(orjson.loads(orjson.dumps(SEED)))
    server = web.Server(simulator.handle, access_log=None, handler_cancellation=True)
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
    async with asyncio.TaskGroup() as tasks:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.serving(shown)).start()
        simulator.url = f"https://localhost:{runner.addresses[0][1]}"
        simulator.begin(tasks)
        yield simulator.url, simulator
        await simulator.end()
        await runner.cleanup()
