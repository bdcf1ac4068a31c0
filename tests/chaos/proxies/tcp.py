"""A TCP proxy on loopback that does on demand what networks do: hold what passes, cut, let nobody in.

Nothing in the product knows of it. A `Trap` holds a line in the very moment in which certain bytes come by,
so that a process can be killed between two of its steps.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

OUT, BACK = "out", "back"
_ACCEPT_MOST = 100
_HELD_MOST = 4 << 20  # then the sender has to wait, as behind a full buffer


@dataclass(slots=True)
class Trap:
    """Springs once: when *pattern* is on its way out on a line that said *on* at first, *hold* is held.

    With `out` the pattern itself does not arrive; with `back` it does, and its answer does not.
    """

    pattern: bytes
    hold: str
    on: bytes = b""
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    line: "Line | None" = None


class _Way(asyncio.Protocol):
    """One direction of a line: what this end receives goes to the other end, unless it is held."""

    def __init__(self, line: "Line", name: str) -> None:
        self.line, self.name = line, name
        self.source: asyncio.Transport | None = None
        self.sink: asyncio.Transport | None = None
        self.kept = bytearray()
        self.held = self.over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.source = transport
        self.line.joined(self)

    def data_received(self, data: bytes) -> None:
        self.line.passing(self, data)
        if self.held or self.sink is None:
            self.kept += data
            if len(self.kept) > _HELD_MOST and self.source is not None:
                self.source.pause_reading()
        else:
            self.sink.write(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.over = True
        self.line.ended(self)

    def pause_writing(self) -> None:
        other = self.line.other(self).source
        if other is not None and not other.is_closing():
            other.pause_reading()

    def resume_writing(self) -> None:
        other = self.line.other(self).source
        if other is not None and not other.is_closing():
            other.resume_reading()

    def let_go(self) -> None:
        """Hands on what was held, the end of the line too."""
        self.held = False
        if self.sink is None:
            return
        if self.kept:
            self.sink.write(bytes(self.kept))
            self.kept.clear()
        if self.source is not None and not self.source.is_closing():
            self.source.resume_reading()
        if self.over:
            self.sink.close()


class Line:
    """One connection through the proxy: `first` is what its client said first, which tells who it is."""

    def __init__(self, proxy: "Proxy") -> None:
        self._proxy = proxy
        self.first = b""
        self.out, self.back = _Way(self, OUT), _Way(self, BACK)

    def hold(self, *ways: str) -> None:
        """Nothing passes from now on, in these directions (both unless said)."""
        for way in self._ways(ways):
            way.held = True

    def let_go(self) -> None:
        """What was held passes, and whatever comes."""
        for way in self._ways(()):
            way.let_go()

    def cut(self) -> None:
        """Both ends see a reset; what was held is gone."""
        for way in self._ways(()):
            way.held = False
            way.kept.clear()
            if way.source is not None:
                _reset(way.source)

    def holds_back(self) -> bool:
        """True when an answer has come that is held."""
        return bool(self.back.kept)

    def other(self, way: _Way) -> _Way:
        """The opposite direction."""
        return self.back if way is self.out else self.out

    def joined(self, way: _Way) -> None:
        """One end is there."""
        self.other(way).sink = way.source
        if not self.other(way).held:
            self.other(way).let_go()

    def ended(self, way: _Way) -> None:
        """One end is gone: the other one hears of it, unless the line is held."""
        self._proxy.lines.discard(self)
        if not way.held and way.sink is not None:
            way.sink.close()

    def passing(self, way: _Way, data: bytes) -> None:
        """Bytes come by: the beginning names the line, and a trap may wait for them."""
        if way is self.out:
            if len(self.first) < 2000:
                self.first += data
            self._proxy.watch(self, data)

    def _ways(self, names: tuple[str, ...]) -> list[_Way]:
        return [way for way in (self.out, self.back) if not names or way.name in names]


class Proxy:
    """Listens on `port` and passes everything on to *port* behind it, as a context."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self.port = 0
        self.lines: set[Line] = set()
        self._trap: Trap | None = None
        self._stalled = self._closed = False
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accepted, "127.0.0.1", 0, backlog=_ACCEPT_MOST)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._server.close()
        self.cut()
        await self._tasks.__aexit__(None, None, None)

    def set(self, trap: Trap) -> Trap:
        """From now on *trap* waits, instead of any other."""
        self._trap = trap
        return trap

    def spring_nothing(self) -> None:
        """Takes the trap away."""
        self._trap = None

    def cut(self) -> None:
        """Resets every line; held ones too."""
        for line in list(self.lines):
            line.cut()

    def stall(self) -> None:
        """As if a cable were pulled: nothing passes and nobody is told, new lines included."""
        self._stalled = True
        for line in self.lines:
            line.hold()

    def heal(self) -> None:
        """Lines that were held in a stall are cut (nobody would wait for them that long); new ones work."""
        if self._stalled:
            self.cut()
        self._stalled = self._closed = False

    def refuse(self) -> None:
        """Nobody gets in until `heal`, and whoever is in is thrown out."""
        self._closed = True
        self.cut()

    def watch(self, line: Line, data: bytes) -> None:
        """Bytes on their way out: springs the trap."""
        trap = self._trap
        if trap is None or trap.pattern not in data or trap.on not in line.first:
            return
        self._trap = None
        line.hold(trap.hold)
        trap.line = line
        trap.sprung.set()

    def _accepted(self) -> _Way:
        line = Line(self)
        self.lines.add(line)
        if self._stalled:
            line.hold()
        self._tasks.create_task(self._connect(line))
        return line.out

    async def _connect(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._closed:
                raise ConnectionRefusedError
            await loop.create_connection(_backward(line), "127.0.0.1", self._behind)
        except OSError:
            line.cut()
            self.lines.discard(line)


def _backward(line: Line) -> Callable[[], _Way]:
    return lambda: line.back


def _reset(transport: asyncio.Transport) -> None:
    found = transport.get_extra_info("socket")
    if found is not None and not transport.is_closing():
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
