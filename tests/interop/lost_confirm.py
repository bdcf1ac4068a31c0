"""A way to the broker on which one confirm is lost: the broker has the message, its sender hears nothing."""

import asyncio
from contextlib import suppress
from typing import Self

from yarl import URL


class LostConfirm:
    """Leads to *target*; the first connection that carries *mark* ends with the broker's next word.

    A context; `url` is *target* by way of it, and `lost` says whether it has happened.
    """

    def __init__(self, target: str, mark: bytes) -> None:
        self._target, self._mark = URL(target), mark
        self._owing: asyncio.StreamWriter | None = None
        self.lost = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._through, "127.0.0.1", 0)
        self.url = str(self._target.with_port(self._server.sockets[0].getsockname()[1]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, to_there = await asyncio.open_connection(self._target.host, self._target.port)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._out(reader, to_there, writer))
                tasks.create_task(self._back(there, writer))

    async def _out(
        self, reader: asyncio.StreamReader, to_there: asyncio.StreamWriter, sender: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self._mark in data and self._owing is None:
                    self._owing = sender
                to_there.write(data)
                await to_there.drain()
        to_there.close()

    async def _back(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await there.read(65_536):
                if self._owing is writer:
                    self.lost = True
                    writer.transport.abort()
                    return
                writer.write(data)
                await writer.drain()
        writer.close()
