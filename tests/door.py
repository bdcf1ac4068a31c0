"""A door in front of a server: shut, the server is away for whoever comes by it, and others see nothing."""

import asyncio
from contextlib import suppress
from typing import Self

from yarl import URL

from simulator.rabbitmq.loopback import free_ports


class Door:
    """A port that leads to *target*'s while the door is open; `url` is *target* by way of it.

    A context. It begins shut: nobody listens, as when a server is down. Shutting it resets what is connected.
    """

    def __init__(self, target: str) -> None:
        self._target = URL(target)
        (self._port,) = free_ports(1)
        self.url = str(self._target.with_host("127.0.0.1").with_port(self._port))
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def open(self) -> None:
        """Lets everybody through."""
        self._server = await asyncio.start_server(self._through, "127.0.0.1", self._port)

    async def shut(self) -> None:
        """Throws everybody out and listens no more."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        await server.wait_closed()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, to_there = await asyncio.open_connection(self._target.host, self._target.port)
            self._writers |= {writer, to_there}
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pass_on(reader, to_there))
                tasks.create_task(_pass_on(there, writer))
            self._writers -= {writer, to_there}


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
