"""Nothing waits for ever: in broker/ and orchestrator/ every await that leaves the process has its end.

Each await is one of: inside `asyncio.timeout`; given a `timeout`; of a function of ours, which is looked at
in its place; or named below with the reason why it needs none.
"""

import ast
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import aio_pika
import aio_pika.abc
import aiohttp
import aiormq

ROOT = Path(__file__).parents[2] / "worker"
FOLDERS = ("broker", "orchestrator")
_LIBRARY = (
    *(aio_pika.Connection, aio_pika.Channel, aio_pika.Exchange, aio_pika.Queue, aio_pika.Message),
    *(aiormq.Connection, aiormq.Channel, aio_pika.abc.UnderlayConnection),
    *(aiohttp.ClientSession, aiohttp.ClientResponse, aiohttp.StreamReader, aiohttp.TCPConnector),
    *(asyncio.Queue, asyncio.Event, asyncio.Lock, asyncio.Future, asyncio.Task, asyncio.StreamWriter),
)
FOREIGN = {name for kind in _LIBRARY for name in dir(kind)}
"""Methods that a library has too: by such a name alone, nobody can tell that ours is meant."""

OURS = (
    *("publisher", "self._transport", "self._folders", "self._own_folders"),
    *("self._processes", "self._robots", "self._machines", "self._queues"),
)
"""Objects of ours: their methods are looked at in their place, though a library has the same names."""

_QUEUED = "frames are queued, and the library's writer does not wait for the peer"
_LASTS = "it may last: the heartbeat ends a dead connection, that its session, and that this wait"
NEEDS_NONE = {
    # A queue, an event or a task of our own: nobody outside is asked.
    "broker/acks.py::run: self._settled.wait()": "our own event",
    "broker/acks.py::flush: self.withheld": "our own lock, held while frames are queued, or `_cancel`",
    "broker/confirms.py::_write: self._due.wait()": "our own event",
    "broker/inbox.py::_cancel: acks.withheld": "our own lock, held while frames are queued",
    "broker/confirms.py::_end: self._ended": "our own future, which `end` resolves",
    "broker/connection.py::ended: part": "a part of a session, which is looked at in its place",
    "broker/connection.py::together: asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)": "our tasks",
    "broker/inbox.py::__aiter__: self._waiting.get()": "our own queue: no delivery is no trouble",
    "broker/outbox.py::_publish_alone: self._one_suspect": "our own lock, around a publish that has its end",
    "broker/outbox.py::_publish: self._opened.wait()": "our own event: it is held until it can be told",
    "broker/outbox.py::defer: self._opened.wait()": "our own event, as above",
    "broker/peers/hints.py::__anext__: self._heard.get()": "our own queue: no hint is no trouble",
    "broker/peers/hints.py::_send_all: self._wanted.wait()": "our own event",
    "broker/peers/lease.py::take: self._asking": "our own lock, around what has its timeout",
    "broker/peers/lease.py::release: self._asking": "our own lock, around what has its timeout",
    "broker/replies/__init__.py::run: self._wanted.wait()": "our own event",
    "broker/replies/__init__.py::_send_all: free.acquire()": "our own tasks, each of which has its end",
    "broker/replies/__init__.py::_send_all: self._waiting.get()": "our own queue",
    "broker/visits/tap.py::next: self._arrived.get()": "our own queue, which the channel's end wakes",
    "orchestrator/auth.py::_renew: flight.result()": "our own task, shared",
    "orchestrator/cache.py::_shared: flight.result()": "our own task, shared",
    "orchestrator/cache.py::result: self._lock": "our own lock, around our own task",
    "orchestrator/lookup/gather.py::_find: flight.result()": "our own task, shared",
    "orchestrator/queues/adding.py::add: waiting.outcome": "our own future, which `_sent` always resolves",
    # What is awaited is made elsewhere, and is looked at there.
    "orchestrator/queues/adding.py::_all_failed: asyncio.gather(*alone)": "POSTs, each with its timeout",
    "broker/topology.py::_declare_on: declared": "made in `_declarations`",
    "broker/visits/visit.py::_unless_there: ask(channel, name)": "made in `absent`",
    "orchestrator/auth.py::_request: self._send(call, self._grant.headers, self._grant.body)": "`safely`",
    "orchestrator/cache.py::_read: read()": "a read of the catalogue",
    "orchestrator/cache.py::result: self._make()": "a request for a token, or a look-up",
    "orchestrator/catalog.py::_or_else: first": "a read of the catalogue",
    "orchestrator/catalog.py::_or_else: second()": "a read of the catalogue",
    "orchestrator/client.py::__aenter__: self._stack.enter_async_context(self._connection)": "local",
    "orchestrator/client.py::__aexit__: self._stack.aclose()": "closes `Connection`",
    "orchestrator/http/content.py::_bounded: chunks": "the answer to a request that has its timeout",
    "broker/acks.py::_flush: self._channel.basic_nack(self._returned.pop(), requeue=True, wait=False)": (
        _QUEUED
    ),
    "broker/acks.py::_flush: self._channel.basic_ack(max(first), multiple=True, wait=False)": _QUEUED,
    "broker/acks.py::_flush: self._channel.basic_ack(tag, wait=False)": _QUEUED,
    "broker/confirms.py::_write: self._channel.write_queue.put(ChannelFrame(b''.join(frames), "
    "should_close=False))": _QUEUED,
    "broker/confirms.py::_write: self._channel.connection.ready()": _LASTS,
    "broker/confirms.py::_watch: self._channel.connection.ready()": _LASTS,
    "broker/connection.py::_see_blocks: transport.ready()": _LASTS,
    "broker/connection.py::gone: asyncio.wait([closing])": _LASTS,
    "broker/inbox.py::_cancelled: cancelled.wait()": _LASTS,
    "broker/confirms.py::publish: confirm": "`_watch` ends the session that confirms late",
    "broker/confirms.py::_alone: asyncio.wait([other])": "a confirm, as before",
    "broker/visits/visit.py::_alone: asyncio.wait([other])": "a confirm, which has its timeout",
    "broker/visits/box.py::give_back: self._channels.aclose()": "the end of each `channel_on`",
}
"""The awaits that have no timeout, as the findings name them, and why they need none."""


