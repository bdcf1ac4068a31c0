"""A served webhook, and what is sent to it: notices as Orchestrator signs them, or any bytes at all."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from worker.domain.webhooks import PATH
from worker.web.health import Health
from worker.web.metrics import Metrics
from worker.web.server import serve
from worker.web.webhook import Webhook

SECRET, OLDER = "a secret ü", "the one before it"
KEY = "d7a77655-1234-4f6a-9d55-2f1f6f0c0a01"
WITHIN_S = 10


def signature(body: bytes, secret: str = SECRET) -> str:
    """What Orchestrator sends along: base64 of the HMAC-SHA256 of the body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def notice(kind: str = "job.completed", event_id: str = "307348658", **more: Any) -> bytes:
    """A notice; without more to say, of one job that has KEY."""
    return json.dumps({"Type": kind, "EventId": event_id, **(more or {"Job": {"Key": KEY.upper()}})}).encode()


def post(body: bytes, **headers: str | None) -> bytes:
    """The bytes of a signed POST of *body*; *headers* are added or replace, and None leaves one out.

    Underscores in their names stand for hyphens.
    """
    said: dict[str, str | None] = {
        "Host": "worker",
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(body)),
        "X-UiPath-Signature": signature(body),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"{name}: {value}\r\n" for name, value in said.items() if value is not None]
    return f"POST {PATH} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1") + body


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A body in chunks, without its headers."""
    return b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + end


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; its names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Hook:
    """A served webhook: the jobs that it handed on, and what it counted."""

    port: int = 0
    looked: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        """Its address on this machine."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def look(self, jobs: Sequence[str]) -> None:
        """Keeps the keys."""
        self.looked += jobs

    def count(self, outcome: str) -> None:
        """Counts."""
        self.counted[outcome] += 1

    async def send(self, content: bytes, patience: float = WITHIN_S) -> Answer | None:
        """Sends the bytes over a connection of their own: the first answer, None where there is none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(patience):
                writer.write(content)
                return await _answer(reader, bodiless=content.startswith(b"HEAD"))
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            return None
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader, *, bodiless: bool) -> Answer:
    head = b"HTTP/1.1 100"
    while head.startswith(b"HTTP/1.1 100"):  # Continue: the answer comes after it
        head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    parts = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in parts}
    body = b"" if bodiless else await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, body)


@asynccontextmanager
async def hooked(*secrets: str, within_s: float = WITHIN_S) -> AsyncIterator[Hook]:
    """A webhook that takes notices signed with one of *secrets*, and bodies that come within *within_s*."""
    hook = Hook()
    webhook = Webhook(secrets, hook.look, hook.count, within_s)
    async with serve(0, Health(), Metrics(), webhook) as hook.port:
        yield hook
