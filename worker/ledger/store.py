"""Entries in Redis or Valkey: a step on one of them is undivided, and answered within two seconds or `Away`.

Replicas' clocks may differ: until when an entry is unsafe is kept by the server's clock, and crosses the wire
as the time that is left. All but 16 steps wait for a free connection, in the same second.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from worker.domain.requests import Entry
from worker.ledger.step import AS_IT_IS, Away, Foreign, Step
from worker.settings import SettingsError

try:
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.exceptions import NoScriptError
    from redis.exceptions import TimeoutError as NoAnswer
except ModuleNotFoundError as missing:
    raise SettingsError(
        "JOBRELAY_REDIS_URL needs a package that is not installed: pip install 'jobrelay[redis]'"
    ) from missing

# A healthy one answers in a millisecond or two, also while it forks; what takes longer holds up requests for
# nothing, as there is an answer without it. Nobody waits for what is done in the background.
_WITHIN_S, _IN_BACKGROUND_S = 1.0, 5.0
_CONNECTIONS = 16
_WHERE_IN_SCRIPT = re.compile(r" script: [0-9a-f]{40}.*")
_LONGEST_REASON = 300
_SCRIPT = Path(__file__).with_name("entry.lua").read_text()
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
T = TypeVar("T")


class _Late(Away):
    """There is no answer yet."""


class Store:
    """The entries of one prefix, `PREFIX:request:REQUEST_ID`; see `Entries` for the promises."""

    def __init__(self, url: str, prefix: str, clock: Callable[[], float]) -> None:
        password = urlsplit(url).password or ""
        self._secrets = {password, unquote(password)} - {""}
        self._prefix = prefix
        self._clock = clock
        # The older protocol is spoken everywhere and asks for nothing that a server may not know. The
        # connections of such a pool try nothing again by themselves.
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_WITHIN_S,
            socket_connect_timeout=_WITHIN_S,
            socket_timeout=None,  # `_answer` bounds all; with one, Python 3.11 may lose a cancellation
            socket_keepalive=True,
            protocol=2,
            client_name=f"jobrelay:{prefix}",
        )
        self._redis = Redis(connection_pool=self._pool)

    async def take(self, step: Step) -> Entry | None:
        """Takes one step and returns the entry that stands there: of a claim, None says that it is granted.

        Raises `Foreign` where no ledger has written that entry; only `settle` writes over it.
        """
        try:
            reply = await self._answer(self._run(step))
        except _Late:
            # It may be this process that was late, with the answer long there; no step does harm twice.
            reply = await self._answer(self._run(step))
        return self._read(step, reply)

    async def take_all(self, steps: Iterable[Step]) -> None:
        """Takes many steps in one go; nobody hears of what stood in the way of one."""
        now = self._clock()
        async with self._redis.pipeline(transaction=False) as pipeline:
            for step in steps:
                pipeline.evalsha(_SHA, 1, self._key(step), *step.arguments(now))
            await self._answer(pipeline.execute(), _IN_BACKGROUND_S)

    async def probe(self) -> None:
        """Makes sure that all steps can be taken, by an entry that is made and released."""
        name = f"~{secrets.token_hex(8)}"  # no request's id has that sign
        mine = Entry(name, "", None, settled=False, safe_at=0)
        await self.take(Step("claim", name, mine=mine))
        await self.take(Step("release", name, name))

    async def describe(self) -> Mapping[str, Any]:
        """What the server says of itself (INFO), and in `save` when it writes to the disk, if it tells."""
        about = dict(await self._answer(self._redis.info()))
        try:
            about["save"] = (await self._answer(self._redis.config_get("save"))).get("save")
        except Away:  # hosted ones do not allow the question
            about["save"] = None
        return about

    async def close(self) -> None:
        """Closes all connections."""
        try:
            await self._answer(self._pool.disconnect())
        except Away:
            return

    async def _run(self, step: Step) -> Any:
        called = (self._key(step), *step.arguments(self._clock()))
        try:
            return await self._redis.evalsha(_SHA, 1, *called)
        except NoScriptError:
            return await self._redis.eval(_SCRIPT, 1, *called)

    async def _answer(self, asked: Awaitable[T], within_s: float = _WITHIN_S) -> T:
        try:
            async with asyncio.timeout(within_s):
                return await asked
        except (TimeoutError, NoAnswer):
            raise _Late(f"Redis gave no answer within {within_s:g} s") from None
        except Exception as error:  # noqa: BLE001 - whatever the library met with, the worker goes on without
            raise Away(self._told(error)) from None

    def _told(self, error: Exception) -> str:
        """What went wrong in one line: a server may quote the password that it was sent."""
        text = _WHERE_IN_SCRIPT.sub("", " ".join(str(error).split())) or type(error).__name__
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return f"Redis: {text}"[:_LONGEST_REASON]

    def _key(self, step: Step) -> bytes:
        return f"{self._prefix}:request:{step.request_id}".encode(errors=AS_IT_IS)

    def _read(self, step: Step, reply: Any) -> Entry | None:
        if reply is None:
            return None
        try:
            owner, fingerprint, message_id, settled, left, folder_id, refusal = reply
            return Entry(
                owner.decode(),
                fingerprint.decode(),
                None if message_id is None else message_id.decode(errors=AS_IT_IS),
                settled == b"1",
                self._clock() + int(left) / 1000,
                int(folder_id) if folder_id else None,
                cancelled=settled == b"2",
                refusal=refusal.decode() if refusal else None,
            )
        except (TypeError, ValueError, AttributeError):
            raise Foreign(f"{self._prefix}:request:{step.request_id} is no entry") from None