@dataclass(frozen=True)
class Wait:
    """One place where the program waits: where, for what, and whether a timeout is around it."""

    place: str
    what: ast.expr
    inside: bool

    def __str__(self) -> str:
        return f"{self.place}: {ast.unparse(self.what)}"


def test_every_await_that_leaves_the_process_has_a_timeout() -> None:
    """What is new and unbounded is named here; so is an exception that is no longer needed."""
    found = {str(wait) for wait in waits(sources()) if not _is_bounded(wait)}
    assert sorted(found - NEEDS_NONE.keys()) == []
    assert sorted(NEEDS_NONE.keys() - found) == []


def sources() -> dict[str, str]:
    """The modules that are looked at, by their place."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}


def waits(modules: dict[str, str]) -> Iterator[Wait]:
    """Every await of *modules*, and every call to the broker, awaited where it stands or later."""
    for name, text in modules.items():
        yield from _waits(ast.parse(text), name, inside=False)


def _waits(node: ast.AST, place: str, *, inside: bool) -> Iterator[Wait]:
    """What is waited for in *node* and below."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        place, inside = f"{place.partition('::')[0]}::{node.name}", False
    elif isinstance(node, ast.AsyncWith):
        for item in node.items:
            yield from _waits(item.context_expr, place, inside=inside)
            yield Wait(place, item.context_expr, inside)
            inside = inside or _is_timeout(item.context_expr)
        for statement in node.body:
            yield from _waits(statement, place, inside=inside)
        return
    elif isinstance(node, ast.Await):
        yield Wait(place, node.value, inside)
    elif isinstance(node, ast.AsyncFor):
        yield Wait(place, node.iter, inside)
    elif isinstance(node, ast.Call) and _name(node).startswith(("basic_", "queue_", "exchange_")):
        yield Wait(place, node, inside)
    for below in ast.iter_child_nodes(node):
        yield from _waits(below, place, inside=inside)


def _is_timeout(what: ast.expr) -> bool:
    return isinstance(what, ast.Call) and ast.unparse(what.func) in {"asyncio.timeout", "asyncio.timeout_at"}


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_bounded(wait: Wait) -> bool:
    what = wait.what
    if wait.inside or not isinstance(what, ast.Call):
        return wait.inside
    if any(given.arg == "timeout" and ast.unparse(given.value) != "None" for given in what.keywords):
        return True
    if ast.unparse(what.func) in {"asyncio.sleep", "asyncio.wait_for", "asyncio.TaskGroup"}:
        return True
    if _name(what) == "enter_async_context":
        return _is_bounded(Wait(wait.place, what.args[0], inside=False))
    return _is_timeout(what) or _is_ours(what)


def _is_ours(call: ast.Call) -> bool:
    """A call of a function that is looked at itself: by its name, on an object of ours, or nobody else's."""
    name = _name(call)
    if name not in _own():
        return False
    known = isinstance(call.func, ast.Name) or ast.unparse(call.func).rpartition(".")[0] in {"self", *OURS}
    return known or name not in FOREIGN


@cache
def _own() -> frozenset[str]:
    trees = [ast.parse(text) for text in sources().values()]
    return frozenset(
        node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)
    )


def test_a_timeout_that_is_taken_away_is_missed() -> None:
    """The look is worth something: without any single one of them it finds what waits for ever."""
    unnoticed = []
    for place, text in sources().items():
        for number in range(_timeouts(ast.parse(text))):
            without = _Without(number)
            mutated = ast.unparse(without.visit(ast.parse(text)))
            found = {str(wait) for wait in waits({place: mutated}) if not _is_bounded(wait)}
            if not found - NEEDS_NONE.keys():
                unnoticed.append(f"{place}: {without.taken}")
    assert unnoticed == []


def _timeouts(tree: ast.Module) -> int:
    counting = _Without(-1)
    counting.visit(tree)
    return counting.seen


class _Without(ast.NodeTransformer):
    """Takes one timeout away, the one of that number."""

    def __init__(self, number: int) -> None:
        self.number, self.seen, self.taken = number, 0, ""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Drops a `timeout=`, an `asyncio.timeout`, or what `asyncio.wait_for` adds."""
        self.generic_visit(node)
        if _is_timeout(node) and self._is_it(node):
            return ast.parse("nullcontext()", mode="eval").body
        if ast.unparse(node.func) == "asyncio.wait_for" and self._is_it(node):
            return node.args[0]
        given = [one for one in node.keywords if one.arg != "timeout"]
        if len(given) < len(node.keywords) and self._is_it(node):
            node.keywords = given
        return node

    def _is_it(self, node: ast.Call) -> bool:
        self.seen += 1
        self.taken = ast.unparse(node) if self.seen - 1 == self.number else self.taken
        return self.seen - 1 == self.number
